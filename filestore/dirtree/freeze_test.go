package dirtree

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

func each(entries []*Entry) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func mustFreeze(t testing.TB, m *memory, entries []*Entry) caps.FrozenRead {
	t.Helper()
	f, err := Freeze(each(entries), func(n Node) error { m.nodes[n.ID] = n.Data; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// freezable are the samples that may stand in a frozen directory, in order.
func freezable(t testing.TB) []*Entry {
	entries := slices.DeleteFunc(sampleEntries(t), func(e *Entry) bool { return e.Kind.hasSlot() })
	slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.SortKey(), b.SortKey()) })
	return entries
}

func TestFrozenDirectoryReadsBack(t *testing.T) {
	for _, n := range []int{0, 1, 9, 40, 2000, 20_000} {
		m := newMemory()
		entries := freezable(t)[:min(n, 9)]
		for i := range max(0, n-9) {
			entries = append(entries, fileEntry(fmt.Sprintf("z%06d", i), uint64(i)))
		}
		frozen := mustFreeze(t, m, entries)
		d := OpenFrozen(frozen, m, NewNodeCache(1<<28))
		got := collect(t, d)
		if len(got) != n || !d.ReadOnly() || (n == 0) != (frozen.Root == caps.RootID{}) {
			t.Fatalf("%d entries of %d; root %v", len(got), n, frozen.Root)
		}
		for i, e := range entries {
			want := *e
			want.Foreign.Write = nil
			if !bytes.Equal(reencode(got[i]), reencode(&want)) {
				t.Fatalf("%q came back different", e.Name)
			}
			mustGet(t, d, e.SortKey())
		}
		if err := d.Edit().Put(t.Context(), fileEntry("x", 1)); kind.Of(err) != kind.ReadOnly {
			t.Errorf("put: %v, want ReadOnly", err)
		}
		checkFrozenNodes(t, m, frozen, n)
	}
}

// checkFrozenNodes walks by verify key: every node is reached, none has a W.
func checkFrozenNodes(t *testing.T, m *memory, f caps.FrozenRead, entries int) {
	t.Helper()
	nodes, children, full := 0, 0, 0
	err := WalkFrozen(t.Context(), f.Verify(), m, Visitor{
		Node: func(_ [32]byte, _ uint8, size int) error {
			if nodes++; size > targetNode*8/10 {
				full++
			}
			return nil
		},
		Child: func(Child) error { children++; return nil },
	})
	if err != nil || nodes != len(m.nodes) || children != entries {
		t.Errorf("%v; %d nodes of %d, %d children of %d", err, nodes, len(m.nodes), children, entries)
	}
	if full < nodes-4 {
		t.Errorf("%d of %d nodes are full", full, nodes)
	}
}

func TestFreezeRefuses(t *testing.T) {
	child := testSlot(1)
	broken := errors.New("broken")
	ok := func(Node) error { return nil }
	tests := []struct {
		name    string
		entries iter.Seq2[*Entry, error]
		emit    func(Node) error
		want    error
	}{
		{"a live directory", each([]*Entry{{Name: "d", Kind: Directory, Dir: child.Read()}}), ok, kind.Invalid},
		{"entries out of order", each([]*Entry{fileEntry("b", 1), fileEntry("a", 1)}), ok, kind.Invalid},
		{"an entry twice", each([]*Entry{fileEntry("b", 1), fileEntry("b", 1)}), ok, kind.Invalid},
		{"a failing source", func(yield func(*Entry, error) bool) { yield(nil, broken) }, ok, broken},
		{"a failing sink", each([]*Entry{fileEntry("b", 1)}), func(Node) error { return broken }, broken},
	}
	for _, tt := range tests {
		if _, err := Freeze(tt.entries, tt.emit); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A frozen node doesn't pass for a live one, nor a live one for a frozen one,
// even under one key.
func TestFrozenAndLiveNodesAreNotMixedUp(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	rk := w.Read().ReadKey()
	frozen, err := freezeWith(rk, each([]*Entry{fileEntry("a", 1)}), func(n Node) error { m.nodes[n.ID] = n.Data; return nil })
	if err != nil {
		t.Fatal(err)
	}
	live := mustBuild(t, m, writeKeys(w), nil, fileEntry("a", 1))
	if _, err := Open(writeKeys(w), Root{ID: frozen.Root}, m, nil).Get(t.Context(), "a"); kind.Of(err) != kind.Corrupt {
		t.Errorf("frozen as live: %v", err)
	}
	if _, err := OpenFrozen(caps.FrozenRead{Key: rk, Root: live.root.ID}, m, nil).Get(t.Context(), "a"); kind.Of(err) != kind.Corrupt {
		t.Errorf("live as frozen: %v", err)
	}
	if _, err := OpenFrozen(caps.FrozenRead{Root: live.root.ID}, m, nil).Get(t.Context(), "a"); kind.Of(err) != kind.Invalid {
		t.Errorf("without a key: %v", err)
	}
}
