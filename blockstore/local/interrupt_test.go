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

// A block that is deleted while its segment is compacted is no damage.
func TestCompactionMeetsDelete(t *testing.T) {
	t.Parallel()
	s := openOn(t, t.TempDir(), realDisk())
	id, block := blockstore.ID{7}, bytes.Repeat([]byte("block"), 50_000)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	p, _ := s.index.get(id)
	seg := s.segment(p.seg)
	e := seg.entries[0]
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.move(t.Context(), seg, e, 0); err != nil || seg.stuck.Load() {
		t.Errorf("%v; the segment counts as damaged: %t", err, seg.stuck.Load())
	}
}
