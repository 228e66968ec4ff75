package filestore_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func (t tree) freeze(from, to string) caps.Read {
	t.t.Helper()
	c, err := t.Freeze(t.t.Context(), path(from), t.Tree, path(to))
	if err != nil {
		t.t.Fatalf("freeze %s: %v", from, err)
	}
	return c
}

// below is the part of a dumped tree that is below p.
func (m treeModel) below(p string) treeModel {
	out := treeModel{}
	for q, c := range m {
		if rest, ok := strings.CutPrefix(q, p+"/"); ok {
			out[rest] = c
		}
	}
	return out
}

// dump reads a tree as if nothing in it were frozen or mutable.
func (t tree) dump() treeModel {
	t.t.Helper()
	m, err := dump(t.t.Context(), t.Tree)
	if err != nil {
		t.t.Fatal(err)
	}
	for p, c := range m {
		if mark, contents := data(c); c == "*" {
			m[p] = "/"
		} else if mark[0] == '~' {
			m[p] = "=" + contents
		}
	}
	return m
}

// grow makes a tree of all kinds of entries below p.
func (t tree) grow(p string) {
	t.t.Helper()
	ctx := t.t.Context()
	for _, d := range []string{"", "/d", "/d/e", "/empty", "/many"} {
		t.mkdir(p + d)
	}
	t.put(p+"/d/large", random(3_000_000, 1))
	t.put(p+"/d/e/chunk", random(300_000, 2))
	t.put(p+"/inline", []byte("inline"))
	t.put(p+"/nothing", nil)
	t.putMutable(p+"/mutable", random(900_000, 3))
	t.putMutable(p+"/d/mutable-empty", nil)
	for i := range 600 {
		t.put(fmt.Sprintf("%s/many/%03d", p, i), []byte{byte(i)})
	}
	if err := t.Symlink(ctx, path(p+"/d/link"), "../inline", filestore.Attr{}); err != nil {
		t.t.Fatal(err)
	}
	lit := linkTo(t.t, "URI:LIT:"+caps32(strings.Repeat("long", 50)), "")
	if err := t.LinkCap(ctx, path(p+"/literal"), lit); err != nil {
		t.t.Fatal(err)
	}
}

func TestFrozenCopyStaysAsItWas(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.gateway()
	tr, root := newTree(t, fs)
	tr.grow("a")
	want := tr.dump().below("a")
	c := tr.freeze("a", "frozen")
	if got := tr.dump().below("frozen"); !maps.Equal(got, want) {
		t.Fatal("the copy isn't what was copied")
	}
	if got := tr.capOf("frozen", caps.AuthorityRead); !caps.Equal(got, c) || c.Form() != caps.FormFrozen {
		t.Errorf("the capability is %v, the entry has %v", c, got)
	}
	// A copy of a copy is the same.
	if again := tr.freeze("frozen", "again"); !caps.Equal(again, c) {
		t.Error("a frozen directory was copied")
	}
	if err := tr.Unlink(t.Context(), path("again")); err != nil {
		t.Fatal(err)
	}
	sub := tr.capOf("frozen/d", caps.AuthorityRead)
	tr.put("a/inline", []byte("changed"))
	tr.put("a/mutable", random(5000, 4))
	tr.remove("a/d/large")
	tr.rename("a/d/e", "a/e")
	for _, p := range []string{"a/e/chunk", "a/d/link", "a/d/mutable-empty"} {
		tr.remove(p)
	}
	collectAll(t, fs)
	other := mount(t, s.gateway(), root)
	if got := other.dump().below("frozen"); !maps.Equal(got, want) {
		t.Error("the copy changed with what was copied")
	}
	for _, mounted := range []tree{mount(t, fs, c), mount(t, s.gateway(), c)} {
		if got := mounted.dump(); !maps.Equal(got, want) || !mounted.ReadOnly() || !mounted.IsDir() {
			t.Error("mounted by its own capability, the copy is another")
		}
	}
	if got := mount(t, fs, sub).dump(); !maps.Equal(got, want.below("d")) {
		t.Error("a directory in the copy is another by its own capability")
	}
	// It moves as one thing.
	tr.mkdir("to")
	tr.rename("frozen", "to/moved")
	if got := other.dump().below("to/moved"); !maps.Equal(got, want) {
		t.Error("the copy changed by being moved")
	}
	checkWhole(t, fs)
}

