package filestore_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

// largest is a metastore that notes how many bytes of nodes one request brought at most.
type largest struct {
	metastore.Store
	bytes atomic.Int64
}

func (s *largest) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	n := int64(0)
	for _, r := range reqs {
		for _, node := range r.Nodes {
			n += int64(len(node.Data))
		}
	}
	for old := s.bytes.Load(); n > old && !s.bytes.CompareAndSwap(old, n); { // heartbeats commit, too
		old = s.bytes.Load()
	}
	return s.Store.Commit(ctx, reqs...)
}

// However many chunks a commit patches, its request brings few bytes: the other
// patches go to the blockstore before it, as chunks do.
func TestRequestsOfManyPatches(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	meta := &largest{Store: s.meta}
	fs := s.open(smallChunks, func(o *filestore.Options) {
		o.Meta, o.DraftBytes, o.DirtyBytes = meta, 1<<20, 1<<20
	})
	tr, root := newTree(t, fs)
	f := tr.open("f", toCreate)
	const patches, chunk, page = 2000, 256 << 10, 4096
	if err := f.Truncate(t.Context(), patches*chunk); err != nil {
		t.Fatal(err)
	}
	p := random(page, 1)
	for i := range int64(patches) {
		write(t, f, p, i*chunk+5000)
	}
	closeFile(t, f)
	if n, _, _ := tr.patches("f"); n != patches {
		t.Errorf("%d patches, want %d", n, patches)
	}
	nodes := patches * 150
	if most, n := int64(1<<20+nodes+100<<10), meta.bytes.Load(); n > most {
		t.Errorf("a request brings %d bytes, want at most %d", n, most)
	}
	f = mount(t, s.open(), root).open("f", forReading)
	defer f.Discard()
	got := make([]byte, page+2)
	for i := range int64(patches) {
		if _, err := f.ReadAt(t.Context(), got, i*chunk+4999); err != nil || got[0] != 0 || got[page+1] != 0 || string(got[1:page+1]) != string(p) {
			t.Fatalf("chunk %d: other bytes, %v", i, err)
		}
	}
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
}
