package filestore_test

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestCreatedFileIsVisibleHereAndNotElsewhere(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, root := newTree(t, s.gateway())
	there := mount(t, s.gateway(), root)
	f := here.open("f", toCreate)
	write(t, f, []byte("so far"), 0)
	if i := here.stat("f"); i.Size != 6 || !i.Pending {
		t.Errorf("stat shows %d bytes, pending %v", i.Size, i.Pending)
	}
	here.expectNames("", "f")
	here.expect("f", []byte("so far"))
	there.absent("f")
	there.expectNames("")
	sync(t, f)
	there.expect("f", []byte("so far"))
	write(t, f, []byte(" good"), 6)
	there.expect("f", []byte("so far"))
	here.expect("f", []byte("so far good"))
	if i := here.stat("f"); i.Size != 11 || i.Pending {
		t.Errorf("stat shows %d bytes, pending %v", i.Size, i.Pending)
	}
	closeFile(t, f)
	there.expect("f", []byte("so far good"))
}

func TestDiscardLeavesNoTrace(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	f := tr.open("new", toCreate)
	write(t, f, random(3<<20, 1), 0)
	f.Discard()
	tr.absent("new")
	tr.expectNames("")
	tr.put("old", []byte("old"))
	f = tr.open("old", toReplace)
	write(t, f, []byte("newer"), 0)
	tr.expect("old", []byte("newer"))
	f.Discard()
	tr.expect("old", []byte("old"))
	if _, err := f.WriteAt(t.Context(), []byte("x"), 0); kind.Of(err) != kind.Closed {
		t.Errorf("write after discard: %v", err)
	}
}

func TestDiscardOfOneHandleKeepsTheOthersDraft(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	a, b := tr.open("f", toCreate), tr.open("f", forWriting)
	write(t, a, []byte("from a "), 0)
	write(t, b, []byte("from b"), 7)
	a.Discard()
	closeFile(t, b)
	tr.expect("f", []byte("from a from b"))
}

func TestExclusiveCreate(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, root := newTree(t, s.gateway())
	there := mount(t, s.gateway(), root)
	excl := filestore.OpenOptions{Write: true, Create: true, Exclusive: true}
	a, b := here.open("f", excl), there.open("f", excl)
	if _, err := here.Open(t.Context(), path("f"), excl); kind.Of(err) != kind.Exist {
		t.Errorf("a second exclusive create: %v", err)
	}
	write(t, a, []byte("a"), 0)
	write(t, b, []byte("b"), 0)
	closeFile(t, a)
	expectKind(t, "the close that came second", b.Close(t.Context()), kind.Exist)
	there.expect("f", []byte("a"))
	there.expectNames("", "f")
}

func TestCreateTakesOverANameThatAppeared(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, root := newTree(t, s.gateway())
	there := mount(t, s.gateway(), root)
	a, b := here.open("f", toCreate), there.open("f", toCreate)
	write(t, a, []byte("first"), 0)
	write(t, b, []byte("second"), 0)
	closeFile(t, a)
	id := there.stat("f").FileID
	closeFile(t, b)
	here.expect("f", []byte("second"))
	if here.stat("f").FileID != id {
		t.Error("the file has another id")
	}
}

func TestRemovedFileGoesOnUnderItsHandle(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	tr.put("old", []byte("old"))
	f, g := tr.open("old", forWriting), tr.open("new", toCreate)
	tr.remove("old")
	tr.remove("new")
	tr.expectNames("")
	for _, f := range []*filestore.File{f, g} {
		write(t, f, []byte("written later"), 0)
		if got := readAll(t, f); string(got) != "written later" {
			t.Errorf("the handle reads %q", got)
		}
		sync(t, f)
		if got := readAll(t, f); string(got) != "written later" {
			t.Errorf("after a sync the handle reads %q", got)
		}
		closeFile(t, f)
	}
	tr.expectNames("")
}

func TestCreateInARemovedDirectoryFailsItsClose(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, root := newTree(t, s.gateway())
	there := mount(t, s.gateway(), root)
	here.mkdir("d")
	f := here.open("d/f", toCreate)
	write(t, f, []byte("x"), 0)
	expectKind(t, "rmdir with a file being created", here.Rmdir(t.Context(), path("d")), kind.NotEmpty)
	if err := there.Rmdir(t.Context(), path("d")); err != nil {
		t.Fatal(err)
	}
	expectKind(t, "close", f.Close(t.Context()), kind.NotExist)
}

func TestDraftFollowsItsFile(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		s := newStorage(t)
		here, root := newTree(t, s.gateway())
		mover := here
		if elsewhere {
			mover = mount(t, s.gateway(), root)
		}
		here.put("a", []byte("old"))
		here.mkdir("d")
		f := here.open("a", forWriting)
		write(t, f, []byte("new contents"), 0)
		mover.rename("a", "b")
		sync(t, f)
		here.expect("b", []byte("new contents"))
		here.absent("a")
		if elsewhere {
			closeFile(t, f)
			continue // another directory of another gateway's choosing is not found
		}
		mover.rename("b", "d/c")
		write(t, f, []byte("NEW"), 0)
		closeFile(t, f)
		here.expect("d/c", []byte("NEW contents"))
		here.expectNames("", "d")
	}
}

