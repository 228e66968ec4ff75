package filestore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// refusing answers commits with NoSpace while it is told to.
type refusing struct {
	metastore.Store
	full *atomic.Bool
}

func (r refusing) Exclusive() bool { return true }

func (r refusing) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	if !r.full.Load() {
		return r.Store.Commit(ctx, reqs...)
	}
	errs := make([]error, len(reqs))
	for i := range errs {
		errs[i] = fmt.Errorf("the disk is full: %w", kind.NoSpace)
	}
	return errs
}

// TestFailedRenameDropsNoUpload moves a file to the name of one that is being
// uploaded. As long as that has not succeeded, the upload counts (law 3).
func TestFailedRenameDropsNoUpload(t *testing.T) {
	t.Parallel()
	full := new(atomic.Bool)
	tr, _ := newTree(t, newStorage(t).open(func(o *filestore.Options) { o.Meta = refusing{o.Meta, full} }))
	tr.put("src", []byte("source"))
	f := tr.open("dst", toCreate)
	write(t, f, []byte("upload"), 0)
	full.Store(true)
	err := tr.Rename(t.Context(), path("src"), path("dst"), filestore.Replace)
	expectKind(t, "rename", err, kind.NoSpace)
	full.Store(false)
	closeFile(t, f)
	tr.expect("dst", []byte("upload"))
	tr.expect("src", []byte("source"))

	f = tr.open("new", toCreate)
	write(t, f, []byte("upload"), 0)
	tr.rename("src", "new")
	closeFile(t, f)
	tr.expect("new", []byte("source"))
	tr.expectNames("", "dst", "new")
}

// TestAttributesOfAFileJustCommitted sets attributes of a file that was being
// created when its path was resolved, and no longer is: they are not lost.
func TestAttributesOfAFileJustCommitted(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	f := tr.open("f", toCreate)
	set := tr.SetAttrLater(t.Context(), path("f"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600})
	closeFile(t, f)
	if err := set(); err != nil {
		t.Fatal(err)
	}
	if mode := tr.stat("f").Mode; mode != 0o600 {
		t.Errorf("mode %o after it was set to 600", mode)
	}
}
