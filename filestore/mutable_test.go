package filestore_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

var toCreateMutable = filestore.OpenOptions{Read: true, Write: true, Create: true, Truncate: true, Mutable: true}

// putMutable makes or rewrites a mutable file.
func (t tree) putMutable(p string, data []byte) {
	t.t.Helper()
	f := t.open(p, toCreateMutable)
	write(t.t, f, data, 0)
	closeFile(t.t, f)
}

func (t tree) capOf(p string, a caps.Authority) caps.Cap {
	t.t.Helper()
	c, err := t.CapOf(t.t.Context(), path(p), a)
	if err != nil {
		t.t.Fatalf("cap of %s: %v", p, err)
	}
	return c
}

// listed is what a listing of its directory shows of an entry.
func (t tree) listed(dir, name string) filestore.Info {
	t.t.Helper()
	for i, err := range t.List(t.t.Context(), path(dir)) {
		if err != nil {
			t.t.Fatalf("list %q: %v", dir, err)
		}
		if i.Name == name {
			return i
		}
	}
	t.t.Fatalf("%q doesn't list %s", dir, name)
	return filestore.Info{}
}

func TestMutableFileKeepsItsCapability(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, root := newTree(t, s.gateway())
	tr.mkdir("d")
	tr.putMutable("d/m", []byte("first"))
	before := tr.capOf("d/m", caps.AuthorityWrite)
	dir := tr.stat("d")
	for _, data := range [][]byte{random(3_000_000, 1), {}, random(55, 2), random(70_000, 3)} {
		f := tr.open("d/m", toReplace)
		write(t, f, data, 0)
		closeFile(t, f)
		for _, other := range []tree{tr, mount(t, s.gateway(), root)} {
			other.expect("d/m", data)
			if i := other.listed("d", "m"); i.Size != int64(len(data)) || !i.Mutable || i.Kind != filestore.KindFile {
				t.Errorf("listed as %+v, want %d bytes", i, len(data))
			}
			if i := other.stat("d/m"); i.Size != int64(len(data)) || i.FileID != other.listed("d", "m").FileID {
				t.Errorf("stat says %+v, want %d bytes", i, len(data))
			}
		}
		if after := tr.capOf("d/m", caps.AuthorityWrite); !caps.Equal(before, after) {
			t.Fatal("a new version has another capability")
		}
		mount(t, s.gateway(), before.(caps.Write).Read()).expect("", data)
	}
	if now := tr.stat("d"); !now.Mtime.Equal(dir.Mtime) || now.Entries != dir.Entries {
		t.Errorf("writing to the file changed its directory: %+v, was %+v", now, dir)
	}
}

func TestMutableFileAppearsWithItsContents(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, root := newTree(t, s.gateway())
	other := mount(t, s.gateway(), root)
	f := tr.open("m", toCreateMutable)
	write0(t, f, "contents")
	if i := tr.stat("m"); !i.Pending || !i.Mutable || i.Size != 8 {
		t.Errorf("while it is being created: %+v", i)
	}
	other.absent("m")
	attr := filestore.Attr{
		Set:  filestore.AttrMode | filestore.AttrUID | filestore.AttrMtime,
		Mode: 0o600, UID: 7, Mtime: time.Unix(1_000_000, 5),
	}
	if err := f.SetAttr(t.Context(), attr); err != nil {
		t.Fatal(err)
	}
	pending, err := f.Stat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeFile(t, f)
	other.expect("m", []byte("contents"))
	i := other.stat("m")
	if i.Mode != 0o600 || i.UID != 7 || !i.Mtime.Equal(attr.Mtime) || i.FileID != pending.FileID {
		t.Errorf("committed as %+v", i)
	}
	f = tr.open("dropped", toCreateMutable)
	write0(t, f, "x")
	f.Discard()
	tr.absent("dropped")

	tr.put("f", []byte("immutable"))
	_, err = tr.Open(t.Context(), path("f"), toCreateMutable)
	expectKind(t, "a mutable file where an immutable one is", err, kind.Exist)
	f = tr.open("late", toCreateMutable)
	write0(t, f, "mine")
	other.put("late", []byte("theirs"))
	expectKind(t, "a name that appeared meanwhile", f.Close(t.Context()), kind.Exist)
	other.expect("late", []byte("theirs"))
}

