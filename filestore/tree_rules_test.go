package filestore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestSymbolicLinksStayInside(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	tr.mkdir("d")
	tr.mkdir("d/e")
	tr.put("d/f", []byte("contents"))
	for name, target := range map[string]string{
		"abs": "/d/f", "up": "../../../../d/f", "dir": "d", "dots": "./d/./e/../f", "chain": "abs",
		"loop": "loop", "dangling": "d/none", "through": "d/f/x", "d/rel": "f", "d/root": "..", "slash": "d/",
	} {
		if err := tr.Symlink(ctx, path(name), target, filestore.Attr{}); err != nil {
			t.Fatal(err)
		}
		if got, err := tr.Readlink(ctx, path(name)); got != target || err != nil {
			t.Errorf("readlink %s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"abs", "up", "dots", "chain", "dir/f", "dir/rel", "d/root/d/f", "dir/root/dir/f", "slash/f"} {
		tr.expect(name, []byte("contents"))
	}
	if i, err := tr.Lstat(ctx, path("dir")); err != nil || i.Kind != filestore.KindSymlink || i.Target != "d" || i.Size != 1 {
		t.Errorf("lstat: %+v, %v", i, err)
	}
	if i := tr.stat("dir"); i.Kind != filestore.KindDir {
		t.Errorf("stat: %+v", i)
	}
	for name, want := range map[string]kind.Kind{"loop": kind.Loop, "dangling": kind.NotExist, "through": kind.NotDir, "abs/x": kind.NotDir} {
		_, err := tr.Stat(ctx, path(name))
		expectKind(t, "stat "+name, err, want)
	}
	_, err := tr.Readlink(ctx, path("d/f"))
	expectKind(t, "readlink of a file", err, kind.Invalid)
	f := tr.open("dangling", toCreate)
	closeFile(t, f)
	tr.expect("d/none", nil)
	_, err = tr.Open(ctx, path("abs"), filestore.OpenOptions{Read: true, NoFollow: true})
	expectKind(t, "open without following", err, kind.Invalid)
	_, err = tr.Open(ctx, path("loop"), filestore.OpenOptions{Write: true, Create: true, Exclusive: true})
	expectKind(t, "exclusive create over a link", err, kind.Exist)
	tr.remove("abs")
	tr.expect("d/f", []byte("contents"))
}

func TestNamesOfAnyBytes(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	long := strings.Repeat("n", filestore.MaxName)
	for _, name := range []string{"", ".", "..", "\xff\xfe", " ", long} {
		p := filestore.Path{"d" + name}
		if len(name) == filestore.MaxName {
			p = filestore.Path{name}
		}
		if err := tr.Mkdir(t.Context(), p, filestore.Attr{}); err != nil {
			t.Fatalf("mkdir %q: %v", p, err)
		}
		p = append(p, name)
		if err := put(t.Context(), tr.Tree, p, []byte(name)); err != nil {
			t.Fatalf("put %q: %v", p, err)
		}
		if i, err := tr.Stat(t.Context(), p); err != nil || i.Name != name || i.Size != int64(len(name)) {
			t.Errorf("stat %q: %+v, %v", p, i, err)
		}
	}
	for _, name := range []string{long + "n", "a/b", "a\x00b"} {
		expectKind(t, "mkdir of a bad name", tr.Mkdir(t.Context(), filestore.Path{name}, filestore.Attr{}), kind.NameInvalid)
	}
}

func TestReadCapabilityIsReadOnlyAllTheWayDown(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	full, root := newTree(t, fs)
	full.mkdir("d")
	full.put("d/f", []byte("contents"))
	tr := mount(t, fs, root.Read())
	ctx := t.Context()
	if !tr.ReadOnly() || full.ReadOnly() {
		t.Error("ReadOnly is wrong")
	}
	tr.expect("d/f", []byte("contents"))
	if !tr.stat("d/f").ReadOnly || !tr.stat("d").ReadOnly || !tr.stat("").ReadOnly || full.stat("d").ReadOnly {
		t.Error("Info.ReadOnly is wrong")
	}
	mode := filestore.Attr{Set: filestore.AttrMode, Mode: 0o700}
	_, create := tr.Open(ctx, path("d/new"), toCreate)
	_, write := tr.Open(ctx, path("d/f"), forWriting)
	f := tr.open("d/f", forReading)
	for what, err := range map[string]error{
		"create": create, "open for writing": write,
		"mkdir": tr.Mkdir(ctx, path("x"), filestore.Attr{}), "rmdir": tr.Rmdir(ctx, path("d")),
		"remove": tr.Remove(ctx, path("d/f")), "rename": tr.Rename(ctx, path("d/f"), path("d/g"), filestore.Replace),
		"symlink": tr.Symlink(ctx, path("l"), "x", filestore.Attr{}), "link": tr.Link(ctx, path("d/f"), path("d/g")),
		"setattr": tr.SetAttr(ctx, path("d/f"), mode, true), "setattr of a directory": tr.SetAttr(ctx, path("d"), mode, true),
		"setattr of the root": tr.SetAttr(ctx, nil, mode, true), "setattr of a handle": f.SetAttr(ctx, mode),
	} {
		expectKind(t, what, err, kind.ReadOnly)
	}
	closeFile(t, f)
	for _, p := range []string{"", "d"} {
		c, err := tr.CapOf(ctx, path(p), caps.AuthorityRead)
		if err != nil || c.Authority() != caps.AuthorityRead {
			t.Errorf("read cap of %q: %v, %v", p, c, err)
		}
		if c, err := tr.CapOf(ctx, path(p), caps.AuthorityWrite); err == nil {
			t.Errorf("a read-only tree gives %v", c)
		}
	}
	// A handle that writes through the full tree shares its draft with readers here.
	w := full.open("d/f", forWriting)
	write0(t, w, "CONTENTS")
	tr.expect("d/f", []byte("CONTENTS"))
	closeFile(t, w)
}

func write0(t *testing.T, f *filestore.File, s string) {
	t.Helper()
	write(t, f, []byte(s), 0)
}

func TestCapOfMountsAgain(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.gateway()
	tr, _ := newTree(t, fs)
	tr.mkdir("d")
	tr.put("d/f", random(100_000, 1))
	ctx := t.Context()
	c, err := tr.CapOf(ctx, path("d"), caps.AuthorityWrite)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := caps.Parse(c.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	sub := mount(t, s.gateway(), parsed)
	sub.put("g", []byte("from below"))
	file, err := tr.CapOf(ctx, path("d/f"), caps.AuthorityWrite)
	if err != nil || file.Authority() != caps.AuthorityRead || file.IsDir() {
		t.Errorf("cap of a file: %v, %v", file, err)
	}
	mount(t, fs, file).expect("", random(100_000, 1))
	if v, err := tr.CapOf(ctx, path("d"), caps.AuthorityVerify); err != nil || v.Authority() != caps.AuthorityVerify {
		t.Errorf("verify cap: %v, %v", v, err)
	}
	_, err = tr.CapOf(ctx, path("none"), caps.AuthorityRead)
	expectKind(t, "cap of nothing", err, kind.NotExist)
	// A directory that is a root is only unlinked by rmdir.
	sub.remove("f")
	sub.remove("g")
	if err := tr.Rmdir(ctx, path("d")); err != nil {
		t.Fatal(err)
	}
	sub.put("still", []byte("there"))
}

func TestMountRefusesWhatItCannotOpen(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	for text, want := range map[string]kind.Kind{
		"URI:DIR2:" + strings.Repeat("a", 26) + ":" + strings.Repeat("a", 52): kind.Unsupported,
		"URI:DIR2-LIT:":       kind.Unsupported,
		"URI:FUTURE:whatever": kind.Invalid,
		"URI:FILE3-Verifier:" + strings.Repeat("a", 52) + ":" + strings.Repeat("a", 52) + ":255:1": kind.Invalid,
	} {
		c, err := caps.Parse(text)
		if err != nil {
			t.Fatal(text, err)
		}
		_, err = fs.Mount(t.Context(), c, filestore.MountOptions{})
		expectKind(t, "mount "+text, err, want)
	}
	stranger := caps.OfSlotWrite(caps.NewSlotWrite(caps.SlotDirectory, newKey()))
	_, err := fs.Mount(t.Context(), stranger, filestore.MountOptions{})
	expectKind(t, "mount of a slot that isn't there", err, kind.Corrupt)
}

func TestAttributesAreKept(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, root := newTree(t, s.open())
	ctx := t.Context()
	old := time.Unix(1_000_000_000, 123_456_789)
	all := filestore.Attr{
		Set:  filestore.AttrMode | filestore.AttrUID | filestore.AttrGID | filestore.AttrAtime | filestore.AttrMtime,
		Mode: 0o2751, UID: 1001, GID: 1002, Atime: old.Add(time.Hour), Mtime: old,
	}
	tr.mkdir("d")
	if err := tr.Symlink(ctx, path("l"), "f", filestore.Attr{}); err != nil {
		t.Fatal(err)
	}
	f := tr.open("f", toCreate)
	if err := f.SetAttr(ctx, all); err != nil { // before the first write
		t.Fatal(err)
	}
	write0(t, f, "contents")
	if err := f.SetAttr(ctx, all); err != nil { // and after it
		t.Fatal(err)
	}
	closeFile(t, f)
	for _, p := range []string{"d", "l"} {
		if err := tr.SetAttr(ctx, path(p), all, false); err != nil {
			t.Fatal(p, err)
		}
	}
	again := mount(t, s.open(), root)
	for _, p := range []string{"f", "d", "l"} {
		i, err := again.Lstat(ctx, path(p))
		if err != nil {
			t.Fatal(err)
		}
		if i.Mode != all.Mode || i.UID != all.UID || i.GID != all.GID || !i.Mtime.Equal(all.Mtime) || !i.Atime.Equal(all.Atime) {
			t.Errorf("%s: %+v", p, i)
		}
	}
	for i, err := range again.List(ctx, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if i.Mode != all.Mode || !i.Mtime.Equal(all.Mtime) || !i.Atime.Equal(all.Atime) {
			t.Errorf("the listing shows %+v", i)
		}
	}
	// A later write gives a new mtime, a new name in a directory gives it one.
	tr = mount(t, s.open(), root)
	f = tr.open("f", forWriting)
	write0(t, f, "CONTENTS")
	closeFile(t, f)
	tr.put("d/new", nil)
	if i := tr.stat("f"); !i.Mtime.After(old) || i.Mode != all.Mode {
		t.Errorf("f after a write: %+v", i)
	}
	if i := tr.stat("d"); !i.Mtime.After(old) || i.Mode != all.Mode || i.Entries != 1 {
		t.Errorf("d after a create: %+v", i)
	}
	before := tr.stat("d").Mtime
	f = tr.open("d/new", forWriting)
	write0(t, f, "x")
	closeFile(t, f)
	if !tr.stat("d").Mtime.Equal(before) {
		t.Error("a write to a file has changed its directory's mtime")
	}
}

func TestAttributesOfTheRoot(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	at := time.Unix(1_000_000_000, 0)
	both := filestore.Attr{Set: filestore.AttrMtime | filestore.AttrAtime, Mtime: at, Atime: at}
	if err := tr.SetAttr(ctx, nil, both, true); err != nil {
		t.Fatal(err)
	}
	shown := tr.stat("")
	if !shown.Mtime.Equal(at) || shown.Kind != filestore.KindDir {
		t.Errorf("%+v", shown)
	}
	same := filestore.Attr{Set: filestore.AttrMode, Mode: shown.Mode}
	if err := tr.SetAttr(ctx, nil, same, true); err != nil {
		t.Error(err)
	}
	same.Mode ^= 0o022
	expectKind(t, "chmod of the root", tr.SetAttr(ctx, nil, same, true), kind.Denied)
	expectKind(t, "truncate of the root", tr.SetAttr(ctx, nil, filestore.Attr{Set: filestore.AttrSize}, true), kind.IsDir)
}

func TestMtimeSetByPathOutlivesAnOpenDraft(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	at := filestore.Attr{Set: filestore.AttrMtime, Mtime: time.Unix(1_000_000_000, 0)}
	tr.put("old", []byte("x"))
	for _, p := range []string{"old", "new"} {
		f := tr.open(p, toCreate)
		write0(t, f, "contents")
		if err := tr.SetAttr(t.Context(), path(p), at, true); err != nil {
			t.Fatal(err)
		}
		closeFile(t, f)
		if i := tr.stat(p); !i.Mtime.Equal(at.Mtime) {
			t.Errorf("%s: mtime %v", p, i.Mtime)
		}
		tr.expect(p, []byte("contents"))
	}
}

func TestLinkIsACopy(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	data := random(2<<20, 1)
	tr.put("a", data)
	tr.mkdir("d")
	for _, to := range []string{"b", "d/c"} {
		if err := tr.Link(ctx, path("a"), path(to)); err != nil {
			t.Fatal(err)
		}
		tr.expect(to, data)
		expectKind(t, "link to a name that is there", tr.Link(ctx, path("a"), path(to)), kind.Exist)
	}
	f := tr.open("b", forWriting)
	write0(t, f, "changed")
	closeFile(t, f)
	tr.expect("a", data)
	tr.remove("a")
	tr.expect("d/c", data)
	expectKind(t, "link of a directory", tr.Link(ctx, path("d"), path("e")), kind.Denied)
}

func TestUsageGrows(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tr, _ := newTree(t, newStorage(t).open(func(o *filestore.Options) { o.Now = func() time.Time { return now } }))
	before, err := tr.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr.put("f", random(3<<20, 1))
	if cached, _ := tr.Usage(t.Context()); cached != before {
		t.Error("the answer isn't kept for a while")
	}
	now = now.Add(time.Minute)
	after, err := tr.Usage(t.Context())
	if err != nil || after.UsedBytes < before.UsedBytes+3<<20 || after.FreeBytes <= 0 || after.TotalBytes < after.FreeBytes {
		t.Errorf("%+v after %+v, %v", after, before, err)
	}
}

func TestClosedFilestoreRefuses(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	tr, _ := newTree(t, fs)
	tr.put("f", random(100_000, 1))
	f := tr.open("f", forWriting)
	write0(t, f, "not committed")
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.Close(); err != nil {
		t.Error("closed twice:", err)
	}
	expectKind(t, "mkdir", tr.Mkdir(t.Context(), path("d"), filestore.Attr{}), kind.Closed)
	_, err := f.WriteAt(t.Context(), []byte("x"), 0)
	expectKind(t, "write", err, kind.Closed)
	expectKind(t, "close", f.Close(t.Context()), kind.Closed)
}
