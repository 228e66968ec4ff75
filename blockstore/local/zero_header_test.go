package local

import (
	"bytes"
	"os"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
)

// A segment whose first page a disk has lost is no segment that was never
// finished: it has records.
func TestZeroedHeaderCostsNoRecords(t *testing.T) {
	t.Parallel()
	dir, id, want := t.TempDir(), blockstore.ID{7}, bytes.Repeat([]byte("block"), 1000)
	s := openOn(t, dir, realDisk())
	if err := s.Put(t.Context(), id, want); err != nil {
		t.Fatal(err)
	}
	p, _ := s.index.get(id)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(segmentPath(dir, p.seg), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, page), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = openOn(t, dir, realDisk())
	if got, err := s.Get(t.Context(), id); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
