package filestore_test

import (
	"context"
	"encoding/base32"
	"fmt"
	"strings"
	gosync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// linkTo parses a capability as a directory's entry holds it: the text, and for
// one of the future its read capability.
func linkTo(t testing.TB, write, read string) caps.Link {
	t.Helper()
	l, err := caps.ParseLink(write, read, false)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (t tree) linkCap(p string, c caps.Cap) error {
	t.t.Helper()
	return t.LinkCap(t.t.Context(), path(p), linkTo(t.t, c.Reveal(), ""))
}

func (t tree) mustLink(p string, c caps.Cap) {
	t.t.Helper()
	if err := t.linkCap(p, c); err != nil {
		t.t.Fatalf("link %s: %v", p, err)
	}
}

// collectAll takes everything away that nothing leads to.
func collectAll(t testing.TB, fs *filestore.FS) {
	t.Helper()
	for range 2 {
		r, err := fs.Collect(t.Context(), filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
		if err != nil || len(r.Damage) > 0 {
			t.Fatalf("collect: %+v, %v", r, err)
		}
	}
}

func checkWhole(t testing.TB, fs *filestore.FS) {
	t.Helper()
	r, err := fs.Check(t.Context(), filestore.CheckOptions{Deep: true})
	if err != nil || !r.Whole() {
		t.Fatalf("check: %+v, %v", r, err)
	}
}

func collectOnce(t testing.TB, fs *filestore.FS) {
	t.Helper()
	r, err := fs.Collect(t.Context(), filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
	if err != nil || len(r.Damage) > 0 {
		t.Fatalf("collect: %+v, %v", r, err)
	}
}

// forget takes a root out of the root table.
func (s *storage) forget(root caps.Write) {
	s.t.Helper()
	slot, _ := root.SlotWrite()
	if err := s.meta.Commit(s.t.Context(), &metastore.Request{ForgetRoots: []metastore.SlotID{metastore.SlotID(slot.ID())}})[0]; err != nil {
		s.t.Fatal(err)
	}
}

// condemnedBlocks lists the blocks that are condemned now.
func (s *storage) condemnedBlocks() []metastore.ID {
	s.t.Helper()
	v, err := s.meta.Collector().Snapshot(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.Close()
	var ids []metastore.ID
	for b, err := range v.AllBlocks(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		if !b.CondemnedAt.IsZero() {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// sweepLate deletes every block that is condemned now, as a sweep does whose mark
// has not seen what was linked since.
func (s *storage) sweepLate(g metastore.GatewayID) {
	s.t.Helper()
	ctx, c := s.t.Context(), s.meta.Collector()
	if err := s.meta.Heartbeat(ctx, g, 0, time.Hour); err != nil {
		s.t.Fatal(err)
	}
	ids := s.condemnedBlocks()
	gone, err := c.BeginDelete(ctx, ids, time.Now().Add(time.Hour))
	if err != nil || len(gone) != len(ids) {
		s.t.Fatalf("begin to delete: %d of %d, %v", len(gone), len(ids), err)
	}
	for _, id := range ids {
		if err := s.blocks.Delete(ctx, blockstore.ID(id)); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := c.EndDelete(ctx, ids); err != nil {
		s.t.Fatal(err)
	}
}

// abandoned makes a tree by grow that nothing leads to, and that a collection has
// condemned. The gateway that it returns has not seen it.
func (s *storage) abandoned(g metastore.GatewayID, grow func(tree)) (*filestore.FS, caps.Write) {
	s.t.Helper()
	named := func(o *filestore.Options) { o.Gateway = g }
	maker := s.open(named)
	from, root := newTree(s.t, maker)
	grow(from)
	maker.Close()
	s.forget(root)
	fs := s.open(named)
	collectOnce(s.t, fs)
	if len(s.condemnedBlocks()) == 0 {
		s.t.Fatal("nothing is condemned")
	}
	return fs, root
}

// Each way to link alone keeps what it links, after the collector has condemned
// all of it; so a sweep may be under way.
func TestEachLinkKeepsWhatItLinks(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"d", "d/m", "d/f", "d/g", "d/e/tiny", "frozen"} {
		for _, a := range []caps.Authority{caps.AuthorityRead, caps.AuthorityWrite} {
			t.Run(fmt.Sprint(p, "/", a), func(t *testing.T) {
				t.Parallel()
				s, g := newStorage(t), metastore.GatewayID{1}
				var c caps.Cap
				var want treeModel
				fs, _ := s.abandoned(g, func(from tree) {
					from.mkdir("d")
					from.mkdir("d/e")
					from.putMutable("d/m", random(900_000, 1))
					from.put("d/f", random(900_000, 2))
					from.put("d/g", random(3_000_000, 3))
					from.put("d/e/tiny", []byte("tiny"))
					from.freeze("d", "frozen")
					c, want = from.capOf(p, a), from.dump()
				})
				to, root := newTree(t, fs)
				to.mustLink("linked", c)
				if got := to.capOf("linked", c.Authority()); !caps.Equal(got, c) {
					t.Errorf("the entry gives %v, linked was %v", got, c)
				}
				expectKind(t, "link to a name that is taken", to.linkCap("linked", c), kind.Exist)
				s.sweepLate(g)
				collectAll(t, fs)
				got := mount(t, s.gateway(), root).dump()
				for name, data := range got {
					if old := p + strings.TrimPrefix(name, "linked"); want[old] != data {
						t.Errorf("%s isn't what %s was", name, old)
					}
				}
				if n := len(want.below(p)) + 1; len(got) != n {
					t.Errorf("%d entries instead of %d", len(got), n)
				}
				checkWhole(t, fs)
			})
		}
	}
}

func TestLinkOfWhatIsGone(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	from, _ := newTree(t, fs)
	to, _ := newTree(t, fs)
	from.mkdir("d")
	from.put("d/large", random(3_000_000, 1))
	from.put("d/chunk", random(300_000, 2))
	if _, err := from.Freeze(t.Context(), path("d"), from.Tree, path("frozen")); err != nil {
		t.Fatal(err)
	}
	gone := map[string]caps.Cap{}
	for _, p := range []string{"d/large", "d/chunk", "frozen", "d"} {
		gone[p] = from.capOf(p, caps.AuthorityRead)
	}
	from.remove("d/large")
	from.remove("d/chunk")
	if err := from.Unlink(t.Context(), path("frozen")); err != nil {
		t.Fatal(err)
	}
	if err := from.Rmdir(t.Context(), path("d")); err != nil {
		t.Fatal(err)
	}
	collectAll(t, fs)
	for p, c := range gone {
		want := kind.Corrupt
		if p == "d" {
			want = kind.NotExist
		}
		expectKind(t, "link of "+p, to.linkCap("x", c), want)
	}
	absent := caps.OfSlotRead(caps.NewSlotWrite(caps.SlotFile, newKey()).Read())
	expectKind(t, "link of a slot that never was", to.linkCap("x", absent), kind.Corrupt)
	to.expectNames("")
}

// forgeDir changes a directory by hand, in ways that no operation does.
func (s *storage) forgeDir(w caps.SlotWrite, change func(*dirtree.Edit)) {
	s.t.Helper()
	s.forge(w, func(st *dirtree.SlotState) {
		edit := dirtree.Open(dirtree.Keys{Write: &w}, st.Root, metaNodes{s.meta}, nil).Edit()
		change(edit)
		sealed, err := edit.Seal(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		st.Root = sealed.Root
		req := new(metastore.Request)
		for _, n := range sealed.New {
			req.Nodes = append(req.Nodes, metastore.NewNode{ID: n.ID, Data: n.Data, Slot: metastore.SlotID(w.ID())})
		}
		if err := s.meta.Commit(s.t.Context(), req)[0]; err != nil {
			s.t.Fatal(err)
		}
	})
}

// metaNodes reads nodes as they are stored.
type metaNodes struct{ metastore.Store }

func (m metaNodes) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := m.Nodes(ctx, []metastore.ID{id})
	if err == nil && data[0] == nil {
		err = kind.NotExist
	}
	if err != nil {
		return nil, err
	}
	return data[0], nil
}

// Entries with wrong keys for somebody's directories and files hide nothing from
// who has the right ones (formats 11).
func TestLinkPastLyingEntries(t *testing.T) {
	t.Parallel()
	s, g := newStorage(t), metastore.GatewayID{1}
	var c caps.Cap
	fs, _ := s.abandoned(g, func(from tree) {
		from.mkdir("d")
		from.mkdir("d/m")
		from.put("d/m/f", random(300_000, 1))
		from.put("d/m/g", random(3_000_000, 2))
		from.putMutable("d/n", random(300_000, 3))
		from.freeze("d/m", "d/o")
		c = from.capOf("d", caps.AuthorityWrite)
		dir, _ := caps.ReadCap(from.capOf("d/m", caps.AuthorityRead))
		mutable, _ := caps.ReadCap(from.capOf("d/n", caps.AuthorityRead))
		frozen, _ := caps.ReadCap(from.capOf("d/o", caps.AuthorityRead))
		file, _ := caps.ReadCap(from.capOf("d/m/g", caps.AuthorityRead))
		d, _ := dir.SlotRead()
		m, _ := mutable.SlotRead()
		z, _ := frozen.FrozenRead()
		f, _ := file.FileRead()
		z.Key, f.Key = newKey(), newKey()
		w, _ := c.(caps.Write).SlotWrite()
		s.forgeDir(w, func(e *dirtree.Edit) {
			for _, name := range []string{"a", "z"} { // before and after the honest ones
				for i, lie := range []dirtree.Entry{
					{Kind: dirtree.Directory, Dir: caps.NewSlotRead(d.Type(), newKey(), d.ID())},
					{Kind: dirtree.MutableFile, Dir: caps.NewSlotRead(m.Type(), newKey(), m.ID())},
					{Kind: dirtree.FrozenDir, Frozen: z},
					{Kind: dirtree.TreeFile, File: filetree.RefOf(f), Size: f.Size},
				} {
					lie.Name = fmt.Sprint(name, i)
					if err := e.Put(t.Context(), &lie); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	})
	to, _ := newTree(t, fs)
	to.mustLink("d", c)
	s.sweepLate(g)
	to.expect("d/m/f", random(300_000, 1))
	to.expect("d/m/g", random(3_000_000, 2))
	to.expect("d/n", random(300_000, 3))
	to.expect("d/o/g", random(3_000_000, 2))
	for _, name := range []string{"a0", "a1", "a2", "a3"} {
		if _, err := to.Open(t.Context(), path("d/"+name), forReading); kind.Of(err) == 0 {
			f := to.open("d/"+name, forReading)
			if _, err := f.ReadAt(t.Context(), make([]byte, 1), 0); kind.Of(err) != kind.Corrupt {
				t.Errorf("a lying entry reads: %v", err)
			}
			f.Discard()
		}
	}
}

// A file of which a part has been deleted isn't linked.
func TestLinkOfWhatIsGoneInPart(t *testing.T) {
	t.Parallel()
	s, g := newStorage(t), metastore.GatewayID{1}
	var c caps.Cap
	fs, _ := s.abandoned(g, func(from tree) {
		from.put("f", random(4_000_000, 1))
		c = from.capOf("f", caps.AuthorityRead)
	})
	to, _ := newTree(t, fs)
	var last metastore.ID
	for info, err := range s.blocks.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		last = metastore.ID(info.ID)
	}
	if err := s.meta.Heartbeat(t.Context(), g, 0, time.Hour); err != nil {
		t.Fatal(err)
	}
	gone, err := s.meta.Collector().BeginDelete(t.Context(), []metastore.ID{last}, time.Now().Add(time.Hour))
	if err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	expectKind(t, "link", to.linkCap("x", c), kind.Conflict)
	to.expectNames("")
}

func TestLinkNeedsACapabilityThatReads(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	tr.mkdir("d")
	tr.putMutable("m", []byte("x"))
	tr.put("f", random(100_000, 1))
	for _, p := range []string{"d", "m", "f"} {
		expectKind(t, "link of a verify capability of "+p, tr.linkCap("x", tr.capOf(p, caps.AuthorityVerify)), kind.Invalid)
	}
	expectKind(t, "link in a read-only tree", mount(t, fs, root.Read()).linkCap("x", tr.capOf("f", caps.AuthorityRead)), kind.ReadOnly)
	// A key that doesn't fit.
	c, err := caps.Parse(strings.Replace(tr.capOf("f", caps.AuthorityRead).Reveal(), "URI:FILE3:", "URI:FILE3:"+strings.Repeat("a", 52)+"@", 1))
	if err == nil {
		t.Fatalf("parsed %v", c)
	}
	fields := strings.Split(tr.capOf("f", caps.AuthorityRead).Reveal(), ":")
	fields[2] = strings.Repeat("a", len(fields[2]))
	if c, err = caps.Parse(strings.Join(fields, ":")); err != nil {
		t.Fatal(err)
	}
	expectKind(t, "link with a wrong key", tr.linkCap("x", c), kind.Corrupt)
	fields = strings.Split(tr.capOf("f", caps.AuthorityRead).Reveal(), ":")
	fields[5] = "99999"
	if c, err = caps.Parse(strings.Join(fields, ":")); err != nil {
		t.Fatal(err)
	}
	expectKind(t, "link with a wrong size", tr.linkCap("x", c), kind.Corrupt)
	tr.absent("x")
}

func TestHomesOfLinkedDirectories(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.gateway()
	a, aRoot := newTree(t, fs)
	b, bRoot := newTree(t, fs)
	ctx := t.Context()
	a.mkdir("d")
	a.mkdir("d/e")
	a.mkdir("d/e/f")
	a.put("d/e/x", []byte("x"))
	d := a.capOf("d", caps.AuthorityWrite)
	e := a.capOf("d/e", caps.AuthorityWrite)
	expectKind(t, "a second link in the home", a.linkCap("again", d), kind.Exist)
	expectKind(t, "a link below itself", a.linkCap("d/e/f/loop", d), kind.Invalid)
	expectKind(t, "a link in itself", mount(t, fs, e).linkCap("loop", e), kind.Invalid)
	expectKind(t, "a link below itself that the path doesn't show", mount(t, fs, e).linkCap("f/loop", d), kind.Invalid)
	expectKind(t, "the root in itself", a.linkCap("d/root", aRoot), kind.Invalid)
	b.mustLink("shared", d)
	if i := b.stat("shared"); !i.Linked || i.ReadOnly {
		t.Errorf("shared: %+v", i)
	}
	if i := b.listed("", "shared"); !i.Linked || a.listed("", "d").Linked {
		t.Errorf("listed as %+v", i)
	}
	b.put("shared/e/y", []byte("y"))
	a.expect("d/e/y", []byte("y"))
	// A directory that is moved through the link keeps a home that leads to a root.
	expectKind(t, "a move below itself by a link", b.Rename(ctx, path("shared"), path("shared/e/in"), filestore.Replace), kind.Invalid)
	b.mkdir("own")
	b.mustLink("own/e", e)
	b.mkdir("top")
	b.rename("own", "top/own")
	expectKind(t, "a move to where only a link leads", a.Rename(ctx, path("d"), path("d/e/f/d"), filestore.Replace), kind.Invalid)
	a.mustLink("via", b.capOf("top", caps.AuthorityWrite))
	expectKind(t, "a move below itself, by a way through a link", a.Rename(ctx, path("d"), path("via/own/e/d"), filestore.Replace), kind.Invalid)
	expectKind(t, "the other link into the home", a.Rename(ctx, path("via/own/e"), path("d/second"), filestore.Replace), kind.Exist)
	// Taking a link away leaves the directory alone.
	expectKind(t, "rmdir of a link to a directory that isn't empty", b.Rmdir(ctx, path("shared")), kind.NotEmpty)
	expectKind(t, "unlink of a home", a.Unlink(ctx, path("d")), kind.NotEmpty)
	if err := b.Unlink(ctx, path("shared")); err != nil {
		t.Fatal(err)
	}
	b.absent("shared")
	a.expect("d/e/x", []byte("x"))
	if err := mount(t, fs, bRoot).Unlink(ctx, path("top/own/e")); err != nil {
		t.Fatal(err)
	}
	a.mkdir("empty")
	if err := a.Unlink(ctx, path("empty")); err != nil {
		t.Errorf("unlink of an empty directory: %v", err)
	}
	checkWhole(t, fs)
}

// A root that was forgotten has no home; the first link that may write gives it
// one, and removing it there removes it for good.
func TestFirstLinkOfAHomelessDirectoryIsItsHome(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.gateway()
	a, aRoot := newTree(t, fs)
	b, _ := newTree(t, fs)
	ctx := t.Context()
	a.mkdir("inner")
	inner := a.capOf("inner", caps.AuthorityWrite)
	b.mustLink("as-root", aRoot)
	if !b.stat("as-root").Linked {
		t.Error("a root found a home")
	}
	if err := b.Unlink(ctx, path("as-root")); err != nil {
		t.Fatal(err)
	}
	s.forget(aRoot)
	b.mustLink("reader", aRoot.Read())
	if !b.stat("reader").Linked {
		t.Error("a read capability gave a home")
	}
	expectKind(t, "a home below itself", mount(t, fs, inner).linkCap("loop", aRoot), kind.Invalid)
	b.mkdir("d")
	b.mustLink("d/home", aRoot)
	if b.stat("d/home").Linked {
		t.Error("the first link that may write is not the home")
	}
	b.rename("d/home", "home")
	if b.stat("home").Linked {
		t.Error("the home didn't move with the directory")
	}
	if err := b.Rmdir(ctx, path("home/inner")); err != nil {
		t.Fatal(err)
	}
	if err := b.Rmdir(ctx, path("home")); err != nil {
		t.Fatal(err)
	}
	_, err := b.Stat(ctx, path("reader"))
	expectKind(t, "the other link to a directory that was removed", err, kind.NotExist)
	if err := b.Unlink(ctx, path("reader")); err != nil {
		t.Errorf("unlink of a dead link: %v", err)
	}
}

// racing does something before the first commit that moves or links.
type racing struct {
	metastore.Store
	once    *gosync.Once
	before  func()
	commits *atomic.Int32 // those that move or link
}

func (r racing) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	for _, req := range reqs {
		if req.DirMove || len(req.Links) > 0 {
			r.once.Do(r.before)
			r.commits.Add(1)
		}
	}
	return r.Store.Commit(ctx, reqs...)
}

// What another gateway does between the look at what is to be linked and the
// commit of the link counts.
func TestLinkLosesRaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		what    string
		race    func(other tree)
		want    kind.Kind
		commits int32
	}{
		"removed":     {"d", func(o tree) { o.remove("d/f"); _ = o.Rmdir(o.t.Context(), path("d")) }, kind.NotExist, 1},
		"moved above": {"d", func(o tree) { o.rename("into", "d/into") }, kind.NotExist, 1},
		"grown":       {"d", func(o tree) { o.put("d/g", []byte("more")) }, 0, 1},
		"rewritten":   {"m", func(o tree) { o.putMutable("m", random(400_000, 2)) }, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			other, root := newTree(t, s.gateway())
			other.mkdir("into")
			other.mkdir("d")
			other.put("d/f", []byte("x"))
			other.putMutable("m", random(400_000, 1))
			commits := new(atomic.Int32)
			fs := s.gateway(func(o *filestore.Options) {
				o.Meta = racing{o.Meta, new(gosync.Once), func() { c.race(other) }, commits}
			})
			err := mount(t, fs, root).linkCap("into/d", other.capOf(c.what, caps.AuthorityWrite))
			if n := commits.Load(); n < c.commits {
				t.Errorf("%d attempts: what was changed meanwhile hasn't been looked at again", n)
			}
			if kind.Of(err) != c.want && (err != nil || c.want != 0) {
				t.Errorf("link: %v, want %v", err, c.want)
			}
			checkWhole(t, s.gateway())
		})
	}
}

func TestForeignCapabilitiesAreCarriedAlong(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	ctx := t.Context()
	key, hash := strings.Repeat("a", 26), strings.Repeat("a", 52)
	long := []byte(strings.Repeat("long literal ", 20))
	type foreign struct {
		write, read string
		size        int64
		kind        filestore.Kind
	}
	all := map[string]foreign{
		"chk":     {"URI:CHK:" + key + ":" + hash + ":3:10:12345", "", 12345, filestore.KindOther},
		"ssk":     {"URI:SSK:" + key + ":" + hash, "", 0, filestore.KindOther},
		"dir2":    {"URI:DIR2:" + key + ":" + hash, "", 0, filestore.KindOther},
		"dir2chk": {"URI:DIR2-CHK:" + key + ":" + hash + ":3:10:77", "", 0, filestore.KindOther},
		"future":  {"URI:FUTURE:w", "ro.URI:FUTURE:r", 0, filestore.KindOther},
		"empty":   {"URI:LIT:", "", 0, filestore.KindFile},
		"lit":     {"URI:LIT:" + caps32("short"), "", 5, filestore.KindFile},
		"longlit": {"URI:LIT:" + caps32(string(long)), "", int64(len(long)), filestore.KindFile},
	}
	for name, f := range all {
		if err := tr.LinkCap(ctx, path(name), linkTo(t, f.write, f.read)); err != nil {
			t.Fatalf("link %s: %v", name, err)
		}
	}
	for _, at := range []tree{tr, mount(t, s.gateway(), root.Read())} {
		for name, f := range all {
			i := at.listed("", name)
			if i.Kind != f.kind || i.Size != f.size || at.stat(name).Size != f.size {
				t.Errorf("%s is listed as %+v", name, i)
			}
			_, err := at.Open(ctx, path(name), forReading)
			want := kind.Kind(0)
			if f.kind == filestore.KindOther {
				want = kind.Unsupported
			}
			if kind.Of(err) != want && (err != nil || want != 0) {
				t.Errorf("open %s: %v", name, err)
			}
		}
		at.expect("lit", []byte("short"))
		at.expect("longlit", long)
		at.expect("empty", nil)
		_, err := at.Stat(ctx, path("dir2/x"))
		expectKind(t, "a path into Tahoe-LAFS's directory", err, kind.Unsupported)
		_, err = at.Stat(ctx, path("chk/x"))
		expectKind(t, "a path through its file", err, kind.NotDir)
	}
	reader := mount(t, fs, root.Read())
	// A frozen copy keeps their read capabilities.
	copied := mount(t, fs, tr.freeze("", "frozen"))
	for _, name := range []string{"ssk", "future", "chk"} {
		want, err := reader.CapOf(ctx, path(name), caps.AuthorityRead)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := copied.CapOf(ctx, path(name), caps.AuthorityWrite); err != nil || !caps.Equal(c, want) {
			t.Errorf("in a frozen copy %s has %v, %v", name, c, err)
		}
	}
	if err := tr.Unlink(ctx, path("frozen")); err != nil {
		t.Fatal(err)
	}
	for name, f := range all {
		c, err := tr.CapOf(ctx, path(name), caps.AuthorityWrite)
		if err != nil || c.Reveal() != f.write {
			t.Errorf("capability of %s: %v, %v", name, c, err)
		}
		if c, err := reader.CapOf(ctx, path(name), caps.AuthorityWrite); err == nil && c.Authority() == caps.AuthorityWrite ||
			err == nil && name == "future" && c.Reveal() != f.read {
			t.Errorf("a read-only tree gives %v of %s", c, name)
		}
		tr.rename(name, name+".moved")
		if c, err := tr.CapOf(ctx, path(name+".moved"), caps.AuthorityWrite); err != nil || c.Reveal() != f.write {
			t.Errorf("moved, %s gives %v, %v", name, c, err)
		}
	}
	_, err := tr.Open(ctx, path("longlit.moved"), forWriting)
	expectKind(t, "write to a literal", err, kind.ReadOnly)
	tr.put("lit.moved", []byte("now a file of its own"))
	for name := range all {
		tr.remove(name + ".moved")
	}
	tr.expectNames("")
	for _, text := range []string{"URI:CHK-Verifier:" + key + ":" + hash + ":3:10:5", "URI:SSK-Verifier:" + key + ":" + hash} {
		expectKind(t, "link of "+text[:14], tr.LinkCap(ctx, path("x"), linkTo(t, text, "")), kind.Invalid)
	}
}

// caps32 encodes as capabilities do.
func caps32(s string) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(s)))
}
