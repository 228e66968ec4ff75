package accounts

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

func signer(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func line1(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, common, stranger, user := signer(t), signer(t), signer(t), signer(t)
	path, cas, revoked := filepath.Join(dir, "accounts"), filepath.Join(dir, "cas"), filepath.Join(dir, "revoked")
	write(t, path, "bob "+line1(own.PublicKey())+" "+testRoot+" cert-authority=yes principals=ops,bob readonly=yes\n"+
		"eve pw "+testRoot+" readonly=yes from=10.0.0.0/8\neve "+ed25519Key+" "+testRoot+" sessions=3\n")
	write(t, cas, "# authorities\n\n"+line1(common.PublicKey())+" common\n")
	write(t, revoked, "")
	f, err := OpenFile(path, Options{UserCAKeys: cas, RevokedKeys: revoked, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	certificate := func(ca ssh.Signer, change func(*ssh.Certificate)) Certificate {
		c := &ssh.Certificate{
			Key: user.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{"bob"},
			ValidAfter: uint64(now.Add(-time.Minute).Unix()), ValidBefore: uint64(now.Add(time.Minute).Unix()),
		}
		if change != nil {
			change(c)
		}
		if err := c.SignCert(rand.Reader, ca); err != nil {
			t.Fatal(err)
		}
		return Certificate(c.Marshal())
	}
	option := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	principals := func(names ...string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidPrincipals = names }
	}
	for name, tt := range map[string]struct {
		user string
		cert Certificate
		ok   bool
	}{
		"the line's authority":                {"bob", certificate(own, nil), true},
		"another of its principals":           {"bob", certificate(own, principals("x", "ops")), true},
		"none of its principals":              {"bob", certificate(own, principals("eve")), false},
		"no principal at all":                 {"bob", certificate(own, principals()), false},
		"another account's authority":         {"eve", certificate(own, principals("eve")), false},
		"common authority":                    {"eve", certificate(common, principals("eve")), true},
		"common authority, another principal": {"eve", certificate(common, principals("bob")), false},
		"unknown authority":                   {"bob", certificate(stranger, nil), false},
		"unknown account":                     {"zoe", certificate(common, principals("zoe")), false},
		"of a host":                           {"bob", certificate(own, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }), false},
		"expired":                             {"bob", certificate(own, func(c *ssh.Certificate) { c.ValidBefore = uint64(now.Add(-time.Second).Unix()) }), false},
		"not yet":                             {"bob", certificate(own, func(c *ssh.Certificate) { c.ValidAfter = uint64(now.Add(time.Hour).Unix()) }), false},
		"force-command":                       {"bob", certificate(own, option("force-command", "internal-sftp")), true},
		"another force-command":               {"bob", certificate(own, option("force-command", "/bin/sh")), false},
		"unknown critical option":             {"bob", certificate(own, option("x@example.org", "")), false},
		"verify-required, of no security key": {"bob", certificate(own, option("verify-required", "")), false},
		"broken source-address":               {"bob", certificate(own, option("source-address", "everywhere")), false},
		"changed after signing": {"bob", func() Certificate {
			c := certificate(own, nil)
			return Certificate(strings.Replace(string(c), "\x00\x00\x00\x03bob", "\x00\x00\x00\x03bok", 1))
		}(), false},
		"a plain key": {"bob", Certificate(user.PublicKey().Marshal()), false},
		"rubbish":     {"bob", Certificate("rubbish"), false},
	} {
		a, err := f.Authenticate(t.Context(), tt.user, tt.cert)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, kind.Denied) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && a.Name != tt.user {
			t.Errorf("%s: logs in as %q", name, a.Name)
		}
	}
	// The key of an authority is no login, and that of a user none without its certificate.
	for _, k := range []ssh.Signer{own, common, user} {
		if _, err := f.Authenticate(t.Context(), "bob", PublicKey(k.PublicKey().Marshal())); err == nil {
			t.Error("a key of certificates logs in by itself")
		}
	}

	// A certificate of a security key asks for its PIN itself, or has its authority ask.
	secure, _, err := ParseKeyFile([]byte("sk-ssh-ed25519@openssh.com " + skKey()))
	if err != nil {
		t.Fatal(err)
	}
	for _, asks := range []bool{false, true} {
		cert := certificate(own, func(c *ssh.Certificate) {
			if c.Key, err = ssh.ParsePublicKey(secure.wire); err != nil {
				t.Fatal(err)
			}
			if asks {
				c.CriticalOptions = map[string]string{"verify-required": ""}
			}
		})
		if a, err := f.Authenticate(t.Context(), "bob", cert); err != nil || a.VerifyRequired() != asks {
			t.Errorf("verify-required %v: %v, %v", asks, a.VerifyRequired(), err)
		}
	}

	here, there := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("192.0.2.1")
	a, err := f.Authenticate(t.Context(), "bob", certificate(own, option("source-address", "10.0.0.0/8,2001:db8::/32")))
	if err != nil || a.Check(here, now) != nil || a.Check(there, now) == nil {
		t.Errorf("source-address: %v", err)
	}
	// By a common authority one gets what all lines of the name allow.
	a, err = f.Authenticate(t.Context(), "eve", certificate(common, principals("eve")))
	if err != nil || a.Root.Authority() != caps.AuthorityRead || a.Limits().Sessions != 3 || a.Check(there, now) == nil {
		t.Errorf("common authority: %+v, %v", a, err)
	}

	for name, line := range map[string]string{
		"the user's key": line1(user.PublicKey()), "its fingerprint": ssh.FingerprintSHA256(user.PublicKey()), "the authority": line1(own.PublicKey()) + " lost",
	} {
		write(t, revoked, line+"\n")
		if _, err := f.Authenticate(t.Context(), "bob", certificate(own, nil)); !errors.Is(err, kind.Denied) {
			t.Errorf("revoked by %s: %v", name, err)
		}
	}
	write(t, revoked, "SHA256:rubbish\n")
	if _, err := f.Authenticate(t.Context(), "bob", certificate(own, nil)); !errors.Is(err, kind.Denied) {
		t.Errorf("a wrong file of revoked keys revokes none: %v", err)
	}
	key, _, _ := ParseKeyFile([]byte(ed25519Key))
	if _, err := f.Authenticate(t.Context(), "eve", PublicKey(key.wire)); err != nil {
		t.Error(err)
	}
	write(t, revoked, key.Fingerprint)
	if _, err := f.Authenticate(t.Context(), "eve", PublicKey(key.wire)); err == nil {
		t.Error("a revoked plain key logs in")
	}
}

