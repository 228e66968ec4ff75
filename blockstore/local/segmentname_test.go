package local

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A segment holds nothing before its name is durable: what a crash leaves without a
// name is lost with all that was acknowledged in it.
func TestSegmentsHaveNamesThatLast(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	d := realDisk()
	d.syncDir = func(dir *os.Root) error {
		if broken.Load() {
			return unix.EIO
		}
		return syncRoot(dir)
	}
	dir := t.TempDir()
	s := openOn(t, dir, d)
	want := map[blockstore.ID][]byte{}
	put := func() {
		t.Helper()
		id, block := storecheck.Chunk(10_000)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		want[id] = block
	}
	segments := func() int {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, segmentDir, "*"+segmentExt))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	put()
	before := segments()
	broken.Store(true)
	for _, l := range s.lanes {
		wantKind(t, "move on to a segment whose name doesn't last", l.retire(t.Context()), kind.Unavailable)
	}
	if n := segments(); n != before {
		t.Errorf("%d segments, %d before", n, before)
	}
	put() // where the last one went
	broken.Store(false)
	for _, l := range s.lanes {
		wantKind(t, "move on", l.retire(t.Context()), 0)
	}
	put()
	expect(t, s, want)
}
