package filestore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// What isn't used any more isn't kept in memory, and what is used again counts again.
func TestRootsAreForgottenWhereNobodyUsesThem(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.gateway(func(o *filestore.Options) { o.Now = func() time.Time { return time.Unix(0, clock.Load()) } })
	tr, root := newTree(t, fs)
	for i := range 10 {
		b := newBucket(t, fs, tr, fmt.Sprint("bucket", i))
		uploadPart(t, b, nil)
		must(t, b.Delete(t.Context(), tr.Tree))
	}
	must(t, fs.Beat(t.Context()))
	if n := fs.UsedRoots(); n != 11 {
		t.Errorf("%d roots are in use", n)
	}
	for range 2 {
		clock.Add(int64(25 * time.Hour))
		must(t, fs.Beat(t.Context()))
	}
	if n := fs.UsedRoots(); n != 0 {
		t.Errorf("%d roots are in use, and nobody uses one", n)
	}
	must(t, fs.ForgetRoot(t.Context(), rootID(t, root)))
	tr.put("f", nil) // by the session that was idle
	must(t, fs.Beat(t.Context()))
	if roots, err := fs.Roots(t.Context()); err != nil || fs.UsedRoots() != 1 || !hasRoot(roots, rootID(t, root)) {
		t.Errorf("%d in use, %+v, %v", fs.UsedRoots(), roots, err)
	}
}

func hasRoot(roots []filestore.RootInfo, id [32]byte) bool {
	for _, r := range roots {
		if r.ID == id {
			return true
		}
	}
	return false
}