// What a copy shares with what was copied is its own to keep, also if the
// collector has condemned it before; and nothing but a link keeps it.
func TestACopyIsKeptByItsLink(t *testing.T) {
	t.Parallel()
	s, g := newStorage(t), metastore.GatewayID{1}
	var want treeModel
	fs, root := s.abandoned(g, func(from tree) {
		from.mkdir("d")
		from.put("d/f", random(300_000, 1))
		from.put("d/g", random(3_000_000, 2))
		from.putMutable("d/m", random(300_000, 3))
		from.put("gone", random(300_000, 4))
		from.freeze("d", "d/inner")
		want = from.dump().below("d")
	})
	from := mount(t, fs, root.Read())
	to, _ := newTree(t, fs)
	c, err := from.Freeze(t.Context(), path("d"), to.Tree, path("frozen"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.condemnedBlocks()) == 0 {
		t.Fatal("the copy has absolved what isn't in it")
	}
	s.sweepLate(g)
	if got := to.dump().below("frozen"); !maps.Equal(got, want) {
		t.Error("the copy isn't what was copied")
	}
	fs.Close()
	fs = s.open(func(o *filestore.Options) { o.Gateway = g })
	s.forget(root)
	collectAll(t, fs)
	if got := mount(t, fs, c).dump(); !maps.Equal(got, want) {
		t.Error("the copy isn't kept")
	}
	to = mount(t, fs, to.capOf("", caps.AuthorityWrite))
	if err := to.Unlink(t.Context(), path("frozen")); err != nil {
		t.Fatal(err)
	}
	collectAll(t, fs)
	fs.Close()
	_, err = s.open().Mount(t.Context(), c, filestore.MountOptions{})
	expectKind(t, "mount of a copy that nothing links any more", err, kind.Corrupt)
}

func TestNothingChangesInAFrozenDirectory(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	ctx := t.Context()
	tr.grow("a")
	c := tr.freeze("a", "frozen")
	tr.put("outside", []byte("x"))
	want := tr.dump()
	mode := filestore.Attr{Set: filestore.AttrMode, Mode: 0o777}
	size := filestore.Attr{Set: filestore.AttrSize, Size: 1}
	bare := mount(t, fs, c)
	for _, at := range []struct {
		tree
		p string
	}{{tr, "frozen/"}, {bare, ""}} {
		p := func(name string) filestore.Path { return path(at.p + name) }
		_, create := at.Open(ctx, p("new"), toCreate)
		_, write := at.Open(ctx, p("inline"), forWriting)
		_, mutable := at.Open(ctx, p("mutable"), toReplace)
		f := at.open(at.p+"inline", forReading)
		for what, err := range map[string]error{
			"create": create, "open for writing": write, "open what was mutable": mutable,
			"mkdir": at.Mkdir(ctx, p("x"), filestore.Attr{}), "rmdir": at.Rmdir(ctx, p("empty")),
			"remove": at.Remove(ctx, p("inline")), "unlink": at.Unlink(ctx, p("d")),
			"rename":             at.Rename(ctx, p("inline"), p("x"), filestore.Replace),
			"rename a directory": at.Rename(ctx, p("d"), p("x"), filestore.Replace),
			"symlink":            at.Symlink(ctx, p("l"), "x", filestore.Attr{}), "link": at.Link(ctx, p("inline"), p("x")),
			"link a capability": at.LinkCap(ctx, p("x"), linkTo(t, c.Reveal(), "")),
			"setattr":           at.SetAttr(ctx, p("inline"), mode, true), "setattr of a directory": at.SetAttr(ctx, p("d"), mode, true),
			"truncate": at.SetAttr(ctx, p("inline"), size, true), "setattr of a handle": f.SetAttr(ctx, mode),
			"diminish": at.Diminish(ctx, p("d")),
		} {
			expectKind(t, at.p+": "+what, err, kind.ReadOnly)
		}
		closeFile(t, f)
		if i := at.stat(at.p + "d"); !i.ReadOnly || !i.Frozen || i.Kind != filestore.KindDir {
			t.Errorf("stat of a directory: %+v", i)
		}
		if i := at.stat(at.p + "mutable"); !i.ReadOnly || i.Mutable || i.Size != 900_000 {
			t.Errorf("stat of what was a mutable file: %+v", i)
		}
		at.expect(at.p+"d/link", []byte("inline"))
		_, err := at.Stat(ctx, p("inline/x"))
		expectKind(t, "a path through a file", err, kind.NotDir)
		_, err = at.Stat(ctx, p("none"))
		expectKind(t, "what isn't there", err, kind.NotExist)
		_, err = at.CapOf(ctx, p("d"), caps.AuthorityVerify)
		if err != nil {
			t.Error(err)
		}
	}
	for what, err := range map[string]error{
		"rename out of it":         tr.Rename(ctx, path("frozen/inline"), path("x"), filestore.Replace),
		"rename into it":           tr.Rename(ctx, path("outside"), path("frozen/x"), filestore.Replace),
		"link out of it":           tr.Link(ctx, path("frozen/inline"), path("x")),
		"setattr":                  tr.SetAttr(ctx, path("frozen"), mode, true),
		"setattr of the root":      bare.SetAttr(ctx, nil, mode, true),
		"freeze into it":           errOf(tr.Freeze(ctx, path("a"), tr.Tree, path("frozen/x"))),
		"freeze into its own root": errOf(tr.Freeze(ctx, path("a"), bare.Tree, path("x"))),
	} {
		expectKind(t, what, err, kind.ReadOnly)
	}
	tr.mkdir("dir")
	expectKind(t, "rmdir", tr.Rmdir(ctx, path("frozen")), kind.NotEmpty)
	expectKind(t, "a directory over it", tr.Rename(ctx, path("dir"), path("frozen"), filestore.Replace), kind.NotEmpty)
	expectKind(t, "remove", tr.Remove(ctx, path("frozen")), kind.IsDir)
	_, err := tr.Open(ctx, path("frozen"), forReading)
	expectKind(t, "open", err, kind.IsDir)
	if err := tr.Rmdir(ctx, path("dir")); err != nil {
		t.Fatal(err)
	}
	if got := tr.dump(); !maps.Equal(got, want) {
		t.Error("something changed")
	}
	tr.freeze("a/empty", "nothing")
	if err := tr.Rmdir(ctx, path("nothing")); err != nil {
		t.Errorf("rmdir of an empty frozen directory: %v", err)
	}
}

func errOf(_ caps.Read, err error) error { return err }

func TestFreezeRefuses(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	ctx := t.Context()
	tr.mkdir("d")
	tr.put("f", []byte("x"))
	freeze := func(from, to string) error { return errOf(tr.Freeze(ctx, path(from), tr.Tree, path(to))) }
	expectKind(t, "a file", freeze("f", "x"), kind.NotDir)
	expectKind(t, "nothing", freeze("none", "x"), kind.NotExist)
	expectKind(t, "to a name that is taken", freeze("d", "f"), kind.Exist)
	reader := mount(t, fs, root.Read())
	expectKind(t, "into a read-only tree", errOf(tr.Freeze(ctx, path("d"), reader.Tree, path("x"))), kind.ReadOnly)
	// Who may only read may freeze, to where they may write.
	if _, err := reader.Freeze(ctx, path("d"), tr.Tree, path("by-reader")); err != nil {
		t.Error(err)
	}
	other, _ := newTree(t, newStorage(t).open())
	expectKind(t, "into another filestore", errOf(tr.Freeze(ctx, path("d"), other.Tree, path("x"))), kind.Invalid)
	deep := "deep"
	tr.mkdir(deep)
	for range filestore.MaxFreezeDepth - 1 {
		deep += "/d"
		tr.mkdir(deep)
	}
	tr.freeze("deep", "deep-enough")
	tr.mkdir(deep + "/d")
	expectKind(t, "too deep", freeze("deep", "x"), kind.TooLarge)
	tr.freeze("deep/d", "one-less")
	tr.absent("x")
}

// Two directories that link each other can be made by who has links to both.
func TestFreezeRefusesCycles(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.mkdir("a")
	tr.mkdir("b")
	tr.mustLink("a/to-b", tr.capOf("b", caps.AuthorityWrite))
	// Through another tree the way doesn't show that b is in a.
	tr.mkdir("twice")
	tr.mustLink("twice/one", tr.capOf("b", caps.AuthorityRead))
	tr.mustLink("twice/two", tr.capOf("b", caps.AuthorityWrite))
	tr.put("b/f", []byte("x"))
	tr.freeze("twice", "frozen")
	if a, b := tr.capOf("frozen/one", caps.AuthorityRead), tr.capOf("frozen/two", caps.AuthorityRead); !caps.Equal(a, b) {
		t.Error("a directory with two links was copied twice")
	}
	tr.rename("a", "b/a") // a home link into a home: allowed, though a links b
	_, err := tr.Freeze(t.Context(), path("b"), tr.Tree, path("x"))
	expectKind(t, "freeze of a cycle", err, kind.Invalid)
	collectAll(t, fs)
	checkWhole(t, fs)
	tr.expect("b/a/to-b/a/to-b/f", []byte("x"))
}

// A copy is of one moment, although others write while it is made.
func TestFreezeIsOfOneMoment(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	names := []string{"w", "w/a", "w/b", "w/c", "w/d"}
	for _, d := range names {
		tr.mkdir(d)
	}
	tr.putMutable("w/a/m", []byte{0})
	tr.putMutable("w/d/m", []byte{0})
	tr.put("w/a/token", []byte("x"))
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			// The token is in exactly one of the directories, whenever one looks.
			from, to := names[1+i%4]+"/token", names[1+(i+1)%4]+"/token"
			if err := tr.Rename(t.Context(), path(from), path(to), filestore.Replace); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 20 {
		copied := mount(t, fs, tr.freeze("w", fmt.Sprint("copy", i))).dump()
		if got := strings.Count(fmt.Sprint(copied), "token:"); got != 1 {
			t.Errorf("%d tokens in copy %d", got, i)
		}
	}
	close(stop)
	<-done
}

func TestAttributesOfAFrozenCopy(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open())
	ctx := t.Context()
	tr.mkdir("a")
	tr.mkdir("a/d")
	tr.put("a/d/f", []byte("x"))
	tr.putMutable("a/m", []byte("x"))
	old := time.Unix(1_000_000_000, 7)
	attr := filestore.Attr{
		Set:  filestore.AttrMode | filestore.AttrUID | filestore.AttrAtime | filestore.AttrMtime,
		Mode: 0o750, UID: 9, Atime: old.Add(time.Minute), Mtime: old,
	}
	for _, p := range []string{"a/d/f", "a/d", "a/m", "a"} {
		if err := tr.SetAttr(ctx, path(p), attr, true); err != nil {
			t.Fatal(err)
		}
	}
	tr.freeze("a", "frozen")
	for _, p := range []string{"d/f", "d", "m", ""} {
		was, is := tr.stat(strings.TrimSuffix("a/"+p, "/")), tr.stat(strings.TrimSuffix("frozen/"+p, "/"))
		if is.Mode != was.Mode || !is.Mtime.Equal(old) || p != "" && (is.UID != 9 || !is.Atime.Equal(was.Atime)) || is.Size != was.Size {
			t.Errorf("%q is %+v, was %+v", p, is, was)
		}
	}
}

