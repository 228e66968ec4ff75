package filestore_test

import (
	"context"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// A directory moves to where only a link leads, while what that link leads to moves
// into the directory. Either alone is right; of both one is refused, or nothing would
// lead to the two any more.
func TestMovesIntoEachOtherThroughALink(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	a, _ := newTree(t, fs)
	b, _ := newTree(t, fs)
	for _, p := range []string{"d", "d/e", "m", "m/n"} {
		a.mkdir(p)
	}
	a.put("d/e/x", []byte("x"))
	b.mustLink("link", a.capOf("m/n", caps.AuthorityWrite))
	b.mkdir("top")
	b.rename("link", "top/link")
	a.mustLink("via", b.capOf("top", caps.AuthorityWrite))

	hold, release := make(chan struct{}), make(chan struct{})
	go fs.Occupy(t.Context(), hold, release)
	<-hold
	var g errgroup.Group
	g.Go(func() error { return a.Rename(t.Context(), path("m"), path("d/e/m"), filestore.Replace) })
	fs.WaitQueued(1)
	var second error
	g.Go(func() error {
		second = a.Rename(t.Context(), path("d"), path("via/link/d"), filestore.Replace)
		return nil
	})
	fs.WaitQueued(2)
	close(release)
	must(t, g.Wait())
	expectKind(t, "a move into what has moved below meanwhile", second, kind.Invalid)
	a.expect("d/e/x", []byte("x"))
	a.expectNames("d/e/m/n")
	checkWhole(t, fs)
}

// ordered notes the requests that pass one after the other, whichever gateway sends
// them.
type ordered struct {
	metastore.Store
	dirMoves atomic.Int64
}

func (o *ordered) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	for _, r := range reqs {
		if r.DirMove {
			o.dirMoves.Add(1)
		}
	}
	return o.Store.Commit(ctx, reqs...)
}

// Moves of directories between directories pass one after the other, on all gateways:
// of two that move into each other each would see the other where it was. Nothing else
// waits for them.
func TestMovesOfDirectoriesPassInOrder(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	meta := &ordered{Store: s.meta}
	tr, _ := newTree(t, s.open(func(o *filestore.Options) { o.Meta = meta }))
	tr.mkdir("a")
	tr.mkdir("b")
	tr.put("f", []byte("x"))
	for _, move := range []struct {
		from, to string
		ordered  int64
	}{{"f", "a/f", 0}, {"b", "c", 0}, {"c", "a/c", 1}} {
		before := meta.dirMoves.Load()
		tr.rename(move.from, move.to)
		if n := meta.dirMoves.Load() - before; n != move.ordered {
			t.Errorf("%s to %s: %d requests in order, want %d", move.from, move.to, n, move.ordered)
		}
	}
}
