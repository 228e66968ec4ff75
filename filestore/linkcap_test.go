package filestore_test

import (
	"context"
	"encoding/base32"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
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

// What is linked lives on when nothing else leads to it, also if the collector
// has seen it unreachable before.
func TestLinkedCapabilitiesAreKept(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			fs := s.open()
			from, fromRoot := newTree(t, fs)
			to, toRoot := newTree(t, fs)
			from.mkdir("d")
			from.mkdir("d/e")
			large, small, tiny := random(3_000_000, 1), random(5000, 2), []byte("tiny")
			from.put("d/large", large)
			from.put("d/e/small", small)
			from.put("d/tiny", tiny)
			from.putMutable("d/m", random(2_000_000, 3))
			if _, err := from.Freeze(t.Context(), path("d"), from.Tree, path("frozen")); err != nil {
				t.Fatal(err)
			}
			linked := map[string]caps.Cap{
				"large": from.capOf("d/large", caps.AuthorityRead), "small": from.capOf("d/e/small", caps.AuthorityRead),
				"tiny": from.capOf("d/tiny", caps.AuthorityRead), "m": from.capOf("d/m", caps.AuthorityWrite),
				"m-ro": from.capOf("d/m", caps.AuthorityRead), "frozen": from.capOf("frozen", caps.AuthorityRead),
				"d": from.capOf("d", caps.AuthorityWrite), "d-ro": from.capOf("d", caps.AuthorityRead),
			}
			if when == "after" {
				s.forget(fromRoot)
				collectOnce(t, fs)
			}
			for name, c := range linked {
				to.mustLink(name, c)
				if got := to.capOf(name, c.Authority()); !caps.Equal(got, c) {
					t.Errorf("%s: the entry gives %v, linked was %v", name, got, c)
				}
				expectKind(t, "link to a name that is taken: "+name, to.linkCap(name, c), kind.Exist)
			}
			if when == "before" {
				s.forget(fromRoot)
			}
			collectAll(t, fs)
			other := s.gateway()
			tr := mount(t, other, toRoot)
			for _, dir := range []string{"", "d/", "d-ro/", "frozen/"} {
				tr.expect(dir+"large", large)
				tr.expect(dir+"tiny", tiny)
				tr.expect(dir+"m", random(2_000_000, 3))
			}
			for _, p := range []string{"small", "d/e/small", "d-ro/e/small", "frozen/e/small"} {
				tr.expect(p, small)
			}
			tr.expect("m-ro", random(2_000_000, 3))
			checkWhole(t, other)
		})
	}
}

// sweepLate deletes every block that is condemned now, as a sweep does whose mark
// has not seen what was linked since.
func (s *storage) sweepLate(g metastore.GatewayID) {
	s.t.Helper()
	ctx, c := s.t.Context(), s.meta.Collector()
	if err := s.meta.Heartbeat(ctx, g, 0, time.Hour); err != nil {
		s.t.Fatal(err)
	}
	v, err := c.Snapshot(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []metastore.ID
	for b, err := range v.AllBlocks(ctx) {
		if err != nil {
			s.t.Fatal(err)
		}
		if !b.CondemnedAt.IsZero() {
			ids = append(ids, b.ID)
		}
	}
	v.Close()
	gone, err := c.BeginDelete(ctx, ids, time.Now().Add(time.Hour))
	if err != nil || len(gone) != len(ids) {
		s.t.Fatalf("begin to delete: %d of %d, %v", len(gone), len(ids), err)
	}
	ids = ids[:0]
	for _, b := range gone {
		ids = append(ids, b.ID)
		if err := s.blocks.Delete(ctx, blockstore.ID(b.ID)); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := c.EndDelete(ctx, ids); err != nil {
		s.t.Fatal(err)
	}
}

// Each way to link alone keeps what it links, after the collector has condemned
// all of it.
func TestEachLinkClearsTheCondemnation(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"d", "d/m", "d/f", "d/g", "frozen"} {
		t.Run(p, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			g := metastore.GatewayID{1}
			fs := s.open(func(o *filestore.Options) { o.Gateway = g })
			from, root := newTree(t, fs)
			to, _ := newTree(t, fs)
			from.mkdir("d")
			from.putMutable("d/m", random(900_000, 1))
			from.put("d/f", random(900_000, 2))
			from.put("d/g", random(3_000_000, 3))
			if _, err := from.Freeze(t.Context(), path("d"), from.Tree, path("frozen")); err != nil {
				t.Fatal(err)
			}
			c := from.capOf(p, caps.AuthorityRead)
			want := from.dump()
			s.forget(root)
			collectOnce(t, fs)
			to.mustLink("linked", c)
			s.sweepLate(g)
			for name, data := range to.dump() {
				if old := p + strings.TrimPrefix(name, "linked"); want[old] != data {
					t.Errorf("%s isn't what %s was", name, old)
				}
			}
			checkWhole(t, fs)
		})
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

// racing does something before the first commit of a directory's move or link.
type racing struct {
	metastore.Store
	once   *gosync.Once
	before func()
}

func (r racing) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	for _, req := range reqs {
		if req.DirMove {
			r.once.Do(r.before)
		}
	}
	return r.Store.Commit(ctx, reqs...)
}

// What another gateway does between the look at what is to be linked and the
// commit of the link counts.
func TestLinkLosesRaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		race func(other tree)
		want kind.Kind
	}{
		"removed":     {func(o tree) { o.remove("d/f"); _ = o.Rmdir(o.t.Context(), path("d")) }, kind.NotExist},
		"moved above": {func(o tree) { o.rename("into", "d/into") }, kind.NotExist},
		"grown":       {func(o tree) { o.put("d/g", []byte("more")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStorage(t)
			other, root := newTree(t, s.gateway())
			other.mkdir("into")
			other.mkdir("d")
			other.put("d/f", []byte("x"))
			fs := s.gateway(func(o *filestore.Options) {
				o.Meta = racing{o.Meta, new(gosync.Once), func() { c.race(other) }}
			})
			err := mount(t, fs, root).linkCap("into/d", other.capOf("d", caps.AuthorityWrite))
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
