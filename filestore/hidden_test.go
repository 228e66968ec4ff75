package filestore_test

import (
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A file that a directory of the same name hides is found, changed, renamed and
// removed by its Hidden component.
func TestHiddenFiles(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	hidden := func() filestore.Path { return filestore.Path{filestore.Hidden("a")} }
	tr.mkdir("a")
	tr.put("a/in", []byte("inside"))
	tr.put("x", []byte("contents"))
	if err := tr.PutBeside(ctx, path("x"), path("a")); err != nil {
		t.Fatal(err)
	}
	tr.put("a.txt", nil) // sorts between the two
	var got []string
	for i, err := range tr.List(ctx, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Hidden {
			i.Name += "(hidden)"
		}
		got = append(got, i.Name)
	}
	if want := []string{"a(hidden)", "a.txt", "a"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if i := tr.stat("a"); i.Kind != filestore.KindDir {
		t.Errorf("the name means %+v", i)
	}
	if i, err := tr.Stat(ctx, hidden()); err != nil || i.Kind != filestore.KindFile || i.Name != "a" || i.Size != 8 {
		t.Errorf("stat %+v, %v", i, err)
	}
	f, err := tr.Open(ctx, hidden(), forWriting)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, []byte("C"), 0)
	closeFile(t, f)
	if err := tr.SetAttr(ctx, hidden(), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}, true); err != nil {
		t.Fatal(err)
	}
	if i, err := tr.Stat(ctx, hidden()); err != nil || i.Mode != 0o600 {
		t.Errorf("stat %+v, %v", i, err)
	}
	tr.put("y", []byte("new"))
	if err := tr.Rename(ctx, path("y"), hidden(), filestore.NoReplace); kind.Of(err) != kind.Exist {
		t.Errorf("rename over it: %v", err)
	}
	if err := tr.Rename(ctx, path("y"), hidden(), filestore.Replace); err != nil {
		t.Fatal(err)
	}
	if err := tr.Rename(ctx, hidden(), path("seen"), filestore.NoReplace); err != nil {
		t.Fatal(err)
	}
	tr.expect("seen", []byte("new"))
	tr.expect("a/in", []byte("inside"))
	for what, err := range map[string]error{
		"remove":    tr.Remove(ctx, hidden()),
		"rename":    tr.Rename(ctx, hidden(), path("z"), filestore.Replace),
		"rename to": tr.Rename(ctx, path("seen"), hidden(), filestore.Replace),
		"mkdir":     tr.Mkdir(ctx, hidden(), filestore.Attr{}),
		"create":    func() error { _, err := tr.Open(ctx, hidden(), toCreate); return err }(),
	} {
		if kind.Of(err) != kind.NotExist {
			t.Errorf("%s of what isn't there: %v", what, err)
		}
	}
	if err := tr.PutBeside(ctx, path("seen"), path("a")); err != nil {
		t.Fatal(err)
	}
	if err := tr.Remove(ctx, hidden()); err != nil {
		t.Error(err)
	}
	tr.expectNames("", "a.txt", "a")
}

func TestStraightPaths(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	tr.mkdir("d")
	tr.put("d/f", nil)
	for name, target := range map[string]string{"dir": "d", "d/file": "f", "none": "nothing"} {
		if err := tr.Symlink(t.Context(), path(name), target, filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
	}
	for p, want := range map[string]bool{
		"": true, "d": true, "d/f": true, "d/new": true, "dir": false, "dir/f": false, "dir/new": false, "d/file": false, "none": false,
	} {
		if got, err := tr.Straight(t.Context(), path(p)); got != want || err != nil {
			t.Errorf("%q: %t, %v", p, got, err)
		}
	}
	_, err := tr.Straight(t.Context(), path("no/such"))
	expectKind(t, "a path through nothing", err, kind.NotExist)
}

func TestDiminish(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	tr, root := newTree(t, fs)
	ctx := t.Context()
	tr.mkdir("d")
	tr.mkdir("d/e")
	tr.put("d/f", []byte("contents"))
	tr.put("plain", nil)
	if err := tr.Symlink(ctx, path("link"), "d", filestore.Attr{}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Diminish(ctx, path("link")); err != nil {
		t.Fatal(err)
	}
	if i := tr.stat("d"); !i.ReadOnly {
		t.Errorf("%+v", i)
	}
	tr.expect("d/f", []byte("contents"))
	expectKind(t, "mkdir in it", tr.Mkdir(ctx, path("d/new"), filestore.Attr{}), kind.ReadOnly)
	expectKind(t, "mkdir below it", tr.Mkdir(ctx, path("d/e/new"), filestore.Attr{}), kind.ReadOnly)
	if err := tr.Diminish(ctx, path("d")); err != nil {
		t.Errorf("again: %v", err)
	}
	expectKind(t, "of a file", tr.Diminish(ctx, path("plain")), kind.Invalid)
	expectKind(t, "of the root", tr.Diminish(ctx, nil), kind.Denied)
	expectKind(t, "of nothing", tr.Diminish(ctx, path("no")), kind.NotExist)
	expectKind(t, "below it", tr.Diminish(ctx, path("d/e")), kind.ReadOnly)
	expectKind(t, "by a read capability", mount(t, fs, root.Read()).Diminish(ctx, path("d")), kind.ReadOnly)
	tr.rename("d", "moved")
	tr.expect("moved/f", []byte("contents"))
}

// What a dropped handle alone wrote goes with it, though others have the file open.
func TestDiscardDropsWhatOneHandleWrote(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	tr.put("f", []byte("committed"))
	dropped, other := tr.open("f", forWriting), tr.open("f", forWriting)
	write(t, dropped, []byte("GARBAGE and more"), 0)
	if err := dropped.SetAttr(ctx, filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, other); string(got) != "GARBAGE and more" {
		t.Errorf("the other handle reads %q", got)
	}
	dropped.Discard()
	if got := readAll(t, other); string(got) != "committed" {
		t.Errorf("afterwards it reads %q", got)
	}
	if i := tr.stat("f"); i.Size != 9 || i.Mode != 0o644 {
		t.Errorf("stat %+v", i)
	}
	write(t, other, []byte("C"), 0)
	closeFile(t, other)
	tr.expect("f", []byte("Committed"))

	// What both wrote stays together: their ranges may overlap.
	dropped, other = tr.open("f", forWriting), tr.open("f", forWriting)
	write(t, dropped, []byte("XY"), 0)
	write(t, other, []byte("Z"), 1)
	dropped.Discard()
	closeFile(t, other)
	tr.expect("f", []byte("XZmmitted"))

	// A commit by one makes it everybody's.
	dropped, other = tr.open("f", forWriting), tr.open("f", forWriting)
	write(t, dropped, []byte("ab"), 0)
	sync(t, other)
	dropped.Discard()
	closeFile(t, other)
	tr.expect("f", []byte("abmmitted"))

	// Of a file that is being created the name stays as long as somebody could commit it.
	dropped, other = tr.open("new", toCreate), tr.open("new", forWriting)
	write(t, dropped, []byte("half"), 0)
	dropped.Discard()
	if i := tr.stat("new"); i.Size != 0 {
		t.Errorf("stat %+v", i)
	}
	closeFile(t, other)
	tr.expect("new", nil)
}
