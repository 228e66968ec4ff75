package filestore_test

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
)

// far hides that a store reads into its caller's memory, as those behind a network
// don't: what is read ahead then goes into the cache.
type far struct{ blockstore.Store }

// TestReadAheadLeavesRoom: however many streams there are, what is read ahead of them
// takes a part of the cache only, so that nothing is displaced before it is read.
func TestReadAheadLeavesRoom(t *testing.T) {
	t.Parallel()
	storage := newStorage(t)
	storage.blocks = far{storage.blocks}
	fs := storage.open(func(o *filestore.Options) { o.ChunkSize, o.CacheBytes = 256<<10, 15*(256<<10) })
	tr, _ := newTree(t, fs)
	tr.put("f", random(4<<20, 1))
	var files []*filestore.File
	for range 8 {
		files = append(files, tr.open("f", forReading))
	}
	most := int64(0)
	buf := make([]byte, 128<<10)
	for off := int64(0); off < 4<<20; off += int64(len(buf)) {
		for _, f := range files {
			if _, err := f.ReadAt(t.Context(), buf, off); err != nil {
				t.Fatal(err)
			}
			most = max(most, fs.Unread())
		}
	}
	if most == 0 || most > 5 {
		t.Errorf("%d chunks were read ahead and not read, want at most 5", most)
	}
	if n := fs.Unread(); n != 0 {
		t.Errorf("%d chunks count although all was read", n)
	}
	for _, f := range files {
		f.Discard()
	}
}
