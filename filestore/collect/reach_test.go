package collect

import (
	"context"
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/blockstore"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
)

// heap is a View of what a test puts there.
type heap struct {
	metastore.View
	slots map[metastore.SlotID]metastore.Record
	nodes map[metastore.ID][]byte
	stack int // deepest, in calls, that a node was asked for
}

func (h *heap) Slots(_ context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	out := make([]metastore.Record, len(ids))
	for i, id := range ids {
		out[i] = h.slots[id]
	}
	return out, nil
}

func (h *heap) Nodes(_ context.Context, ids []metastore.ID) ([][]byte, error) {
	h.stack = max(h.stack, runtime.Callers(0, make([]uintptr, 1000)))
	out := make([][]byte, len(ids))
	for i, id := range ids {
		out[i] = h.nodes[id]
	}
	return out, nil
}

func (h *heap) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	return snapshot.Nodes{View: h}.Node(ctx, id)
}

func newHeap() *heap {
	return &heap{slots: make(map[metastore.SlotID]metastore.Record), nodes: make(map[metastore.ID][]byte)}
}

func (h *heap) reach(t *testing.T) (r *reach, damage *int) {
	t.Helper()
	env := &Env{
		Blocks: blockmemory.New(), Meta: metamemory.New(), NodeCache: dirtree.NewNodeCache(1 << 20),
		Seen: func(metastore.SlotID) (uint32, uint64, bool) { return 0, 0, false },
	}
	r, damage = newReach(env, h), new(int)
	r.damaged = func(site, string) error { *damage++; return nil }
	return r, damage
}

func chunkOf(n byte) filetree.Ref {
	return filetree.Ref{ID: blockstore.ID{n, 7}, Key: caps.KeyOf([32]byte{n}), Level: filetree.LevelChunk, Size: filetree.MinChunkSize}
}

func entryOf(name string, n byte) *dirtree.Entry {
	ref := chunkOf(n)
	return &dirtree.Entry{Name: name, Kind: dirtree.OneChunk, Size: ref.Size, File: ref}
}

