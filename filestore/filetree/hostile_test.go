package filetree

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// What somebody does who may make a part of a file, or who controls the store.

// A reference to a right node at a wrong level, in one part of a joined file,
// must not hide the node from who walks the next part: what a walk doesn't
// meet is collected.
func TestALyingReferenceHidesNothingFromAWalk(t *testing.T) {
	t.Parallel()
	src := blocks{}
	key := func(i byte) caps.Key { return caps.KeyOf([32]byte{9, i}) }
	must := func(b Block, c child, err error) child {
		if err != nil {
			t.Fatal(err)
		}
		src[b.ID] = b.Data
		return c
	}
	kids := craftKids(2, craftChunk, 77)
	leaf := must(sealNode(key(1), 0, minGrid, false, kids))
	one := must(sealNode(key(2), 1, 0, true, []child{leaf})) // the victim's part
	lie := one
	lie.Level = 2 // the liar's: the same node, one level up
	two := must(sealNode(key(3), 2, 0, true, []child{one}))
	root := must(sealNode(key(4), 3, 0, true, []child{lie, two}))

	met, faults := map[blockstore.ID]bool{}, 0
	if err := WalkVerify(t.Context(), src, root.Ref.Verify(), noting{met, &faults}); err != nil {
		t.Fatal(err)
	}
	if !met[kids[0].ID] || !met[kids[1].ID] {
		t.Error("the chunks below the right reference were not met")
	}
	if faults != 1 {
		t.Errorf("%d faults, want that of the lie", faults)
	}
}

type noting struct {
	met    map[blockstore.ID]bool
	faults *int
}

func (n noting) Visit(ref VerifyRef) (bool, error) { n.met[ref.ID] = true; return true, nil }

func (n noting) Opened(_ VerifyRef, _ int64, err error) error {
	if err != nil {
		*n.faults++
	}
	return nil
}

// The cache's bound holds when a store damages most of every chunk: the frame
// that is sound keeps the memory of all alive, or a copy of its own.
func TestTheCacheCountsWhatDamagedChunksKeep(t *testing.T) {
	t.Parallel()
	b, key, err := SealChunk(nil, make([]byte, MaxChunkSize))
	if err != nil {
		t.Fatal(err)
	}
	h, err := blockstore.ParseHeader(b.Data)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < int(h.Len2); i++ {
		off, _ := h.Frame(i)
		b.Data[off] ^= 1
	}
	ref := Ref{b.ID, key, LevelChunk, MaxChunkSize}
	cache := NewCache(64 << 20)
	r := NewReader(blocks{b.ID: b.Data}, ref, cache)
	if err := r.Prefetch(t.Context(), 0); kind.Of(err) != kind.Corrupt {
		t.Fatalf("prefetch: %v, want Corrupt", err)
	}
	c, ok := cache.chunks.get(keyOf(&ref))
	if !ok || len(c.cells[0]) != blockstore.FrameSize {
		t.Fatal("the sound frame was not kept")
	}
	if kept := int64(cap(c.cells[0])); cache.Bytes() < kept {
		t.Errorf("%d bytes are kept, %d are counted", kept, cache.Bytes())
	}
}