func TestRenameOfAFileBeingCreatedCommitsIt(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, root := newTree(t, s.gateway())
	there := mount(t, s.gateway(), root)
	f := here.open("tmp", toCreate)
	write(t, f, []byte("part"), 0)
	here.rename("tmp", "final")
	there.expect("final", []byte("part"))
	write(t, f, []byte(" two"), 4)
	closeFile(t, f)
	there.expect("final", []byte("part two"))
	there.expectNames("", "final")
}

func TestRenameOverAnOpenFile(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	tr.put("a", []byte("a"))
	tr.put("b", []byte("b"))
	f := tr.open("b", forWriting)
	write(t, f, []byte("B"), 0)
	pending := tr.open("c", toCreate)
	tr.rename("a", "b")
	if got := readAll(t, f); string(got) != "B" {
		t.Errorf("the replaced file's handle reads %q", got)
	}
	closeFile(t, f)
	tr.expect("b", []byte("a"))
	expectKind(t, "rename to a file being created", tr.Rename(t.Context(), path("b"), path("c"), filestore.NoReplace), kind.Exist)
	tr.rename("b", "c")
	closeFile(t, pending)
	tr.expect("c", []byte("a"))
	tr.expectNames("", "c")
}

func TestHandlesOnOneNodeShareTheDraft(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	want := random(2<<20, 3)
	tr.put("f", want)
	r, a, b := tr.open("f", forReading), tr.open("f", forWriting), tr.open("f", forWriting)
	write(t, a, []byte("from a"), 100)
	write(t, b, []byte("from b"), 1<<20+100)
	copy(want[100:], "from a")
	copy(want[1<<20+100:], "from b")
	for _, f := range []*filestore.File{r, a, b} {
		if got := readAll(t, f); !bytes.Equal(got, want) {
			t.Fatal("a handle doesn't see what the others wrote")
		}
	}
	closeFile(t, a)
	closeFile(t, b)
	if got := readAll(t, r); !bytes.Equal(got, want) {
		t.Fatal("the reader doesn't follow the commit on its own node")
	}
	closeFile(t, r)
}

func TestReaderKeepsItsVersionWhenAnotherGatewayCommits(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	here, root := newTree(t, s.gateway())
	there := mount(t, s.gateway(), root)
	old, now := random(300_000, 1), random(200_000, 2)
	here.put("f", old)
	r := here.open("f", forReading)
	there.put("f", now)
	if got := readAll(t, r); !bytes.Equal(got, old) {
		t.Error("the reader doesn't keep its version")
	}
	here.expect("f", now)
	if got := readAll(t, r); !bytes.Equal(got, old) {
		t.Error("the reader doesn't keep its version after another one opened the file")
	}
	closeFile(t, r)
}

func TestNoWrite(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	readOnly := filestore.Attr{Set: filestore.AttrMode, Mode: 0o444}
	f := tr.open("f", filestore.OpenOptions{Write: true, Create: true, Attr: readOnly})
	write(t, f, []byte("by its creator"), 0)
	_, err := tr.Open(ctx, path("f"), forWriting)
	expectKind(t, "open of another's no-write file", err, kind.ReadOnly)
	closeFile(t, f)
	_, err = tr.Open(ctx, path("f"), forWriting)
	expectKind(t, "open for writing", err, kind.ReadOnly)
	expectKind(t, "truncate", tr.SetAttr(ctx, path("f"), filestore.Attr{Set: filestore.AttrSize}, true), kind.ReadOnly)
	tr.put("g", []byte("g"))
	tr.rename("g", "f")
	tr.expect("f", []byte("g"))

	tr.mkdir("d")
	tr.put("d/x", []byte("x"))
	dir := filestore.Attr{Set: filestore.AttrMode, Mode: 0o555}
	if err := tr.SetAttr(ctx, path("d"), dir, true); err != nil {
		t.Fatal(err)
	}
	_, err = tr.Open(ctx, path("d/new"), toCreate)
	expectKind(t, "create in a no-write directory", err, kind.ReadOnly)
	expectKind(t, "remove in it", tr.Remove(ctx, path("d/x")), kind.ReadOnly)
	expectKind(t, "mkdir in it", tr.Mkdir(ctx, path("d/y"), filestore.Attr{}), kind.ReadOnly)
	expectKind(t, "rename out of it", tr.Rename(ctx, path("d/x"), path("x"), filestore.Replace), kind.ReadOnly)
	dir.Mode = 0o755
	if err := tr.SetAttr(ctx, path("d"), dir, true); err != nil {
		t.Fatal(err)
	}
	tr.remove("d/x")
}