func TestNamesOfOneMutableFileShareItsDraft(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	tr.mkdir("d")
	tr.putMutable("m", random(100_000, 1))
	if err := tr.Link(t.Context(), path("m"), path("d/second")); err != nil {
		t.Fatal(err)
	}
	bare := mount(t, fs, tr.capOf("m", caps.AuthorityWrite))
	reader := mount(t, fs, root.Read())
	if a, b := tr.stat("m"), tr.stat("d/second"); a.FileID != b.FileID || a.FileID != bare.stat("").FileID {
		t.Error("names of one file show different ids")
	}
	f, g := tr.open("m", forWriting), bare.open("", forWriting)
	write(t, f, []byte("one"), 10)
	write(t, g, []byte("two"), 20)
	want := random(100_000, 1)
	copy(want[10:], "one")
	copy(want[20:], "two")
	for _, at := range []struct {
		tree
		p string
	}{{tr, "m"}, {tr, "d/second"}, {bare, ""}, {reader, "d/second"}} {
		at.expect(at.p, want)
	}
	closeFile(t, f)
	closeFile(t, g)
	tr.remove("m")
	tr.expect("d/second", want)
	tr.rename("d/second", "third")
	tr.expect("third", want)
}

func TestMutableFileChangedByTwoGateways(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	a, root := newTree(t, s.gateway())
	b := mount(t, s.gateway(), root)
	a.putMutable("m", random(600_000, 1))
	f, g := a.open("m", forWriting), b.open("m", filestore.OpenOptions{Read: true, Write: true, Append: true})
	write(t, f, []byte("in place"), 100)
	write(t, g, []byte("appended"), 0)
	closeFile(t, f)
	closeFile(t, g)
	want := append(random(600_000, 1), "appended"...)
	copy(want[100:], "in place")
	a.expect("m", want)
	b.expect("m", want)
	// Who has replaced it all has the last word.
	f, g = a.open("m", toReplace), b.open("m", forWriting)
	write(t, g, []byte("lost"), 0)
	write(t, f, []byte("whole"), 0)
	closeFile(t, g)
	closeFile(t, f)
	b.expect("m", []byte("whole"))
	// A rename by the other gateway doesn't matter to who writes.
	f = a.open("m", forWriting)
	b.mkdir("d")
	b.rename("m", "d/n")
	write(t, f, []byte("W"), 0)
	if err := f.SetAttr(t.Context(), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	closeFile(t, f)
	b.expect("d/n", []byte("Whole"))
	if i := b.stat("d/n"); i.Mode != 0o600 {
		t.Errorf("the name that moved has mode %o", i.Mode)
	}
	f = a.open("d/n", forWriting)
	b.remove("d/n")
	if err := f.SetAttr(t.Context(), filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}); err != nil {
		t.Errorf("setattr of a name that another gateway has removed: %v", err)
	}
	closeFile(t, f)
}

