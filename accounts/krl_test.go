package accounts

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/tests/testbed"
)

func krlSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func krlCertificate(t testing.TB, ca ssh.Signer, key ssh.PublicKey, serial uint64, id string) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{Key: key, Serial: serial, KeyId: id, CertType: ssh.UserCert, ValidPrincipals: []string{"bob"}, ValidBefore: ssh.CertTimeInfinity}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return c
}

// What ssh-keygen writes into a list is revoked here as ssh-keygen itself says, by
// every way there is to name a key or a certificate.
func TestRevocationListsOfSSHKeygen(t *testing.T) {
	t.Parallel()
	keygen := testbed.Program(t, "ssh-keygen")
	dir := t.TempDir()
	ca, other := krlSigner(t), krlSigner(t)
	file := func(name string, key ssh.PublicKey) string {
		path := filepath.Join(dir, name)
		write(t, path, string(ssh.MarshalAuthorizedKey(key)))
		return path
	}
	caFile := file("ca.pub", ca.PublicKey())
	plain := make([]ssh.PublicKey, 4)
	for i := range plain {
		plain[i] = krlSigner(t).PublicKey()
		file(fmt.Sprintf("key%d.pub", i), plain[i])
	}
	line := func(i int) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(plain[i]))) }

	// Numbers that make it choose lists, ranges and bitmaps, up to the largest.
	spec := "serial: 1\nserial: 5-9\nserial: 1000-1000000\nserial: 9223372036854775807\nserial: 18446744073709551610-18446744073709551615\nid: lost laptop\nid: x\n"
	for n := 2_000_001; n < 2_000_300; n += 3 {
		spec += fmt.Sprintf("serial: %d\n", n)
	}
	lists := map[string][]string{
		"of an authority":       {"-s", caFile, spec},
		"of any":                {"-s", "none", spec},
		"of keys":               {"key: " + line(0) + "\nsha1: " + line(1) + "\nsha256: " + line(2) + "\n"},
		"of an authority's key": {"key: " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(ca.PublicKey()))) + "\n"},
		"of nothing":            {""},
	}
	var asked []ssh.PublicKey
	for i, serial := range []uint64{0, 1, 2, 4, 5, 9, 10, 999, 1000, 1_000_000, 1_000_001, 2_000_000, 2_000_001, 2_000_002, 2_000_298, 2_000_299, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 6, math.MaxUint64 - 5, math.MaxUint64} {
		for j, by := range []ssh.Signer{ca, other} {
			asked = append(asked, krlCertificate(t, by, plain[3], serial, fmt.Sprint("id ", i, j)))
		}
	}
	asked = append(asked, krlCertificate(t, ca, plain[3], 0, "lost laptop"), krlCertificate(t, ca, plain[3], 77, "lost"), krlCertificate(t, other, plain[3], 77, "x"))
	for i := range plain {
		asked = append(asked, plain[i], krlCertificate(t, other, plain[i], 77, "of key"))
	}
	asked = append(asked, ca.PublicKey())
	var files []string
	for i, k := range asked {
		files = append(files, file(fmt.Sprintf("asked%d.pub", i), k))
	}

	for name, args := range lists {
		list := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		write(t, list+".spec", args[len(args)-1])
		make := append([]string{"-q", "-k", "-f", list}, args[:len(args)-1]...)
		if out, err := exec.CommandContext(t.Context(), keygen, append(make, list+".spec")...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		f, err := openKeyFile(list, true, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out, _ := exec.CommandContext(t.Context(), keygen, append([]string{"-Q", "-f", list}, files...)...).CombinedOutput()
		for i, k := range asked {
			var got bool
			if c, ok := k.(*ssh.Certificate); ok {
				got = f.revokes(c)
			} else {
				got = f.holds(k)
			}
			want := bytes.Contains(out, []byte(files[i]+" ")) && strings.Contains(lineOf(string(out), files[i]), "REVOKED")
			if got != want {
				t.Errorf("%s: %v: revoked %t, ssh-keygen says %q", name, k, got, lineOf(string(out), files[i]))
			}
		}
	}
}

// lineOf is the line of text that begins with the word.
func lineOf(text, word string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, word+" ") || strings.HasPrefix(l, word+":") {
			return l
		}
	}
	return ""
}

