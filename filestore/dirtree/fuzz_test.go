package dirtree

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

// FuzzLeaf feeds plaintext sections to the parser of leaves: what it accepts
// must encode to the same bytes, and each entry must say in its fields what its
// bytes said.
func FuzzLeaf(f *testing.F) {
	for _, e := range sampleEntries(f) {
		it, err := formDirectory.admit(e)
		if err != nil {
			f.Fatal(err)
		}
		s := (&node{entries: []*item{it}}).encode(nil, nil, nil)
		f.Add(byte(formDirectory), true, s.v, s.r, s.w)
		f.Add(byte(formFrozen), false, s.v, s.r, s.w)
	}
	a, _ := formDirectory.admit(fileEntry("name-1", 1))
	b, _ := formDirectory.admit(fileEntry("name-2", 2))
	s := (&node{entries: []*item{a, b}}).encode(nil, nil, nil)
	f.Add(byte(formDirectory), true, s.v, s.r, s.w)
	f.Add(byte(formFile), true, []byte{0, 1, 0, 0}, append(make([]byte, 33), 0, 0, 0), []byte{})

	f.Fuzz(func(t *testing.T, formByte byte, withW bool, v, r, w []byte) {
		tree := form(formByte % 4)
		withW = withW && tree != formFrozen
		items, ok := decodeLeaf(tree, sections{v, r, w}, withW)
		if !ok {
			return
		}
		n := &node{entries: items}
		s := n.encode(nil, nil, nil)
		if !bytes.Equal(s.v, v) || !bytes.Equal(s.r, r) || withW && !bytes.Equal(s.w, w) {
			t.Fatalf("accepted what encodes differently:\nv %x\n  %x\nr %x\n  %x\nw %x\n  %x", v, s.v, r, s.r, w, s.w)
		}
		if lv, lr, lw := n.lengths(); lv != len(s.v) || lr != len(s.r) || lw != len(s.w) {
			t.Fatal("lengths differ")
		}
		if children, ok := decodeChildren(tree, v); !ok || len(children) != len(items) {
			t.Fatal("the verify key does not open what the read key opens")
		}
		for _, it := range items {
			fieldsSayTheSame(t, tree, it)
		}
	})
}

func fieldsSayTheSame(t *testing.T, tree form, it *item) {
	t.Helper()
	consistent := it.e.Check() == nil
	again, err := tree.admit(&it.e)
	if err != nil || it.e.Kind == Foreign {
		return // Put refuses more than reading does, such as keys of zeros
	}
	if !bytes.Equal(again.r, it.r) || again.key != it.key {
		t.Fatalf("R is %x, the fields say %x", it.r, again.r)
	}
	if consistent && !bytes.Equal(again.v, it.v) {
		t.Fatalf("V is %x, the fields say %x", it.v, again.v)
	}
}

func FuzzInner(f *testing.F) {
	n := &node{level: 1, kids: []kid{{id: testID(1), count: 3}, {sep: "b", id: testID(2)}, {sep: "bc/", id: testID(3), count: 9}}}
	s := n.encode(nil, nil, nil)
	f.Add(s.v, s.r)
	f.Add([]byte{0, 0}, []byte{})
	f.Fuzz(func(t *testing.T, v, r []byte) {
		kids, ok := decodeInner(v, r, true)
		if !ok {
			return
		}
		n := &node{level: 1, kids: kids}
		s := n.encode(nil, nil, nil)
		if !bytes.Equal(s.v, v) || !bytes.Equal(s.r, r) {
			t.Fatalf("accepted what encodes differently: %x %x", v, r)
		}
		if only, ok := decodeInner(v, nil, false); !ok || len(only) != len(kids) {
			t.Fatal("the verify key does not open what the read key opens")
		}
	})
}

// FuzzOpenNode feeds whole blocks, with the right hash, to the opener.
func FuzzOpenNode(f *testing.F) {
	k := vectorKeys()
	it, _ := formDirectory.admit(fileEntry("name", 1))
	f.Add(byte(0), k.sealWith(&node{entries: []*item{it}}, vectorRandom).Data)
	f.Add(byte(1), k.sealWith(&node{level: 1, kids: []kid{{id: testID(1)}}}, vectorRandom).Data)
	f.Add(byte(0), []byte("Tk\x03\x01"))
	f.Fuzz(func(t *testing.T, level byte, block []byte) {
		n, err := k.open(sha256.Sum256(block), level, block)
		if err != nil && kind.Of(err) != kind.Corrupt {
			t.Fatal(err)
		}
		if err == nil && n.size() != len(block) {
			t.Fatalf("opened %d bytes as %d", len(block), n.size())
		}
	})
}

func FuzzSlot(f *testing.F) {
	w := testSlot(1)
	rec, err := SealSlot(w, sampleState())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rec)
	f.Add(rec[:100])
	f.Fuzz(func(t *testing.T, rec []byte) {
		if p, ok := decodeSlot(rec); ok && !bytes.Equal(p.append(nil), rec[:slotSalt]) {
			t.Fatalf("accepted what encodes differently: %x", rec)
		}
		if _, err := VerifySlot(w.ID(), rec); err != nil && kind.Of(err) != kind.Corrupt {
			t.Fatal(err)
		}
		if _, err := OpenTrusted(w.Read(), rec); err != nil && kind.Of(err) != kind.Corrupt {
			t.Fatal(err)
		}
	})
}

func FuzzHistoryKey(f *testing.F) {
	f.Add("a", uint64(1), uint16(2), "a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	f.Fuzz(func(t *testing.T, sortKey string, v uint64, i uint16, key string) {
		if k, v, i, ok := ParseHistoryKey(key); ok && HistoryKey(k, v, i) != key {
			t.Fatalf("%q prints back as %q", key, HistoryKey(k, v, i))
		}
		if !formDirectory.nameOK(sortKey) {
			return
		}
		if k, v2, i2, ok := ParseHistoryKey(HistoryKey(sortKey, v, i)); !ok || k != sortKey || v2 != v || i2 != i {
			t.Fatalf("%q, %d, %d comes back as %q, %d, %d, %v", sortKey, v, i, k, v2, i2, ok)
		}
	})
}