func TestReadOnlyMutableFile(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	full, root := newTree(t, fs)
	ctx := t.Context()
	full.putMutable("m", []byte("contents"))
	full.putMutable("diminished", []byte("contents"))
	if err := full.Diminish(ctx, path("diminished")); err != nil {
		t.Fatal(err)
	}
	reader := mount(t, fs, root.Read())
	bare := mount(t, fs, full.capOf("m", caps.AuthorityRead))
	// A writer has it open, which must not help the others.
	w := full.open("m", forWriting)
	defer w.Discard()
	mtime := filestore.Attr{Set: filestore.AttrMtime, Mtime: time.Unix(1, 0)}
	size := filestore.Attr{Set: filestore.AttrSize, Size: 1}
	for name, at := range map[string]struct {
		tree
		p string
	}{"read-only tree": {reader, "m"}, "read capability": {bare, ""}, "diminished entry": {full, "diminished"}} {
		at.expect(at.p, []byte("contents"))
		if !at.stat(at.p).ReadOnly {
			t.Errorf("%s: not shown as read-only", name)
		}
		_, err := at.Open(ctx, path(at.p), forWriting)
		expectKind(t, name+": open for writing", err, kind.ReadOnly)
		expectKind(t, name+": set mtime", at.SetAttr(ctx, path(at.p), mtime, true), kind.ReadOnly)
		expectKind(t, name+": truncate", at.SetAttr(ctx, path(at.p), size, true), kind.ReadOnly)
		f := at.open(at.p, forReading)
		expectKind(t, name+": set mtime of a handle", f.SetAttr(ctx, mtime), kind.ReadOnly)
		closeFile(t, f)
		_, err = at.CapOf(ctx, path(at.p), caps.AuthorityWrite)
		expectKind(t, name+": write capability", err, kind.ReadOnly)
	}
	if !bare.ReadOnly() || mount(t, fs, full.capOf("m", caps.AuthorityWrite)).ReadOnly() {
		t.Error("Tree.ReadOnly is wrong")
	}
	if err := full.SetAttr(ctx, path("m"), filestore.Attr{Set: filestore.AttrMode, Mode: 0o444}, true); err != nil {
		t.Fatal(err)
	}
	_, err := full.Open(ctx, path("m"), forWriting)
	expectKind(t, "a no-write name", err, kind.ReadOnly)
}

// The handle of somebody who may only read gives no authority, even while others
// have the same file open for writing.
func TestAttributesNeedTheHandlesOwnAuthority(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	full, root := newTree(t, fs)
	full.put("f", []byte("contents"))
	w := full.open("f", forWriting)
	f := mount(t, fs, root.Read()).open("f", forReading)
	expectKind(t, "setattr", f.SetAttr(t.Context(), filestore.Attr{Set: filestore.AttrMode, Mode: 0o777}), kind.ReadOnly)
	if i, err := f.Stat(t.Context()); err != nil || !i.ReadOnly {
		t.Errorf("stat of the handle: %+v, %v", i, err)
	}
	closeFile(t, f)
	closeFile(t, w)
	if full.stat("f").Mode == 0o777 {
		t.Error("a read-only handle changed the mode")
	}
}

func TestAttributesOfAMutableFile(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, root := newTree(t, s.open())
	ctx := t.Context()
	tr.mkdir("d")
	tr.putMutable("m", random(1000, 1))
	if err := tr.Link(ctx, path("m"), path("n")); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1_234_567_890, 987)
	all := filestore.Attr{
		Set:  filestore.AttrMode | filestore.AttrUID | filestore.AttrGID | filestore.AttrAtime | filestore.AttrMtime | filestore.AttrSize,
		Mode: 0o640, UID: 1, GID: 2, Atime: when.Add(time.Hour), Mtime: when, Size: 100,
	}
	if err := tr.SetAttr(ctx, path("m"), all, true); err != nil {
		t.Fatal(err)
	}
	check := func(tr tree, p string) {
		t.Helper()
		i := tr.stat(p)
		if i.Mode != all.Mode || i.UID != 1 || i.GID != 2 || i.Size != 100 || !i.Mtime.Equal(when) || !i.Atime.Equal(all.Atime) {
			t.Errorf("%s: %+v", p, i)
		}
	}
	check(tr, "m")
	if i := tr.stat("n"); i.Mode == all.Mode || i.Size != 100 || !i.Mtime.Equal(when) {
		t.Errorf("the other name: %+v", i)
	}
	// Through a handle, even when the name has moved meanwhile.
	f := tr.open("n", forWriting)
	tr.rename("n", "d/moved")
	if err := f.SetAttr(ctx, all); err != nil {
		t.Fatal(err)
	}
	if i, err := f.Stat(ctx); err != nil || i.Name != "moved" || i.Mode != all.Mode || i.Size != 100 || !i.Mtime.Equal(when) || !i.Mutable {
		t.Errorf("stat of the handle: %+v, %v", i, err)
	}
	closeFile(t, f)
	check(tr, "d/moved")
	check(mount(t, s.gateway(), root), "d/moved")
	f = tr.open("d/moved", forWriting)
	tr.remove("d/moved")
	if err := f.SetAttr(ctx, all); err != nil {
		t.Errorf("setattr of a name that is gone: %v", err)
	}
	write0(t, f, "through the handle")
	closeFile(t, f)
	if got := tr.get("m"); !bytes.HasPrefix(got, []byte("through the handle")) {
		t.Error("what was written after its name was removed isn't in the file")
	}
}

