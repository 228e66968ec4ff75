package caps_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestKeyEqual(t *testing.T) {
	t.Parallel()
	a, b := caps.KeyOf([32]byte{1}), caps.KeyOf([32]byte{31: 1})
	zeros := caps.KeyOf([32]byte{})
	for _, tt := range []struct {
		name string
		x, y caps.Key
		want bool
	}{
		{"itself", a, a, true},
		{"same bytes", a, caps.KeyOf([32]byte{1}), true},
		{"other bytes", a, b, false},
		{"no key and no key", caps.Key{}, caps.Key{}, true},
		{"no key and zeros", caps.Key{}, zeros, true},
		{"no key and a key", caps.Key{}, a, false},
	} {
		if tt.x.Equal(tt.y) != tt.want || tt.y.Equal(tt.x) != tt.want {
			t.Errorf("%s: Equal is not %v", tt.name, tt.want)
		}
	}
	if a.IsZero() || !zeros.IsZero() || !(caps.Key{}).IsZero() {
		t.Error("IsZero")
	}
	if (caps.Key{}).Raw() != nil || zeros.Raw() == nil {
		t.Error("Raw is nil for the zero Key only")
	}
}

func TestKeyFromSliceCopies(t *testing.T) {
	t.Parallel()
	b := bytes.Repeat([]byte{7}, caps.KeySize)
	k, err := caps.KeyFromSlice(b)
	if err != nil {
		t.Fatal(err)
	}
	b[0] = 0
	if k.Raw()[0] != 7 {
		t.Error("the key changed with the slice")
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := caps.KeyFromSlice(make([]byte, n)); kind.Of(err) != kind.Invalid {
			t.Errorf("%d bytes: %v, want Invalid", n, err)
		}
	}
}

func TestDeriveSeparatesLabelsAndContexts(t *testing.T) {
	t.Parallel()
	k := caps.KeyOf([32]byte{1})
	derived := []caps.Key{
		k, k.Derive("a"), k.Derive("b"), k.Derive("ab"), k.Derive("a", []byte("b")), k.Derive("a", []byte{0}),
		caps.KeyOf([32]byte{2}).Derive("a"),
	}
	for i, a := range derived {
		for j, b := range derived {
			if a.Equal(b) != (i == j) {
				t.Errorf("keys %d and %d", i, j)
			}
		}
	}
}

func TestMisuseThatWouldGiveKnownKeysPanics(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"derive from no key": func() { caps.Key{}.Derive("dir-read") },
		"sign with no slot":  func() { caps.SlotWrite{}.Sign(nil) },
		"unknown slot type":  func() { caps.NewSlotWrite(2, caps.KeyOf([32]byte{1})) },
		"unknown read type":  func() { caps.NewSlotRead(0, caps.Key{}, caps.SlotID{}) },
		"unknown check type": func() { caps.NewSlotVerify(3, caps.Key{}, caps.SlotID{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestZeroSlotsHoldNothing(t *testing.T) {
	t.Parallel()
	var w caps.SlotWrite
	if !w.IsZero() || w.Type() != 0 || w.ID() != (caps.SlotID{}) || w.Seed().Raw() != nil || w.WriteKey().Raw() != nil || w.PublicKey() != [32]byte{} {
		t.Error("SlotWrite")
	}
	r := w.Read()
	if !r.IsZero() || r.Type() != 0 || r.ID() != (caps.SlotID{}) || r.ReadKey().Raw() != nil || !r.Equal(caps.SlotRead{}) {
		t.Error("SlotRead")
	}
	v := r.Verify()
	if !v.IsZero() || v.Type() != 0 || v.ID() != (caps.SlotID{}) || v.VerifyKey().Raw() != nil || !v.Equal(caps.SlotVerify{}) {
		t.Error("SlotVerify")
	}
	for _, c := range []caps.Cap{caps.OfSlotWrite(w), caps.OfSlotRead(r), caps.OfSlotVerify(v), caps.Unknown{}} {
		if _, ok := c.Verify(); ok || c.Reveal() != "" || c.Form() != caps.FormUnknown || c.IsDir() || !c.Index().IsZero() {
			t.Errorf("%T holds something", c)
		}
	}
}

func TestSlotEqual(t *testing.T) {
	t.Parallel()
	k, id := caps.KeyOf([32]byte{1}), caps.SlotID{1}
	r := caps.NewSlotRead(caps.SlotDirectory, k, id)
	v := caps.NewSlotVerify(caps.SlotDirectory, k, id)
	for _, tt := range []struct {
		name string
		r    caps.SlotRead
		v    caps.SlotVerify
		want bool
	}{
		{"same", caps.NewSlotRead(caps.SlotDirectory, k, id), caps.NewSlotVerify(caps.SlotDirectory, k, id), true},
		{"type", caps.NewSlotRead(caps.SlotFile, k, id), caps.NewSlotVerify(caps.SlotFile, k, id), false},
		{"key", caps.NewSlotRead(caps.SlotDirectory, caps.KeyOf([32]byte{2}), id), caps.NewSlotVerify(caps.SlotDirectory, caps.KeyOf([32]byte{2}), id), false},
		{"id", caps.NewSlotRead(caps.SlotDirectory, k, caps.SlotID{2}), caps.NewSlotVerify(caps.SlotDirectory, k, caps.SlotID{2}), false},
		{"zero", caps.SlotRead{}, caps.SlotVerify{}, false},
	} {
		if r.Equal(tt.r) != tt.want || v.Equal(tt.v) != tt.want {
			t.Errorf("%s: want %v", tt.name, tt.want)
		}
	}
}

func BenchmarkSlotWrite(b *testing.B) {
	seed := caps.KeyOf([32]byte{1})
	b.Run("derive all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			caps.NewSlotWrite(caps.SlotDirectory, seed).ID()
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		w := caps.NewSlotWrite(caps.SlotDirectory, seed)
		for b.Loop() {
			w.Read().Verify().VerifyKey()
		}
	})
}

func BenchmarkDerive(b *testing.B) {
	b.ReportAllocs()
	k, salt := caps.KeyOf([32]byte{1}), make([]byte, 16)
	for b.Loop() {
		k.Derive("dnode-v", salt)
	}
}
