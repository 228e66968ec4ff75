package filestore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A file that is being created is there at every moment of its first commit:
// sshfs reports a file as closed before the server has answered, and opens it
// again by another connection.
func TestFileIsThereWhileItIsCommitted(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	tr.mkdir("d")
	for i := range 200 {
		p := path(fmt.Sprintf("d/f%d", i))
		f := tr.open(p.String()[1:], toReplace)
		write(t, f, []byte("x"), 0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			closeFile(t, f)
		}()
		for closed := false; !closed; {
			select {
			case <-done:
				closed = true
			default:
			}
			if _, err := tr.Stat(t.Context(), p); err != nil {
				t.Fatalf("stat: %v", err)
			}
			g, err := tr.Open(t.Context(), p, filestore.OpenOptions{Read: true})
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			closeFile(t, g)
		}
	}
}

// A mode that is set while a file is being created holds for who opens it next.
func TestModeSetWhileCreatedHolds(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	f := tr.open("f", toReplace)
	write(t, f, []byte("x"), 0)
	mode := filestore.Attr{Set: filestore.AttrMode, Mode: 0o444}
	if err := tr.SetAttr(t.Context(), path("f"), mode, true); err != nil {
		t.Fatal(err)
	}
	_, err := tr.Open(t.Context(), path("f"), filestore.OpenOptions{Write: true})
	expectKind(t, "open a file that forbids it", err, kind.ReadOnly)
	write(t, f, []byte("more"), 1)
	closeFile(t, f)
	tr.expect("f", []byte("xmore"))
	_, err = tr.Open(t.Context(), path("f"), filestore.OpenOptions{Write: true})
	expectKind(t, "open it after the commit", err, kind.ReadOnly)
}

// Attributes that are set while the first commit is under way are kept,
// whichever comes first.
func TestAttributesSetDuringTheFirstCommitAreKept(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	want := time.Unix(1_000_000_000, 0)
	for i := range 200 {
		p := path(fmt.Sprintf("f%d", i))
		f := tr.open(p.String()[1:], toReplace)
		write(t, f, []byte("x"), 0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			closeFile(t, f)
		}()
		a := filestore.Attr{Set: filestore.AttrMode | filestore.AttrMtime, Mode: 0o600, Mtime: want}
		if err := tr.SetAttr(t.Context(), p, a, true); err != nil {
			t.Fatal(err)
		}
		<-done
		if got := tr.stat(p.String()[1:]); got.Mode != 0o600 || !got.Mtime.Equal(want) {
			t.Fatalf("mode %o, time %v", got.Mode, got.Mtime)
		}
	}
}