func TestKeyFileFaults(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	for _, tt := range []struct {
		text, fault string
		mode        os.FileMode
	}{
		{"# nothing\n", "", 0o644},
		{ed25519Key + "\nrubbish", "keys:2", 0o644},
		{"SSHKRL\n\x00", "no key revocation list of version 1", 0o644},
		{ed25519Key, "changed by others", 0o664},
		{"SHA256:short", "keys:1: a fingerprint", 0o600},
	} {
		write(t, path, tt.text)
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := openKeyFile(path, true, slog.New(slog.DiscardHandler)); (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%q: %v", tt.text, err)
		}
	}
	if _, err := openKeyFile(path+"x", true, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that isn't there is none")
	}
}

// A large file is read beside the logins, and a wrong one changes nothing.
func TestLargeFilesHoldUpNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accounts")
	text := strings.Repeat("# "+strings.Repeat("x", 98)+"\n", large/100) + "bob pw " + testRoot + "\n"
	// In one step, as editors do: a reader in the background must not see half a file.
	put := func(text string) {
		write(t, path+"~", text)
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	put(text)
	f, err := OpenFile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.reading.Lock() // as if it were being read, without end
	put(text + "eve pw " + testRoot + "\n")
	if _, err := f.Authenticate(t.Context(), "bob", Password("pw")); err != nil {
		t.Error(err)
	}
	f.reading.Unlock()
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), "eve", Password("pw")); err != nil {
		t.Error(err)
	}
	put(text + "eve pw\n")
	for range 2 {
		if err := f.Reload(); err == nil || !strings.Contains(err.Error(), "accounts:10487:") {
			t.Errorf("a wrong file: %v", err)
		}
	}
	if _, err := f.Authenticate(t.Context(), "eve", Password("pw")); err != nil {
		t.Error(err)
	}
}
