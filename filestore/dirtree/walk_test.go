package dirtree

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// walkAll walks by verify key and returns what the visitor was told.
func walkAll(t *testing.T, m *memory, w caps.SlotWrite, root Root) (children []Child, nodes map[[32]byte]int) {
	t.Helper()
	nodes = make(map[[32]byte]int)
	err := WalkVerify(t.Context(), w.Read().Verify(), root, m, Visitor{
		Node:  func(id [32]byte, _ uint8, size int) error { nodes[id] = size; return nil },
		Child: func(c Child) error { children = append(children, c); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return children, nodes
}

func TestWalkVerifySeesWhatEntriesKeepAlive(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d := mustBuild(t, m, writeKeys(w), nil, sampleEntries(t)...)
	children, nodes := walkAll(t, m, w, d.root)
	entries := collect(t, d)
	if len(children) != len(entries) || len(nodes) != len(m.nodes) {
		t.Fatalf("%d children of %d, %d nodes of %d", len(children), len(entries), len(nodes), len(m.nodes))
	}
	for i, e := range entries {
		c := children[i]
		if c.Kind != e.Kind || len(c.More) != len(e.More) {
			t.Errorf("%q: kind %v, %d further blocks", e.Name, c.Kind, len(c.More))
			continue
		}
		for j, ref := range e.More {
			want := ref.Verify()
			if c.More[j].ID != want.ID || !c.More[j].Key.Equal(want.Key) || c.More[j].Level != want.Level {
				t.Errorf("%q: further block %d differs", e.Name, j)
			}
		}
		switch e.Kind {
		case OneChunk, TreeFile:
			want := e.File.Verify()
			if c.File.ID != want.ID || !c.File.Key.Equal(want.Key) || c.File.Level != want.Level || c.File.Size != 0 {
				t.Errorf("%q: another file", e.Name)
			}
		case Directory, MutableFile:
			if !c.Slot.Equal(e.Dir.Verify()) {
				t.Errorf("%q: another slot", e.Name)
			}
		case FrozenDir:
			want := e.Frozen.Verify()
			if c.Frozen.Root != want.Root || c.Frozen.Level != want.Level || !c.Frozen.Key.Equal(want.Key) {
				t.Errorf("%q: another frozen directory", e.Name)
			}
		case Foreign:
			if c.Foreign != nil {
				t.Errorf("%q: a verify capability out of nothing", e.Name)
			}
		}
	}
}

// What the verify key opens holds no name and no key to data.
func TestVerifyKeyYieldsNoNamesOrKeys(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d := mustBuild(t, m, writeKeys(w), nil, sampleEntries(t)...)
	k := keyring{vk: w.Read().Verify().VerifyKey()}
	s, fault := k.openSections(d.root.ID, 0, m.nodes[d.root.ID])
	if fault != 0 || s.r != nil || s.w != nil {
		t.Fatalf("fault %v, %d bytes of R, %d of W", fault, len(s.r), len(s.w))
	}
	for _, e := range collect(t, d) {
		if e.Name != "" && bytes.Contains(s.v, []byte(e.Name)) {
			t.Errorf("V holds the name %q", e.Name)
		}
		for _, key := range []caps.Key{e.File.Key, e.Dir.ReadKey(), e.Frozen.Key} {
			if !key.IsZero() && bytes.Contains(s.v, key.Raw()[:]) {
				t.Errorf("V holds the read key of %q", e.Name)
			}
		}
	}
	// And the read key does not open W, nor the verify key R.
	ro := keyring{vk: k.vk, rk: k.vk}
	if _, fault := ro.openSections(d.root.ID, 0, m.nodes[d.root.ID]); fault != WrongKey {
		t.Errorf("vk opens R: fault %v", fault)
	}
	wr := keyring{vk: k.vk, rk: w.Read().ReadKey(), wk: w.Read().ReadKey()}
	if _, fault := wr.openSections(d.root.ID, 0, m.nodes[d.root.ID]); fault != WrongKey {
		t.Errorf("rk opens W: fault %v", fault)
	}
}

func TestWalkVerifyReportsFaultsAndGoesOn(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d, root := twoLevels(t, m, w)
	other, otherRoot := twoLevels(t, m, testSlot(2))
	_ = other
	bad := root.clone()
	bad.kids[1].id = otherRoot.kids[1].id
	sealed := d.keys.seal(bad)
	m.nodes[sealed.ID] = sealed.Data
	delete(m.nodes, root.kids[0].id)
	m.nodes[root.kids[2].id] = append([]byte{0}, m.nodes[root.kids[2].id]...)

	faults := make(map[[32]byte]Fault)
	good := 0
	vis := Visitor{
		Fault: func(err *NodeError) error { faults[err.ID] = err.Fault; return nil },
		Child: func(Child) error { good++; return nil },
	}
	v := w.Read().Verify()
	if err := WalkVerify(t.Context(), v, Root{ID: sealed.ID, Level: 1}, m, vis); err != nil {
		t.Fatal(err)
	}
	want := map[[32]byte]Fault{root.kids[0].id: Missing, bad.kids[1].id: WrongKey, root.kids[2].id: WrongID}
	if fmt.Sprint(faults) != fmt.Sprint(want) {
		t.Errorf("faults %v, want %v", faults, want)
	}
	if good == 0 {
		t.Error("nothing of the rest was visited")
	}
	vis.Fault = nil
	if err := WalkVerify(t.Context(), v, Root{ID: sealed.ID, Level: 1}, m, vis); kind.Of(err) != kind.Corrupt {
		t.Errorf("without Fault: %v, want Corrupt", err)
	}
	if err := WalkVerify(t.Context(), v, Root{ID: d.root.ID, Level: 0}, m, Visitor{}); kind.Of(err) != kind.Corrupt {
		t.Errorf("with the wrong level: %v, want Corrupt", err)
	}
}

func TestWalkVerifyStopsWhereItIsTold(t *testing.T) {
	m, w := newMemory(), testSlot(1)
	d, root := twoLevels(t, m, w)
	stop := errors.New("enough")
	for name, vis := range map[string]Visitor{
		"enter": {Enter: func([32]byte, uint8) (bool, error) { return false, stop }},
		"node":  {Node: func([32]byte, uint8, int) error { return stop }},
		"child": {Child: func(Child) error { return stop }},
	} {
		if err := WalkVerify(t.Context(), w.Read().Verify(), d.root, m, vis); !errors.Is(err, stop) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.reads = 0
	skip := Visitor{Enter: func(id [32]byte, level uint8) (bool, error) { return level > 0 || id == root.kids[1].id, nil }}
	if err := WalkVerify(t.Context(), w.Read().Verify(), d.root, m, skip); err != nil || m.reads != 2 {
		t.Errorf("%v, %d nodes read, want 2", err, m.reads)
	}
}