// directory stores a directory of one file and returns its authority.
func (h *heap) directory(t *testing.T, n byte) caps.SlotVerify {
	t.Helper()
	w := caps.NewSlotWrite(caps.SlotDirectory, caps.KeyOf([32]byte{n, 1}))
	e := dirtree.Open(dirtree.Keys{Write: &w}, dirtree.Root{}, h, nil).Edit()
	for _, name := range []string{"f", "g"} {
		if err := e.Put(t.Context(), entryOf(name, n)); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := e.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range sealed.New {
		h.nodes[node.ID] = node.Data
	}
	rec, err := dirtree.SealSlot(w, dirtree.SlotState{Root: sealed.Root, Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.slots[metastore.SlotID(w.ID())] = metastore.Record{ID: metastore.SlotID(w.ID()), Version: 1, Bytes: rec}
	return w.Read().Verify()
}

func (h *heap) frozen(t *testing.T, entries ...*dirtree.Entry) caps.FrozenRead {
	t.Helper()
	f, err := dirtree.Freeze(func(yield func(*dirtree.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}, func(n dirtree.Node) error { h.nodes[n.ID] = n.Data; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// file stores the node of a file of two chunks.
func (h *heap) file(t *testing.T, n byte) filetree.VerifyRef {
	t.Helper()
	const chunk = filetree.MinChunkSize
	ref, nodes, err := filetree.NewReader(nil, filetree.Ref{}, nil).Edit(t.Context(), chunk, 2*chunk, []filetree.Leaf{
		{Len: chunk, Ref: chunkOf(n)}, {Off: chunk, Len: chunk, Ref: chunkOf(n + 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range nodes {
		h.nodes[metastore.ID(b.ID)] = b.Data
	}
	return ref.Verify()
}

// Who holds a verify key to something can write an entry that says something
// wrong about it: another type, another level, another kind. When the walk meets
// the lie first, it must still walk the thing where it is rightly linked, or
// what belongs to somebody else is collected.
func TestALyingEntryHidesNothing(t *testing.T) {
	h := newHeap()
	dir := h.directory(t, 10)
	frozen := h.frozen(t, entryOf("f", 20)).Verify()
	file := h.file(t, 30)
	unsized := file
	unsized.Size = 0
	liedLevel := frozen
	liedLevel.Level = 3
	tests := []struct {
		name        string
		lie, truth  dirtree.Child
		wantReached blockstore.ID
	}{
		{
			"a directory as a mutable file",
			dirtree.Child{Kind: dirtree.MutableFile, Slot: caps.NewSlotVerify(caps.SlotFile, dir.VerifyKey(), dir.ID())},
			dirtree.Child{Kind: dirtree.Directory, Slot: dir},
			chunkOf(10).ID,
		},
		{
			"a frozen directory of another level",
			dirtree.Child{Kind: dirtree.FrozenDir, Frozen: liedLevel},
			dirtree.Child{Kind: dirtree.FrozenDir, Frozen: frozen},
			chunkOf(20).ID,
		},
		{
			"a file as a frozen directory",
			dirtree.Child{Kind: dirtree.FrozenDir, Frozen: caps.FrozenVerify{Key: file.Key, Root: caps.RootID(file.ID), Level: file.Level}},
			dirtree.Child{Kind: dirtree.TreeFile, File: unsized},
			chunkOf(31).ID,
		},
		{
			"a frozen directory as a file",
			dirtree.Child{Kind: dirtree.TreeFile, File: filetree.VerifyRef{ID: blockstore.ID(frozen.Root), Key: frozen.Key}},
			dirtree.Child{Kind: dirtree.FrozenDir, Frozen: frozen},
			chunkOf(20).ID,
		},
	}
	for _, tt := range tests {
		r, damage := h.reach(t)
		vis := r.visitor(t.Context(), site{}, false)
		for _, c := range []dirtree.Child{tt.lie, tt.truth} {
			if err := vis.Child(c); err != nil {
				t.Fatal(tt.name, err)
			}
			todo := slices.Clone(r.todo)
			r.todo = nil
			for _, v := range todo {
				if err := r.from(t.Context(), v); err != nil {
					t.Fatal(tt.name, err)
				}
			}
		}
		if ok, _ := r.reached(metastore.ID(tt.wantReached), metastore.SlotID{}); !ok {
			t.Errorf("%s: what the right link leads to was not reached", tt.name)
		}
		if *damage != 1 {
			t.Errorf("%s: %d faults, want that of the lie", tt.name, *damage)
		}
	}
}

// Frozen directories in one another, however deep, don't go deep in the stack.
func TestDeepFrozenDirectories(t *testing.T) {
	h := newHeap()
	f := h.frozen(t, entryOf("f", 40))
	for range 300 {
		f = h.frozen(t, &dirtree.Entry{Name: "d", Kind: dirtree.FrozenDir, Frozen: f})
	}
	r, _ := h.reach(t)
	v := f.Verify()
	if err := r.from(t.Context(), visit{frozen: &v}); err != nil {
		t.Fatal(err)
	}
	if ok, _ := r.reached(metastore.ID(chunkOf(40).ID), metastore.SlotID{}); !ok {
		t.Error("the innermost file was not reached")
	}
	if h.stack > 100 {
		t.Errorf("%d calls in one another", h.stack)
	}
}

// An entry that holds the right id of something and another key is a lie about
// somebody else's: a dead reference, no damage (formats 11).
func TestDeadReferencesAreNoDamage(t *testing.T) {
	h := newHeap()
	dir, file := h.directory(t, 10), h.file(t, 30)
	frozen := h.frozen(t, entryOf("f", 20)).Verify()
	wrong := caps.KeyOf([32]byte{99})
	badFile, badFrozen := file, frozen
	badFile.Key, badFile.Size, badFrozen.Key = wrong, 0, wrong
	r, damage := h.reach(t)
	vis := r.visitor(t.Context(), site{}, false)
	for _, c := range []dirtree.Child{
		{Kind: dirtree.TreeFile, File: badFile},
		{Kind: dirtree.FrozenDir, Frozen: badFrozen},
		{Kind: dirtree.Directory, Slot: caps.NewSlotVerify(caps.SlotDirectory, wrong, dir.ID())},
	} {
		if err := vis.Child(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range slices.Clone(r.todo) {
		r.todo = nil
		if err := r.from(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if *damage != 0 {
		t.Errorf("%d faults", *damage)
	}
	for _, n := range []byte{10, 20, 31} {
		if ok, _ := r.reached(metastore.ID(chunkOf(n).ID), metastore.SlotID{}); ok {
			t.Errorf("chunk %d was reached by a wrong key", n)
		}
	}
}

// A file node that the blockstore can't give now may lead to anything: that is
// damage under its root, no reason to collect nowhere.
func TestWhatCantBeHadNowIsDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeap()
		file := h.file(t, 30)
		r, damage := h.reach(t)
		clear(h.nodes)
		lost := file
		lost.Size = 0
		child := dirtree.Child{Kind: dirtree.TreeFile, File: lost}
		r.env.Blocks = down{r.env.Blocks}
		if err := r.visitor(t.Context(), site{}, false).Child(child); kind.Of(err) != kind.Unavailable {
			t.Errorf("a check can't be carried through: %v", err)
		}
		r.tolerant = true
		if err := r.visitor(t.Context(), site{}, false).Child(child); err != nil || *damage != 1 {
			t.Errorf("%d faults, %v", *damage, err)
		}
	})
}

// down is a blockstore that doesn't answer.
type down struct{ blockstore.Store }

func (down) Get(context.Context, blockstore.ID) ([]byte, error) { return nil, kind.Unavailable }

// TestMemoryOfAMark holds what the sets of a walk take (see reach).
func TestMemoryOfAMark(t *testing.T) {
	const n = 400_000
	r, _ := newHeap().reach(t)
	heapNow := func() int64 {
		for range 3 { // what tests before left needs more than one
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heapNow()
	for i := range n {
		var id [32]byte
		binary.BigEndian.PutUint64(id[:], uint64(i))
		r.meet(id, 1)
	}
	blocks := heapNow() - before
	if per := float64(blocks) / n; per > 32 {
		t.Errorf("%.1f bytes a block", per)
	} else {
		t.Logf("%.1f bytes a block", per)
	}
	before = heapNow()
	for i := range n {
		var id [32]byte
		binary.BigEndian.PutUint64(id[:], uint64(i))
		enter(r.nodes, r.key(id, caps.KeyOf(id)), 1)
	}
	nodes := heapNow() - before
	if per := float64(nodes) / n; per > 48 {
		t.Errorf("%.1f bytes a node", per)
	} else {
		t.Logf("%.1f bytes a node", per)
	}
	runtime.KeepAlive(r)
}
