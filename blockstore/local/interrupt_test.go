package local

import (
	"bytes"
	"context"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
)

// A compaction that is cut short, as when the store is closed, has moved only a
// part of what lives in the segment: the segment stays.
func TestInterruptedCompactionLosesNothing(t *testing.T) {
	t.Parallel()
	s := openOn(t, t.TempDir(), realDisk())
	id, want := blockstore.ID{7}, bytes.Repeat([]byte("block"), 1000)
	if err := s.Put(t.Context(), id, want); err != nil {
		t.Fatal(err)
	}
	for _, l := range s.lanes {
		if err := l.retire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Compact(t.Context()); err != nil { // waits for the sealing
		t.Fatal(err)
	}
	p, _ := s.index.get(id)
	ended, end := context.WithCancel(t.Context())
	end()
	s.keeper.work.Lock()
	_, err := s.compact(ended, s.segment(p.seg))
	s.keeper.work.Unlock()
	if err == nil {
		t.Error("a compaction that was cut short gives no error")
	}
	if got, err := s.Get(t.Context(), id); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
