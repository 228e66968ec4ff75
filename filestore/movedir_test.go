package filestore_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
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
