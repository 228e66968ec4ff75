package dirtree

import (
	"errors"
	"runtime"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// What somebody does who has a directory's keys, or sends capabilities, and
// means harm to those who read, walk or cache it.

var errTooLong = errors.New("the walk does not end")

// A chain of nodes, each with the one below as all of its children, is a few
// kilobytes and a tree of astronomic size to who can't see that keys repeat.
func TestWalkOfATreeThatRepeatsItselfIsBounded(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d := mustBuild(t, m, writeKeys(w), nil, fileEntry("a", 1))
	store := func(n *node) [32]byte {
		sealed := d.keys.seal(n)
		m.nodes[sealed.ID] = sealed.Data
		return sealed.ID
	}
	other := mustBuild(t, m, writeKeys(w), nil, fileEntry("z", 2)).root.ID
	tests := []struct {
		name string
		kids func(below [32]byte, level uint8) []kid
	}{
		{"side by side", func(below [32]byte, _ uint8) []kid {
			return []kid{{id: below}, {sep: "b", id: below}}
		}},
		{"with another between", func(below [32]byte, level uint8) []kid {
			between := other
			for l := uint8(1); l < level; l++ {
				between = store(&node{level: l, kids: []kid{{id: between}}})
			}
			return []kid{{id: below}, {sep: "b", id: between}, {sep: "c", id: below}}
		}},
		{"across parents", func(below [32]byte, level uint8) []kid {
			if level == 1 {
				return []kid{{id: below}}
			}
			a := store(&node{level: level - 1, kids: []kid{{id: below}, {sep: "b", id: other}}})
			b := store(&node{level: level - 1, kids: []kid{{id: below}, {sep: "c", id: other}}})
			return []kid{{id: a}, {sep: "b", id: b}}
		}},
	}
	for _, tt := range tests {
		step := uint8(1)
		if tt.name == "across parents" {
			step = 2
		}
		below, level := d.root.ID, uint8(0)
		for level+step <= maxLevel {
			level += step
			below = store(&node{level: level, kids: tt.kids(below, level)})
		}
		visits := 0
		err := WalkVerify(t.Context(), w.Read().Verify(), Root{ID: below, Level: level}, m, Visitor{
			Node: func([32]byte, uint8, int) error {
				if visits++; visits > 10_000 {
					return errTooLong
				}
				return nil
			},
			Fault: func(*NodeError) error { return nil },
		})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// What Put takes, a reader takes back: an entry that no leaf may hold would
// cost its neighbours.
func TestPutRefusesWhatNoReaderWouldTake(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	parse := func(text string) caps.Cap { c, _ := caps.ParseChild(text, false); return c }
	seed := caps.OfSlotWrite(testSlot(9)).Reveal()
	chk := "URI:CHK:aaaaaaaaaaaaaaaaaaaaaaaaaa:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1:1:1000"
	tests := []struct {
		name string
		e    Entry
	}{
		{"a directory without slot id", Entry{Kind: Directory, Dir: caps.NewSlotRead(caps.SlotDirectory, testKey(1), caps.SlotID{})}},
		{"a mutable file without slot id", Entry{Kind: MutableFile, Dir: caps.NewSlotRead(caps.SlotFile, testKey(1), caps.SlotID{})}},
		{"a directory without key", Entry{Kind: Directory, Dir: caps.NewSlotRead(caps.SlotDirectory, caps.Key{}, testID(1))}},
		{"a malformed capability of a known type", Entry{Kind: Foreign, Foreign: ForeignCaps{Read: parse("ro.URI:DIR3-RO:abc")}}},
		{"a write capability that calls itself read-only", Entry{Kind: Foreign, Foreign: ForeignCaps{Read: parse("ro." + seed)}}},
		{"a malformed write capability", Entry{Kind: Foreign, Foreign: ForeignCaps{Read: parse("ro.URI:X:y"), Write: parse("URI:DIR3:abc")}}},
		{"a read capability for who verifies", Entry{Kind: Foreign, Foreign: ForeignCaps{Read: parse("ro.URI:X:y"), Verify: parse(chk)}}},
		{"a write capability for who verifies", Entry{Kind: Foreign, Foreign: ForeignCaps{Read: parse("ro.URI:X:y"), Verify: parse(seed)}}},
	}
	for _, tt := range tests {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: panic: %v", tt.name, p)
				}
			}()
			e := Open(writeKeys(w), Root{}, m, nil).Edit()
			if err := e.Put(t.Context(), fileEntry("neighbour", 1)); err != nil {
				t.Fatal(err)
			}
			tt.e.Name = "x"
			err := e.Put(t.Context(), &tt.e)
			if kind.Of(err) == kind.Invalid {
				return
			}
			t.Errorf("%s: put: %v, want Invalid", tt.name, err)
			d, _ := commitEdit(t, m, Open(writeKeys(w), Root{}, m, nil), e)
			_, err = d.Get(t.Context(), "x")
			t.Logf("%s: read back: %v", tt.name, err)
			_, err = d.Get(t.Context(), "neighbour")
			t.Logf("%s: its neighbour: %v", tt.name, err)
		}()
	}
}

// The cache's bound holds for nodes that are made to take much more memory than
// room in a block.
func TestCacheCountsWhatNodesTakeInMemory(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d := Open(writeKeys(w), Root{}, m, nil)
	prefix := stringOf('n', 1000)
	names, attrs := &node{}, &node{}
	for i := range 1500 {
		it, err := formDirectory.admit(&Entry{Name: prefix + pad(i), Kind: EmptyFile})
		if err != nil {
			t.Fatal(err)
		}
		names.entries = append(names.entries, it)
	}
	for i := range 3 {
		e := &Entry{Name: pad(i), Kind: EmptyFile}
		for a := range 4000 {
			e.Attrs = append(e.Attrs, Attr{Type: AttrType(a)})
		}
		it, err := formDirectory.admit(e)
		if err != nil {
			t.Fatal(err)
		}
		attrs.entries = append(attrs.entries, it)
	}
	for name, n := range map[string]*node{"long names": names, "empty attributes": attrs} {
		sealed := d.keys.seal(n)
		const copies = 20
		kept := make([]*node, copies)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range kept {
			var err error
			if kept[i], err = d.keys.open(sealed.ID, 0, sealed.Data); err != nil {
				t.Fatal(name, err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		took := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / copies
		t.Logf("%s: block %d, counted %d, took %d", name, len(sealed.Data), kept[0].memory(), took)
		if counted := kept[0].memory(); counted < took*3/4 {
			t.Errorf("%s: a node of %d bytes takes %d in memory, %d are counted", name, len(sealed.Data), took, counted)
		}
		runtime.KeepAlive(kept)
	}
}

func stringOf(b byte, n int) string {
	s := make([]byte, n)
	for i := range s {
		s[i] = b
	}
	return string(s)
}

func pad(i int) string {
	return string([]byte{'0' + byte(i/1000), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)})
}
