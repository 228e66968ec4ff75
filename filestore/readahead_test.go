package filestore_test

import (
	"testing"
	"testing/synctest"

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
	if most == 0 || most > 7 {
		t.Errorf("%d chunks were read ahead and not read, want at most 7", most)
	}
	if n := fs.Unread(); n != 0 {
		t.Errorf("%d chunks count although all was read", n)
	}
	for _, f := range files {
		f.Discard()
	}
}

// A stream that is alone is read ahead further, and leaves room for others that come.
func TestReadAheadAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where what is read ahead isn't given up for a loaded machine
		storage := newStorage(t)
		storage.blocks = far{storage.blocks}
		fs := storage.open(func(o *filestore.Options) { o.ChunkSize, o.CacheBytes = 256<<10, 24*(256<<10) })
		tr, _ := newTree(t, fs)
		want := random(4<<20, 1)
		tr.put("f", want)
		for i, unread := range []int64{8, 12, 12} {
			f := tr.open("f", forReading)
			defer f.Discard()
			for off := 0; off < 256<<10; off += 64 << 10 {
				readOn(t, f, want, off, 64<<10)
			}
			if n := fs.Unread(); n != unread {
				t.Errorf("%d chunks are read ahead of %d streams, want %d", n, i+1, unread)
			}
		}
	})
}
