package filestore_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/dirtree"
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

// Who makes up an entry with the public id of somebody's directory, and a key that
// isn't its own, gets nothing of it by way of somebody who has the right key.
func TestFreezingNeedsEachEntrysOwnKey(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, root := newTree(t, s.open())
	tr.mkdir("all")
	tr.mkdir("all/secret")
	tr.put("all/secret/f", []byte("nobody's business"))
	tr.mkdir("all/to eve")
	secret, eves := slotAt(t, tr, "all/secret"), slotAt(t, tr, "all/to eve")
	s.forgeDir(eves, func(e *dirtree.Edit) {
		lie := dirtree.Entry{Kind: dirtree.Directory, Name: "mine", Dir: caps.NewSlotRead(caps.SlotDirectory, newKey(), secret.ID())}
		if err := e.Put(t.Context(), &lie); err != nil {
			t.Fatal(err)
		}
	})
	tr = mount(t, s.open(), root)
	_, err := tr.Freeze(t.Context(), path("all"), tr.Tree, path("copy"))
	expectKind(t, "freeze", err, kind.Corrupt)
	tr.absent("copy")
}

// Likewise with a mutable file that somebody has open.
func TestListingNeedsEachEntrysOwnKey(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, _ := newTree(t, s.open())
	tr.mkdir("to eve")
	tr.putMutable("m", random(1000, 1))
	m, eves := slotAt(t, tr, "m"), slotAt(t, tr, "to eve")
	s.forgeDir(eves, func(e *dirtree.Edit) {
		lie := dirtree.Entry{Kind: dirtree.MutableFile, Name: "mine", Dir: caps.NewSlotRead(caps.SlotFile, newKey(), m.ID())}
		if err := e.Put(t.Context(), &lie); err != nil {
			t.Fatal(err)
		}
	})
	fs := s.open()
	w := mount(t, fs, caps.OfSlotWrite(m)).open("", forWriting)
	write(t, w, random(2000, 2), 0)
	for i, err := range mount(t, fs, caps.OfSlotWrite(eves)).List(t.Context(), nil) {
		if err != nil || i.Size != 0 {
			t.Errorf("the list shows %d bytes of what is being written, %v", i.Size, err)
		}
	}
	closeFile(t, w)
}

// slotAt is the slot of the directory or mutable file at p.
func slotAt(t *testing.T, tr tree, p string) caps.SlotWrite {
	t.Helper()
	w, ok := tr.capOf(p, caps.AuthorityWrite).(caps.Write)
	if !ok {
		t.Fatal("no write capability")
	}
	slot, _ := w.SlotWrite()
	return slot
}
