package storecheck_test

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

func TestMadeBlocksHold(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, blockstore.FrameSize, blockstore.FrameSize + 1, blockstore.MaxChunk} {
		if id, block := storecheck.Chunk(n); blockstore.CheckID(id, block) != nil {
			t.Errorf("a chunk of %d: %v", n, blockstore.CheckID(id, block))
		}
	}
	if id, block := storecheck.FileNode(blockstore.TagSize); blockstore.CheckID(id, block) != nil {
		t.Errorf("a file node: %v", blockstore.CheckID(id, block))
	}
}

// An operator may run the checks on a store in use: they leave it as it was.
func TestChecksLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := memory.New()
	id, block := storecheck.Chunk(100)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	for _, check := range storecheck.Checks() {
		if check.Closes || check.Marks {
			continue
		}
		if err := check.Run(t.Context(), s); err != nil {
			t.Errorf("%s: %v", check.Name, err)
		}
		for info, err := range s.List(t.Context(), blockstore.ID{}) {
			if err != nil || info.ID != id {
				t.Errorf("%s leaves %+v behind, error %v", check.Name, info, err)
			}
		}
	}
}