// rolledBack is a metastore whose snapshots show one slot as it was before.
type rolledBack struct {
	metastore.Store
	old *metastore.Record
}

func (s rolledBack) Collector() metastore.Collector { return oldCollector{s.Store.Collector(), s.old} }

type oldCollector struct {
	metastore.Collector
	old *metastore.Record
}

func (c oldCollector) Snapshot(ctx context.Context) (metastore.View, error) {
	v, err := c.Collector.Snapshot(ctx)
	return oldView{v, c.old}, err
}

type oldView struct {
	metastore.View
	old *metastore.Record
}

func (v oldView) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	recs, err := v.View.Slots(ctx, ids)
	for i := range recs {
		if recs[i].ID == v.old.ID {
			recs[i] = *v.old
		}
	}
	return recs, err
}

func TestFreezeRefusesARollback(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	old := new(metastore.Record)
	fs := s.open(func(o *filestore.Options) { o.Meta = rolledBack{o.Meta, old} })
	tr, _ := newTree(t, fs)
	tr.mkdir("a")
	tr.mkdir("a/d")
	slot, _ := tr.capOf("a/d", caps.AuthorityWrite).(caps.Write).SlotWrite()
	recs, err := s.meta.Slots(t.Context(), []metastore.SlotID{metastore.SlotID(slot.ID())})
	if err != nil {
		t.Fatal(err)
	}
	tr.put("a/d/f", []byte("x"))
	tr.freeze("a", "first")
	*old = recs[0]
	_, err = tr.Freeze(t.Context(), path("a"), tr.Tree, path("second"))
	expectKind(t, "freeze of a directory that was set back", err, kind.Corrupt)
}