// A certificate of a number that a list names doesn't log in, the next one does,
// and a list that is damaged later leaves in force what was said before.
func TestRevokedSerialsDontLogIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, user := krlSigner(t), krlSigner(t)
	path, revoked := filepath.Join(dir, "accounts"), filepath.Join(dir, "revoked")
	write(t, path, "bob "+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(ca.PublicKey())))+" "+testRoot+" cert-authority=yes principals=bob\n")
	write(t, revoked, string(krlOf(krlSection(krlCertificates, krlCerts(ca.PublicKey(), krlPart(krlSerials, u64s(7)))))))
	f, err := OpenFile(path, Options{RevokedKeys: revoked, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	login := func(serial uint64) error {
		_, err := f.Authenticate(t.Context(), "bob", Certificate(krlCertificate(t, ca, user.PublicKey(), serial, "id").Marshal()))
		return err
	}
	for _, damaged := range []bool{false, true} {
		if err := login(7); !errors.Is(err, kind.Denied) {
			t.Errorf("damaged %t: number 7: %v", damaged, err)
		}
		if err := login(8); err != nil {
			t.Errorf("damaged %t: number 8: %v", damaged, err)
		}
		write(t, revoked, krlMagic+"cut")
	}
	write(t, revoked, string(krlOf(krlSection(krlCertificates, krlCerts(nil, krlPart(krlKeyIDs, krlText([]byte("id"))))))))
	if err := login(8); !errors.Is(err, kind.Denied) {
		t.Errorf("revoked by its id: %v", err)
	}
}

// Whatever a list says that isn't understood, or that can't be, refuses it whole.
func TestRevocationListFaults(t *testing.T) {
	t.Parallel()
	whole := krlOf(krlSection(krlCertificates, krlCerts(nil, krlPart(krlSerialRange, u64s(3, 5)))), krlSection(krlSHA1, krlText(make([]byte, 20))))
	if _, err := parseKRL(whole, map[string]bool{}); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if n == 44 { // before the first section
			continue
		}
		if _, err := parseKRL(whole[:n], map[string]bool{}); err == nil && n != len(krlOf(krlSection(krlCertificates, krlCerts(nil, krlPart(krlSerialRange, u64s(3, 5)))))) {
			t.Errorf("the first %d bytes of %d are a list", n, len(whole))
		}
	}
	certs := func(kind byte, data []byte) []byte {
		return krlOf(krlSection(krlCertificates, krlCerts(nil, krlPart(kind, data))))
	}
	ext := func(critical byte) []byte {
		return append(krlText([]byte("new")), append([]byte{critical}, krlText(nil)...)...)
	}
	for name, b := range map[string][]byte{
		"another version":         append(append([]byte(krlMagic), 0, 0, 0, 2), make([]byte, 32)...),
		"a signature":             krlOf(krlSection(4, krlText([]byte("key")))),
		"a section nobody knows":  krlOf(krlSection(77, nil)),
		"a part nobody knows":     certs(0x24, nil),
		"a critical extension":    krlOf(krlSection(krlExtension, ext(1))),
		"one of certificates":     certs(krlCertExtension, ext(1)),
		"a short SHA-1":           krlOf(krlSection(krlSHA1, krlText(make([]byte, 19)))),
		"a long SHA-256":          krlOf(krlSection(krlSHA256, krlText(make([]byte, 33)))),
		"a range backwards":       certs(krlSerialRange, u64s(5, 4)),
		"a range of three":        certs(krlSerialRange, u64s(5, 6, 7)),
		"half a number":           certs(krlSerials, []byte{1, 2, 3}),
		"a bitmap past the end":   certs(krlSerialBitmap, append(u64s(math.MaxUint64-6), krlText([]byte{1, 0})...)),
		"a negative bitmap":       certs(krlSerialBitmap, append(u64s(1), krlText([]byte{0x80})...)),
		"a bitmap, and something": certs(krlSerialBitmap, append(append(u64s(1), krlText([]byte{1})...), 9)),
		"an enormous length":      append(krlOf(), krlKeys, 0xff, 0xff, 0xff, 0xff),
	} {
		if _, err := parseKRL(b, map[string]bool{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, b := range map[string][]byte{
		"an extension that may be passed over": krlOf(krlSection(krlExtension, ext(0))),
		"one of certificates":                  certs(krlCertExtension, ext(0)),
		"a bitmap up to the largest number":    certs(krlSerialBitmap, append(u64s(math.MaxUint64-8), krlText([]byte{1, 0})...)),
		"a bitmap of nothing":                  certs(krlSerialBitmap, append(u64s(1), krlText(nil)...)),
	} {
		if _, err := parseKRL(b, map[string]bool{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "ca")
	write(t, path, string(whole))
	if _, err := openKeyFile(path, false, nil); err == nil {
		t.Error("a revocation list is a file of authorities")
	}
}

// FuzzRevocationList: no list crashes, and one that is taken can be asked.
func FuzzRevocationList(f *testing.F) {
	f.Add(krlOf())
	f.Add(krlOf(krlSection(krlCertificates, krlCerts(nil, krlPart(krlSerialBitmap, append(u64s(100), krlText([]byte{0, 0xff, 1})...))))))
	f.Add(krlOf(krlSection(krlCertificates, krlCerts(nil, krlPart(krlSerialRange, u64s(3, 5)), krlPart(krlKeyIDs, krlText([]byte("id"))), krlPart(krlSerials, u64s(8, 9))))))
	f.Add(krlOf(krlSection(krlSHA1, krlText(make([]byte, 20))), krlSection(krlSHA256, krlText(make([]byte, 32))), krlSection(krlKeys, krlText([]byte("key")))))
	f.Add(krlOf(krlSection(krlExtension, append(krlText([]byte("new")), append([]byte{0}, krlText(nil)...)...))))
	key := krlSigner(f).PublicKey()
	f.Fuzz(func(t *testing.T, b []byte) {
		keys := map[string]bool{}
		r, err := parseKRL(b, keys)
		if err != nil {
			return
		}
		r.key(key)
		for _, of := range r.certs {
			for _, s := range of.serials {
				for _, n := range []uint64{0, s.first - 1, s.first, s.first + (s.last-s.first)/2, s.last, s.last + 1, math.MaxUint64} {
					has := r.certificate(&ssh.Certificate{Key: key, Serial: n})
					if s.bits == nil && len(of.ca) == 0 && n != 0 && n >= s.first && n <= s.last && !has {
						t.Errorf("%d of %d to %d isn't revoked", n, s.first, s.last)
					}
				}
			}
		}
	})
}

func krlOf(sections ...[]byte) []byte {
	b := append([]byte(krlMagic), 0, 0, 0, krlVersion)
	b = append(b, make([]byte, 3*8+2*4)...)
	return append(b, bytes.Join(sections, nil)...)
}

func krlText(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func krlSection(kind byte, data []byte) []byte { return append([]byte{kind}, krlText(data)...) }

func krlPart(kind byte, data []byte) []byte { return krlSection(kind, data) }

func krlCerts(ca ssh.PublicKey, parts ...[]byte) []byte {
	var wire []byte
	if ca != nil {
		wire = ca.Marshal()
	}
	return append(append(krlText(wire), krlText(nil)...), bytes.Join(parts, nil)...)
}

func u64s(all ...uint64) (b []byte) {
	for _, n := range all {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}
