package filestore_test

import (
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// TestFullSpoolBoundsMemory goes on writing although the spool is full: every
// write is refused, none takes memory, and what was taken before is committed.
func TestFullSpoolBoundsMemory(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	fs := newStorage(t).open(func(o *filestore.Options) { o.DraftBytes, o.SpoolBytes = bound, bound })
	tr, _ := newTree(t, fs)
	f := tr.open("f", toCreate)
	page := random(64<<10, 1)
	var refused int
	var last error
	for i := range 400 {
		if _, err := f.WriteAt(t.Context(), page, int64(2*i)*int64(len(page))); err != nil {
			refused, last = refused+1, err
		}
	}
	if refused < 300 {
		t.Fatalf("%d writes were refused", refused)
	}
	expectKind(t, "write", last, kind.NoSpace)
	if got := fs.Dirty(); got > 2*bound {
		t.Errorf("%d bytes lie in memory, want at most %d", got, 2*bound)
	}
	closeFile(t, f)
	if got := tr.get("f"); string(got[:len(page)]) != string(page) {
		t.Error("the first page is another")
	}
}
