package caps

import "testing"

func TestSmoke(t *testing.T) {
	for _, ty := range []SlotType{SlotDirectory, SlotFile} {
		w := OfSlotWrite(NewSlotWrite(ty, KeyOf([32]byte{1, 2})))
		v, _ := w.Verify()
		for _, c := range []Cap{w, w.Read(), v} {
			t.Logf("%v %s", c, c.Reveal())
			if d, err := Parse(c.Reveal()); err != nil || !Equal(c, d) {
				t.Error(err, d)
			}
		}
	}
	f := OfFileRead(FileRead{Key: KeyOf([32]byte{9}), Level: 255, Size: 5})
	v, _ := f.Verify()
	for _, c := range []Cap{f, v, OfFrozenRead(FrozenRead{Key: KeyOf([32]byte{9})})} {
		t.Logf("%v %s", c, c.Reveal())
		if d, err := Parse(c.Reveal()); err != nil || !Equal(c, d) {
			t.Error(err, d)
		}
	}
}

func BenchmarkNewSlotWrite(b *testing.B) {
	b.ReportAllocs()
	k := KeyOf([32]byte{1})
	for b.Loop() {
		NewSlotWrite(SlotDirectory, k).ID()
	}
}
func BenchmarkDerive(b *testing.B) {
	b.ReportAllocs()
	k := KeyOf([32]byte{1})
	s := make([]byte, 16)
	for b.Loop() {
		k.Derive("dnode-v", s)
	}
}
