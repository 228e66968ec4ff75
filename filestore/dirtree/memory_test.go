package dirtree

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// memory is a NodeSource and BatchSource for tests.
type memory struct {
	nodes   map[[32]byte][]byte
	reads   int
	batches int
}

func newMemory() *memory { return &memory{nodes: make(map[[32]byte][]byte)} }

func (m *memory) Node(_ context.Context, id [32]byte) ([]byte, error) {
	m.reads++
	if b, ok := m.nodes[id]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("memory: %w", kind.NotExist)
}

func (m *memory) Nodes(_ context.Context, ids [][32]byte) ([][]byte, error) {
	m.batches++
	out := make([][]byte, len(ids))
	for i, id := range ids {
		out[i] = m.nodes[id]
	}
	return out, nil
}

// commit stores what a Result brings and removes what it leaves.
func (m *memory) commit(r Result) {
	for _, n := range r.New {
		m.nodes[n.ID] = n.Data
	}
	for _, id := range r.Dead {
		delete(m.nodes, id)
	}
}

func (m *memory) clone() *memory { return &memory{nodes: maps.Clone(m.nodes)} }

// testKey is a key for tests, different for each n.
func testKey(n uint64) caps.Key {
	var b [32]byte
	binary.BigEndian.PutUint64(b[:], n+1)
	b[31] = 0xA5
	return caps.KeyOf(b)
}

func testID(n uint64) (id [32]byte) {
	binary.BigEndian.PutUint64(id[:], n+1)
	id[31] = 0x5A
	return id
}

func testSlot(n uint64) caps.SlotWrite { return caps.NewSlotWrite(caps.SlotDirectory, testKey(n)) }

func writeKeys(w caps.SlotWrite) Keys { return Keys{Read: w.Read(), Write: &w} }

// fileEntry is an entry of kind OneChunk.
func fileEntry(name string, n uint64) *Entry {
	e := &Entry{
		Name: name, Kind: OneChunk, Mode: 0o644, UID: 1000, GID: 1000,
		Mtime: 1_700_000_000_000_000_000 + int64(n), Size: 1 + n%100_000,
	}
	binary.BigEndian.PutUint64(e.FileID[:], n)
	e.File = filetree.Ref{ID: blockstore.ID(testID(n)), Key: testKey(n), Level: caps.LevelChunk, Size: e.Size}
	return e
}

// sampleEntries has every kind, with and without optional parts.
func sampleEntries(t testing.TB) []*Entry {
	child, file := testSlot(100), caps.NewSlotWrite(caps.SlotFile, testKey(101))
	foreign := parseCap(t, "URI:LIT:krugkidfnzsc4")
	future := parseCap(t, "ro.URI:FUTURE-RO:abc")
	futureWrite := parseCap(t, "URI:FUTURE:abcdef")
	tree := filetree.Ref{ID: blockstore.ID(testID(7)), Key: testKey(7), Level: 2, Size: 1 << 40}
	attrs := []Attr{AtimeAttr(12345), {Type: 9, Value: nil}, {Type: 77, Value: []byte("kept")}}
	return []*Entry{
		{Name: "", Kind: EmptyFile, FileID: [16]byte{1}},
		fileEntry("chunk", 1),
		{
			Name: "chunk.more", Kind: TreeFile, FileID: [16]byte{2}, Mode: 0o600, UID: 1<<32 - 1, GID: 7, Mtime: -1,
			Size: 1 << 40, File: tree, Attrs: attrs, More: []filetree.Ref{
				{ID: blockstore.ID(testID(8)), Key: testKey(8), Level: 0},
				{ID: blockstore.ID(testID(9)), Key: testKey(9), Level: caps.LevelChunk},
			},
		},
		{Name: "dir", Kind: Directory, Dir: child.Read(), DirWrite: &child, Mode: 0o755},
		{Name: "dir.ro", Kind: Directory, Dir: child.Read()},
		{Name: "dir0", Kind: Symlink, Data: []byte("../else/where"), Size: 13},
		{Name: "foreign", Kind: Foreign, Foreign: ForeignCaps{Read: foreign}},
		{Name: "foreign2", Kind: Foreign, Foreign: ForeignCaps{Read: future, Write: futureWrite}},
		{Name: "frozen", Kind: FrozenDir, Frozen: caps.FrozenRead{Key: testKey(12), Root: testID(12), Level: 1}},
		{Name: "frozen-empty", Kind: FrozenDir, Frozen: caps.FrozenRead{Key: testKey(13)}},
		{Name: "inline", Kind: Inline, Data: []byte("hello"), Size: 5},
		{Name: "mutable", Kind: MutableFile, Dir: file.Read(), DirWrite: &file},
	}
}

func parseCap(t testing.TB, text string) caps.Cap {
	t.Helper()
	c, err := caps.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// commitEdit seals e and stores the result; it returns the new version.
func commitEdit(t testing.TB, m *memory, d *Dir, e *Edit) (*Dir, Result) {
	t.Helper()
	r, err := e.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.commit(r)
	next := *d
	next.root = r.Root
	return &next, r
}

// mustBuild commits all entries in one Edit of an empty directory.
func mustBuild(t testing.TB, m *memory, keys Keys, cache *NodeCache, entries ...*Entry) *Dir {
	t.Helper()
	d := Open(keys, Root{}, m, cache)
	e := d.Edit()
	for _, in := range entries {
		if err := e.Put(t.Context(), in); err != nil {
			t.Fatalf("put %q: %v", in.Name, err)
		}
	}
	d, _ = commitEdit(t, m, d, e)
	return d
}

func collect(t testing.TB, d *Dir) []*Entry {
	t.Helper()
	var out []*Entry
	for e, err := range d.Scan(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}
