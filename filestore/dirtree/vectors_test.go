package dirtree

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
)

var update = flag.Bool("update", false, "rewrite the known-answer vectors")

// golden compares b with testdata/name, a text of hex lines.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	var text strings.Builder
	for rest := b; len(rest) > 0; rest = rest[min(32, len(rest)):] {
		text.WriteString(hex.EncodeToString(rest[:min(32, len(rest))]) + "\n")
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s differs from the known answer; released formats never change", path)
	}
}

// vectorSeed is the seed of the directory in the vectors: 00 01 02 … 1f.
func vectorSeed() (seed [32]byte) {
	for i := range seed {
		seed[i] = byte(i)
	}
	return seed
}

func vectorKeys() *keyring {
	w := caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf(vectorSeed()))
	d := Open(writeKeys(w), Root{}, nil, nil)
	return &d.keys
}

var vectorRandom = [16]byte([]byte("sixteen  rndbyte"))

func TestKnownAnswers(t *testing.T) {
	k := vectorKeys()
	leaf := &node{}
	for _, e := range sampleEntries(t) {
		it, err := formDirectory.admit(e)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := leaf.find(it.key)
		leaf.entries = append(leaf.entries[:at:at], append([]*item{it}, leaf.entries[at:]...)...)
	}
	golden(t, "leaf.hex", k.sealWith(leaf, vectorRandom).Data)
	inner := &node{level: 1, kids: []kid{{id: testID(1), count: 30}, {sep: "m", id: testID(2), count: 7}, {sep: "n/", id: testID(3)}}}
	golden(t, "inner.hex", k.sealWith(inner, vectorRandom).Data)
	w := caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf(vectorSeed()))
	rec, err := sealSlotWith(w, sampleState(), vectorRandom)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "slot.hex", rec)
}

// The vectors opened a second time by the letter of formats.md, with nothing
// but the standard library.

func bookKDF(key []byte, label string, ctx ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("truckee/1/" + label + "\x00"))
	for _, c := range ctx {
		mac.Write(c)
	}
	return mac.Sum(nil)
}

func bookOpen(t *testing.T, key, ad, sealed []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, make([]byte, 12), sealed, ad)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func readVector(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectorsByTheBook(t *testing.T) {
	seed := vectorSeed()
	rk := bookKDF(seed[:], "dir-read")
	wk := bookKDF(seed[:], "dir-write")
	vk := bookKDF(rk, "dir-verify")
	for name, level := range map[string]byte{"leaf.hex": 0, "inner.hex": 1} {
		b := readVector(t, name)
		if string(b[:8]) != "Tk\x03\x01\x00"+string(level)+"\x00\x00" {
			t.Errorf("%s begins with %x", name, b[:8])
		}
		v, r := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
		salt, ad, body := b[16:32], b[:32], b[32:]
		pv := bookOpen(t, bookKDF(vk, "dnode-v", salt), ad, body[:v])
		pr := bookOpen(t, bookKDF(rk, "dnode-r", salt), ad, body[v:v+r])
		pw := bookOpen(t, bookKDF(wk, "dnode-w", salt), ad, body[v+r:])
		if want := bookKDF(rk, "salt", vectorRandom[:], pv, pr, pw)[:16]; string(want) != string(salt) {
			t.Errorf("%s: salt %x, want %x", name, salt, want)
		}
		if name == "inner.hex" {
			id1, id2, id3 := testID(1), testID(2), testID(3)
			wantV := "\x00\x03" + string(id1[:]) + string(id2[:]) + string(id3[:])
			wantR := "\x00\x00\x00\x1e" + "\x00\x00\x00\x07\x00\x01m" + "\x00\x00\x00\x00\x00\x02n/"
			if string(pv) != wantV || string(pr) != wantR || len(pw) != 0 {
				t.Errorf("inner node: v %x, r %x, w %x", pv, pr, pw)
			}
		}
	}
	rec := readVector(t, "slot.hex")
	pub := ed25519.NewKeyFromSeed(bookKDF(seed[:], "dir-sign")).Public().(ed25519.PublicKey)
	if string(rec[8:40]) != string(pub) ||
		!ed25519.Verify(pub, append([]byte("truckee/1/slot-sig\x00"), rec[:256]...), rec[256:]) {
		t.Error("slot: another public key or a bad signature")
	}
	attrs := bookOpen(t, bookKDF(rk, "slot", rec[160:176], rec[40:48]), rec[:176], rec[176:256])
	if len(attrs) != 64 || binary.BigEndian.Uint64(attrs) != 10_000 || [32]byte(attrs[32:]) != testID(4) {
		t.Errorf("slot: attributes %x", attrs)
	}
}

// The two leaf entries below are written out by hand from formats.md 4.
func TestLeafPlaintextByHand(t *testing.T) {
	empty := &Entry{
		Name: "ab", FileID: [16]byte([]byte("0123456789abcdef")), Mode: 0o644, UID: 1000, GID: 5, Mtime: 1,
		Attrs: []Attr{{Type: 1, Value: []byte{9}}},
	}
	link := &Entry{Name: "abc", Kind: Symlink, Size: 2, Data: []byte("to")}
	n := &node{}
	for _, e := range []*Entry{empty, link} {
		it, err := formDirectory.admit(e)
		if err != nil {
			t.Fatal(err)
		}
		n.entries = append(n.entries, it)
	}
	s := n.encode(nil, nil, nil)
	wantV := "\x00\x02" + "\x00\x00" + "\x04\x00"
	wantR := "\x00\x00\x00\x02ab" + "0123456789abcdef" + "\xa4\x03" + "\xe8\x07" + "\x05" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00" +
		"\x00\x01" + "\x00\x01\x00\x01\x09" +
		"\x00\x02\x00\x01c" + strings.Repeat("\x00", 16) + "\x00\x00\x00" + strings.Repeat("\x00", 8) + "\x02" + "\x00\x00" + "\x00\x02to"
	if string(s.v) != wantV || string(s.r) != wantR || len(s.w) != 0 {
		t.Errorf("v %x\nr %x\nw %x", s.v, s.r, s.w)
	}
}
