package caps_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/truckee-fs/truckee/caps"
)

// hexKey is a key as the known answers hold it.
func hexKey(t testing.TB, s string) caps.Key {
	t.Helper()
	k, err := caps.KeyFromSlice(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func id32(t testing.TB, s string) [32]byte {
	t.Helper()
	return [32]byte(unhex(t, s))
}

// wantKey compares raw bytes, not by Key.Equal, which is under test too.
func wantKey(t *testing.T, what string, got caps.Key, want string) {
	t.Helper()
	if hex.EncodeToString(got.Raw()[:]) != want {
		t.Errorf("%s is not the known answer", what)
	}
}

// wantCap checks that c prints as text and that text parses to c.
func wantCap(t *testing.T, c caps.Cap, text string) {
	t.Helper()
	if got := c.Reveal(); got != text {
		t.Errorf("Reveal() = %s\n           want %s", got, text)
	}
	parsed, err := caps.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	if !caps.Equal(parsed, c) || parsed.Form() != c.Form() || parsed.IsDir() != c.IsDir() || parsed.Index() != c.Index() {
		t.Errorf("Parse(%s) is another capability", text)
	}
}

// gen3 mirrors testdata/gen3.json.
type gen3 struct {
	KDF []struct {
		Key, Label, Context, Derived string
	}
	Slots []struct {
		Type       caps.SlotType
		Seed       string
		WriteKey   string `json:"write_key"`
		SignSeed   string `json:"sign_seed"`
		PublicKey  string `json:"public_key"`
		ReadKey    string `json:"read_key"`
		VerifyKey  string `json:"verify_key"`
		SlotID     string `json:"slot_id"`
		Write      string
		Read       string
		VerifyText string `json:"verify"`
	}
	Files []struct {
		Key, Root  string
		Level      uint8
		Size       uint64
		VerifyKey  string `json:"verify_key"`
		Read       string
		VerifyText string `json:"verify"`
	}
	Frozen []struct {
		Key, Root  string
		Level      uint8
		VerifyKey  string `json:"verify_key"`
		Read       string
		VerifyText string `json:"verify"`
	}
}

func knownAnswers(t testing.TB) gen3 {
	t.Helper()
	data, err := os.ReadFile("testdata/gen3.json")
	if err != nil {
		t.Fatal(err)
	}
	var g gen3
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.KDF) == 0 || len(g.Slots) == 0 || len(g.Files) == 0 || len(g.Frozen) == 0 {
		t.Fatal("testdata/gen3.json lacks a section")
	}
	return g
}

func TestKnownDerivations(t *testing.T) {
	t.Parallel()
	for _, v := range knownAnswers(t).KDF {
		k, ctx := hexKey(t, v.Key), unhex(t, v.Context)
		wantKey(t, "KDF "+v.Label, k.Derive(v.Label, ctx), v.Derived)
		half := len(ctx) / 2
		wantKey(t, "KDF in parts "+v.Label, k.Derive(v.Label, ctx[:half], nil, ctx[half:]), v.Derived)
	}
}

func TestKnownSlots(t *testing.T) {
	t.Parallel()
	for _, v := range knownAnswers(t).Slots {
		w := caps.NewSlotWrite(v.Type, hexKey(t, v.Seed))
		wantKey(t, "write key", w.WriteKey(), v.WriteKey)
		wantKey(t, "read key", w.Read().ReadKey(), v.ReadKey)
		wantKey(t, "verify key", w.Read().Verify().VerifyKey(), v.VerifyKey)
		if got := w.ID().String(); got != v.SlotID {
			t.Errorf("slot id %s, want %s", got, v.SlotID)
		}
		pub := w.PublicKey()
		if pub != id32(t, v.PublicKey) || caps.SlotIDOf(v.Type, pub) != w.ID() {
			t.Error("the public key is not the known answer")
		}
		msg := []byte("truckee/1/slot-sig\x00 and a record")
		want := ed25519.Sign(ed25519.NewKeyFromSeed(unhex(t, v.SignSeed)), msg)
		if sig := w.Sign(msg); string(sig[:]) != string(want) {
			t.Error("the signature is not the one that the known seed gives")
		}

		write := caps.OfSlotWrite(w)
		verify, ok := write.Verify()
		if !ok {
			t.Fatal("a slot without verify capability")
		}
		wantCap(t, write, v.Write)
		wantCap(t, write.Read(), v.Read)
		wantCap(t, verify, v.VerifyText)

		// Each authority comes back out of its capability.
		if got, ok := write.SlotWrite(); !ok || !got.Seed().Equal(w.Seed()) || got.Type() != v.Type {
			t.Error("SlotWrite is another authority")
		}
		if got, ok := write.Read().SlotRead(); !ok || !got.Equal(caps.NewSlotRead(v.Type, hexKey(t, v.ReadKey), w.ID())) {
			t.Error("SlotRead is another authority")
		}
		if got, ok := verify.SlotVerify(); !ok || !got.Equal(caps.NewSlotVerify(v.Type, hexKey(t, v.VerifyKey), w.ID())) {
			t.Error("SlotVerify is another authority")
		}
	}
}

func TestKnownFiles(t *testing.T) {
	t.Parallel()
	for _, v := range knownAnswers(t).Files {
		f := caps.FileRead{Key: hexKey(t, v.Key), Root: id32(t, v.Root), Level: v.Level, Size: v.Size}
		wantKey(t, "Kv", f.Verify().Key, v.VerifyKey)
		read := caps.OfFileRead(f)
		verify, ok := read.Verify()
		if !ok {
			t.Fatal("a file without verify capability")
		}
		wantCap(t, read, v.Read)
		wantCap(t, verify, v.VerifyText)
		wantCap(t, caps.OfFileVerify(f.Verify()), v.VerifyText)
		if got, ok := read.FileRead(); !ok || !got.Key.Equal(f.Key) || got.Root != f.Root || got.Level != f.Level || got.Size != f.Size {
			t.Error("FileRead is another authority")
		}
		if got, ok := verify.FileVerify(); !ok || !got.Key.Equal(f.Verify().Key) || got.Root != f.Root || got.Level != f.Level || got.Size != f.Size {
			t.Error("FileVerify is another authority")
		}
	}
}

func TestKnownFrozenDirectories(t *testing.T) {
	t.Parallel()
	for _, v := range knownAnswers(t).Frozen {
		f := caps.FrozenRead{Key: hexKey(t, v.Key), Root: id32(t, v.Root), Level: v.Level}
		wantKey(t, "vk'", f.Verify().Key, v.VerifyKey)
		read := caps.OfFrozenRead(f)
		verify, ok := read.Verify()
		if !ok {
			t.Fatal("a frozen directory without verify capability")
		}
		wantCap(t, read, v.Read)
		wantCap(t, verify, v.VerifyText)
		wantCap(t, caps.OfFrozenVerify(f.Verify()), v.VerifyText)
		if got, ok := read.FrozenRead(); !ok || !got.Key.Equal(f.Key) || got.Root != f.Root || got.Level != f.Level {
			t.Error("FrozenRead is another authority")
		}
		if got, ok := verify.FrozenVerify(); !ok || !got.Key.Equal(f.Verify().Key) || got.Root != f.Root || got.Level != f.Level {
			t.Error("FrozenVerify is another authority")
		}
	}
}

func TestVerifyKeyAtLevelChunkMayBeTheZeroKey(t *testing.T) {
	t.Parallel()
	v := caps.OfFileVerify(caps.FileVerify{Root: caps.RootID{1}, Level: caps.LevelChunk, Size: 1})
	wantCap(t, v, "URI:FILE3-Verifier:"+zeros52+":aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:255:1")
}

func TestAccessorsAskForTheRightForm(t *testing.T) {
	t.Parallel()
	read := func(text string) caps.Read {
		c, err := caps.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := caps.ReadCap(c)
		if !ok {
			t.Fatalf("%v can't be read", c)
		}
		return r
	}
	reads := map[string]caps.Read{
		"slot":    read(knownAnswers(t).Slots[0].Read),
		"file":    read(knownAnswers(t).Files[0].Read),
		"frozen":  read(knownAnswers(t).Frozen[0].Read),
		"literal": read("URI:LIT:nbswy3dp"),
		"lit dir": read("URI:DIR2-LIT:nbswy3dp"),
		"zero":    {},
	}
	for name, r := range reads {
		_, slot := r.SlotRead()
		_, file := r.FileRead()
		_, frozen := r.FrozenRead()
		_, literal := r.Literal()
		if slot != (name == "slot") || file != (name == "file") || frozen != (name == "frozen") || literal != (name == "literal") {
			t.Errorf("%s: SlotRead %v, FileRead %v, FrozenRead %v, Literal %v", name, slot, file, frozen, literal)
		}
		v, ok := r.Verify()
		if stored := slot || file || frozen; ok != stored {
			t.Errorf("%s: Verify %v, want %v", name, ok, stored)
		}
		_, slot = v.SlotVerify()
		_, file = v.FileVerify()
		_, frozen = v.FrozenVerify()
		if slot != (name == "slot") || file != (name == "file") || frozen != (name == "frozen") {
			t.Errorf("%s: SlotVerify %v, FileVerify %v, FrozenVerify %v", name, slot, file, frozen)
		}
	}
}