// A mutable file that is written to by its own capability is a root: it may be
// linked from nowhere.
func TestWritingByCapabilityKeepsTheFile(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.putMutable("m", random(3_000_000, 1))
	c := tr.capOf("m", caps.AuthorityWrite)
	bare := mount(t, fs, c)
	tr.remove("m")
	f := bare.open("", toReplace)
	write(t, f, random(2_500_000, 2), 0)
	closeFile(t, f)
	for range 2 {
		if _, err := fs.Collect(t.Context(), filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true}); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, s.gateway(), c).expect("", random(2_500_000, 2))
	_, err := bare.Stat(t.Context(), path("x"))
	expectKind(t, "a path through it", err, kind.NotDir)
	expectKind(t, "mkdir below it", bare.Mkdir(t.Context(), path("x"), filestore.Attr{}), kind.NotDir)
}

// forge replaces a slot's record by one that its writer has made by hand.
func (s *storage) forge(w caps.SlotWrite, change func(*dirtree.SlotState)) {
	s.t.Helper()
	id := metastore.SlotID(w.ID())
	recs, err := s.meta.Slots(s.t.Context(), []metastore.SlotID{id})
	if err != nil {
		s.t.Fatal(err)
	}
	st, err := dirtree.OpenSlot(w.Read(), recs[0].Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	st.Version, st.Prev = st.Version+1, recs[0].Hash
	change(&st)
	seal := func(metastore.Record) (metastore.Sealed, error) {
		rec, err := dirtree.SealSlot(w, st)
		return metastore.Sealed{Epoch: st.Epoch, Version: st.Version, Bytes: rec}, err
	}
	req := &metastore.Request{Slots: []metastore.SlotChange{{ID: id, Base: recs[0].Hash, Seal: seal}}}
	if err := s.meta.Commit(s.t.Context(), req)[0]; err != nil {
		s.t.Fatal(err)
	}
}

func TestMutableFilesOfOtherWriters(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.gateway()
	tr, _ := newTree(t, fs)
	ctx := t.Context()
	tr.putMutable("m", random(100_000, 1))
	slot, _ := tr.capOf("m", caps.AuthorityWrite).(caps.Write).SlotWrite()
	// All copies of a size must agree before a byte is given.
	s.forge(slot, func(st *dirtree.SlotState) { st.Bytes++ })
	_, err := tr.Open(ctx, path("m"), forReading)
	expectKind(t, "open of a file of two sizes", err, kind.Corrupt)
	_, err = tr.Freeze(ctx, nil, mount(t, fs, tr.capOf("", caps.AuthorityWrite)).Tree, path("x"))
	expectKind(t, "freeze of a file of two sizes", err, kind.Corrupt)
	// A slot without a tree is an empty file.
	s.forge(slot, func(st *dirtree.SlotState) { st.Bytes, st.Entries, st.Root = 0, 0, dirtree.Root{} })
	tr.expect("m", nil)
	f := tr.open("m", forWriting)
	write0(t, f, "again")
	closeFile(t, f)
	tr.expect("m", []byte("again"))
	tr.expect("m", []byte("again"))
	// One that was removed can be listed and unlinked.
	s.forge(slot, func(st *dirtree.SlotState) {
		*st = dirtree.SlotState{Version: st.Version, Prev: st.Prev, Tombstone: true}
	})
	_, err = tr.Open(ctx, path("m"), forReading)
	expectKind(t, "open of a file that was removed", err, kind.NotExist)
	expectKind(t, "link of a file that was removed", tr.linkCap("x", caps.OfSlotWrite(slot)), kind.NotExist)
	tr.expectNames("", "m")
	tr.remove("m")
}
