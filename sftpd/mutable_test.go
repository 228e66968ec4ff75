package sftpd

import (
	"context"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// mutableWorld is a tree with a mutable file "m" that has a second name,
// "again".
func mutableWorld(t *testing.T) *talk {
	t.Helper()
	c := world(t)
	ctx := context.Background()
	f, err := c.s.tree.Open(ctx, filestore.Path{"m"}, filestore.OpenOptions{Write: true, Create: true, Mutable: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(ctx, []byte("first"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	c.ext(wire.ExtHardlink, "m", "again").status(wire.OK)
	return c
}

// A mutable file gets a new version at CLOSE, which all its names show; written,
// cut, appended to and set as any file.
func TestMutableFiles(t *testing.T) {
	t.Parallel()
	c := mutableWorld(t)
	h := slices.Clone(c.ask(wire.Open, "m", wr|creat|trunc, uint32(0)).handle())
	c.ask(wire.Write, h, 0, "second version").status(wire.OK)
	c.ask(wire.Close, h).status(wire.OK)
	for _, name := range []string{"m", "again"} {
		if got := c.get(name); got != "second version" {
			t.Errorf("%s holds %q", name, got)
		}
		if a := c.attrs(wire.Stat, name); a.Size != 14 || a.Mode&wire.ModeType != wire.ModeRegular {
			t.Errorf("%s: %+v", name, a)
		}
	}
	h = slices.Clone(c.ask(wire.Open, "again", appendFlags, uint32(0)).handle())
	c.ask(wire.Write, h, 0, "+").status(wire.OK)
	c.ask(wire.Extended, wire.ExtFsync, h).status(wire.OK)
	if got := c.get("m"); got != "second version+" {
		t.Errorf("after fsync m holds %q", got)
	}
	c.ask(wire.Close, h).status(wire.OK)
	c.ask(wire.Setstat, "m", wire.Attrs{Flags: wire.AttrSize, Size: 6}).status(wire.OK)
	c.ask(wire.Setstat, "again", times(1000000000)).status(wire.OK)
	if a := c.attrs(wire.Stat, "m"); a.Size != 6 || a.Mtime != 1000000000 {
		t.Errorf("%+v", a)
	}
	// A name is a name: removed, moved, replaced, the file lives on in the other.
	c.ask(wire.Rename, "m", "dir/m").status(wire.OK)
	c.put("x", "ordinary")
	c.ext(wire.ExtPosixRename, "x", "again").status(wire.OK)
	if a, b := c.get("dir/m"), c.get("again"); a != "second" || b != "ordinary" {
		t.Errorf("%q and %q", a, b)
	}
}

// no-write belongs to the name; in Tahoe-LAFS's way the name loses the write
// capability, and the other keeps it.
func TestMutableFilesThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	c := mutableWorld(t)
	c.ask(wire.Setstat, "m", perms(0o444)).status(wire.OK)
	c.ask(wire.Open, "m", wr, uint32(0)).status(wire.PermissionDenied)
	c.put("again", "by the other")
	c.ask(wire.Setstat, "m", perms(0o644)).status(wire.OK)
	c.put("m", "again")
	c.s.diminish = true
	c.ask(wire.Setstat, "m", perms(0o444)).status(wire.OK)
	c.ask(wire.Setstat, "m", perms(0o644))
	c.ask(wire.Open, "m", wr, uint32(0)).status(wire.PermissionDenied)
	if a := c.attrs(wire.Stat, "m"); a.Mode != 0o100444 {
		t.Errorf("mode %o", a.Mode)
	}
	c.put("again", "for ever")
	if got := c.get("m"); got != "for ever" {
		t.Errorf("m holds %q", got)
	}
}
