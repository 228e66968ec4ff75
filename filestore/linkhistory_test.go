package filestore_test

import (
	"context"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

// linked notes which blocks requests link.
type linked struct {
	metastore.Store
	turn chan struct{} // of capacity 1; full: ids is in use
	ids  []metastore.ID
}

func (l *linked) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	l.turn <- struct{}{}
	for _, r := range reqs {
		l.ids = append(l.ids, r.Links...)
	}
	<-l.turn
	return l.Store.Commit(ctx, reqs...)
}

// take gives what was linked since the last time, ascending.
func (l *linked) take() []metastore.ID {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	ids := l.ids
	l.ids = nil
	slices.SortFunc(ids, func(a, b metastore.ID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// Who links a directory that keeps versions links all their blocks: a collection that
// is under way spares what the commit names.
func TestLinksNameTheBlocksOfVersions(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	meta := &linked{Store: s.meta, turn: make(chan struct{}, 1)}
	fs := s.open(func(o *filestore.Options) { o.Meta, o.InlineBlock = meta, -1 })
	tr, _ := newTree(t, fs)
	other, _ := newTree(t, fs)
	b := bucket{t, newBucket(t, fs, tr, "data")}
	b.setVersioning(filestore.VersioningEnabled)
	for seed := range byte(3) {
		tr.put("data/key", random(100_000, seed))
	}
	stored := meta.take()
	if len(stored) != 3 {
		t.Fatalf("three versions are %d blocks", len(stored))
	}
	other.mustLink("link", tr.capOf("data", caps.AuthorityWrite))
	if got := meta.take(); !slices.Equal(got, stored) {
		t.Errorf("the link names %d blocks, want %d", len(got), len(stored))
	}
}
