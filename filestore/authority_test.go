package filestore_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Who may only read a directory sees the files that others create in it, and
// changes nothing about them.
func TestReadersDontChangeWhatIsBeingCreated(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	full, root := newTree(t, fs)
	reader := mount(t, fs, root.Read())
	w := full.open("f", toCreate)
	write(t, w, []byte("contents"), 0)
	when := time.Unix(1_000_000_000, 0)
	for what, a := range map[string]filestore.Attr{
		"mode":  {Set: filestore.AttrMode, Mode: 0o777},
		"mtime": {Set: filestore.AttrMtime, Mtime: when},
		"size":  {Set: filestore.AttrSize},
	} {
		expectKind(t, what, reader.SetAttr(t.Context(), path("f"), a, true), kind.ReadOnly)
	}
	f := reader.open("f", forReading)
	expectKind(t, "mode of a handle", f.SetAttr(t.Context(), filestore.Attr{Set: filestore.AttrMode, Mode: 0o777}), kind.ReadOnly)
	f.Discard()
	closeFile(t, w)
	if i := full.stat("f"); i.Mode == 0o777 || i.Mtime.Equal(when) {
		t.Errorf("a reader has changed the file: %+v", i)
	}
	full.expect("f", []byte("contents"))
}
