package sftpd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

const (
	rd    = wire.FlagRead
	wr    = wire.FlagWrite
	creat = wire.FlagCreate
	trunc = wire.FlagTrunc
	excl  = wire.FlagExcl
)

// put makes a file with contents, by the protocol.
func (c *talk) put(name, data string) {
	c.t.Helper()
	h := slices.Clone(c.ask(wire.Open, name, wr|creat|trunc, uint32(0)).handle())
	if data != "" {
		c.ask(wire.Write, h, 0, data).status(wire.OK)
	}
	c.ask(wire.Close, h).status(wire.OK)
}

// get returns a file's contents, by the protocol, or the status as "status 2".
func (c *talk) get(name string) string {
	c.t.Helper()
	r := c.ask(wire.Open, name, rd, uint32(0))
	if r.kind == wire.StatusReply {
		return fmt.Sprint("status ", r.Uint32())
	}
	h := slices.Clone(r.handle())
	var data string
	if r := c.ask(wire.Read, h, 0, uint32(1000)); r.kind == wire.DataReply {
		data = string(r.data())
	}
	c.ask(wire.Close, h).status(wire.OK)
	return data
}

// attrs returns what STAT or LSTAT says.
func (c *talk) attrs(t wire.Type, name string) wire.Attrs {
	c.t.Helper()
	r := c.ask(t, name).is(wire.AttrsReply)
	return r.Attrs()
}

// world is a tree with one of each.
func world(t *testing.T) *talk {
	t.Helper()
	c := converse(t, newTree(t, newStore(t)))
	c.put("file", "contents")
	c.put("other", "others")
	c.ask(wire.Mkdir, "dir", uint32(0)).status(wire.OK)
	c.put("dir/in", "inside")
	c.ask(wire.Mkdir, "empty", uint32(0)).status(wire.OK)
	c.ask(wire.Symlink, "file", "link").status(wire.OK) // target first
	c.ask(wire.Symlink, "dir", "dirlink").status(wire.OK)
	c.ask(wire.Symlink, "nothing", "dangling").status(wire.OK)
	c.ask(wire.Symlink, "loop", "loop").status(wire.OK)
	return c
}

const aHandle = wire.Status(1000) // for "a handle", or another reply that is no STATUS

func TestOpen(t *testing.T) {
	t.Parallel()
	mode := func(m uint32) wire.Attrs { return wire.Attrs{Flags: wire.AttrPermissions, Mode: m} }
	for _, tt := range []struct {
		name  string
		flags uint32
		attrs wire.Attrs
		want  wire.Status
		after string // contents of the file after CLOSE
	}{
		{"file", rd, wire.Attrs{}, aHandle, "contents"},
		{"file", 0, wire.Attrs{}, aHandle, "contents"},
		{"file", wr, wire.Attrs{}, aHandle, "contents"}, // keep and patch
		{"file", rd | wr | creat, wire.Attrs{}, aHandle, "contents"},
		{"file", rd | creat, wire.Attrs{}, aHandle, "contents"},
		{"file", wr | trunc, wire.Attrs{}, aHandle, ""},
		{"file", wr | creat | trunc, wire.Attrs{}, aHandle, ""},
		{"file", wr | excl, wire.Attrs{}, aHandle, "contents"}, // EXCL without CREAT is nothing
		{"file", wr | creat | excl, wire.Attrs{}, wire.Failure, "contents"},
		{"file", rd | creat | excl, wire.Attrs{}, wire.Failure, "contents"},
		{"file", rd | trunc, wire.Attrs{}, wire.BadMessage, "contents"},
		{"file", wr, wire.Attrs{Flags: wire.AttrSize, Size: 3}, aHandle, "contents"}, // a hint
		{"file/", rd, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"link/", rd, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"file/", wr | creat | trunc, wire.Attrs{}, wire.Failure, "status 2"},
		{"new/", wr | creat, wire.Attrs{}, wire.Failure, "status 2"},
		{"new/.", rd | creat, wire.Attrs{}, wire.Failure, "status 2"},
		{"dangling/", wr | creat, wire.Attrs{}, wire.Failure, "status 2"},
		{"new", rd, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"new", wr, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"new", wr | trunc, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"new", wr | creat, wire.Attrs{}, aHandle, ""},
		{"new", rd | creat, wire.Attrs{}, aHandle, ""},
		{"new", wr | creat | excl, mode(0o444), aHandle, ""},
		{"new", rd | wr | creat | excl, mode(0), aHandle, ""},
		{"new", wr | creat, wire.Attrs{Flags: wire.AttrSize, Size: 1 << 40}, aHandle, ""},
		{"no/new", wr | creat, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"file/new", wr | creat, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"dir", rd, wire.Attrs{}, wire.Failure, "status 4"},
		{"dir", wr | creat, wire.Attrs{}, wire.Failure, "status 4"},
		{"/", rd, wire.Attrs{}, wire.Failure, "status 4"},
		{"", rd, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"link", rd, wire.Attrs{}, aHandle, "contents"},
		{"dangling", rd, wire.Attrs{}, wire.NoSuchFile, "status 2"},
		{"dirlink/in", rd, wire.Attrs{}, aHandle, "inside"},
		{strings.Repeat("n", 255), wr | creat, wire.Attrs{}, aHandle, ""},
		{strings.Repeat("n", 256), wr | creat, wire.Attrs{}, wire.Failure, "status 4"},
		{"\xff", wr | creat, wire.Attrs{}, wire.Failure, "status 4"},
		{"a\x00b", wr | creat, wire.Attrs{}, wire.Failure, "status 4"},
	} {
		t.Run(fmt.Sprintf("%.20q,%#x", tt.name, tt.flags), func(t *testing.T) {
			c := world(t)
			r := c.ask(wire.Open, tt.name, tt.flags, tt.attrs)
			if tt.want == aHandle {
				c.ask(wire.Close, slices.Clone(r.handle())).status(wire.OK)
			} else {
				r.status(tt.want)
			}
			if got := c.get(tt.name); got != tt.after {
				t.Errorf("then %q, want %q", got, tt.after)
			}
			if c.s.handles.open != 0 {
				t.Errorf("%d handles left", c.s.handles.open)
			}
		})
	}
}

// The creating handle may write whatever mode the file is given; later ones
// may not.
func TestModeOfAFileIsForLaterHandles(t *testing.T) {
	t.Parallel()
	c := world(t)
	h := slices.Clone(c.ask(wire.Open, "ro", wr|creat|excl, wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o444}).handle())
	c.ask(wire.Write, h, 0, "once").status(wire.OK)
	c.ask(wire.Close, h).status(wire.OK)
	if a := c.attrs(wire.Stat, "ro"); a.Mode != 0o100444 {
		t.Errorf("mode %o", a.Mode)
	}
	c.ask(wire.Open, "ro", wr, uint32(0)).status(wire.PermissionDenied)
	c.ask(wire.Open, "ro", wr|trunc, uint32(0)).status(wire.PermissionDenied)
	c.ask(wire.Setstat, "ro", wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o644}).status(wire.OK)
	c.ask(wire.Open, "ro", wr, uint32(0)).handle()
}

func TestAccessOfAHandle(t *testing.T) {
	t.Parallel()
	c := world(t)
	r := slices.Clone(c.ask(wire.Open, "file", rd, uint32(0)).handle())
	w := slices.Clone(c.ask(wire.Open, "file", wr, uint32(0)).handle())
	c.ask(wire.Write, r, 0, "x").status(wire.PermissionDenied)
	c.ask(wire.Read, w, 0, uint32(1)).status(wire.PermissionDenied)
	c.ask(wire.Write, w, 0, "C").status(wire.OK)
	if got := string(c.ask(wire.Read, r, 0, uint32(99)).data()); got != "Contents" {
		t.Errorf("the other handle reads %q", got)
	}
}

// Requests on names that give a status and change what the next asks find.
func TestNames(t *testing.T) {
	t.Parallel()
	type req struct {
		typ    wire.Type
		fields []any
		want   wire.Status
	}
	ask := func(typ wire.Type, want wire.Status, fields ...any) req { return req{typ, fields, want} }
	posix := func(want wire.Status, from, to string) req {
		return req{wire.Extended, []any{wire.ExtPosixRename, from, to}, want}
	}
	none := uint32(0)
	const (
		ok, no, denied, fail, bad = wire.OK, wire.NoSuchFile, wire.PermissionDenied, wire.Failure, wire.BadMessage
	)
	for name, tt := range map[string]struct {
		reqs []req
		left string // contents of "other" at the end
	}{
		"mkdir": {reqs: []req{
			ask(wire.Mkdir, ok, "new", none), ask(wire.Mkdir, fail, "new", none), ask(wire.Mkdir, ok, "new/in", none),
			ask(wire.Mkdir, fail, "file", none), ask(wire.Mkdir, no, "no/new", none), ask(wire.Mkdir, no, "file/new", none),
			ask(wire.Mkdir, fail, "/", none), ask(wire.Mkdir, fail, "link", none), ask(wire.Mkdir, fail, "\xff", none),
			ask(wire.Mkdir, ok, "trailing/", none), ask(wire.Mkdir, fail, "dirlink", none), ask(wire.Mkdir, ok, "dirlink/x", none),
		}},
		"rmdir": {reqs: []req{
			ask(wire.Rmdir, fail, "dir"), ask(wire.Rmdir, ok, "empty"), ask(wire.Rmdir, no, "empty"), ask(wire.Rmdir, no, "file"),
			ask(wire.Remove, ok, "dir/in"), ask(wire.Rmdir, ok, "dir"), ask(wire.Rmdir, denied, "/"), ask(wire.Rmdir, no, "link"),
		}},
		"remove": {reqs: []req{
			ask(wire.Remove, ok, "file"), ask(wire.Remove, no, "file"), ask(wire.Remove, fail, "dir"), ask(wire.Remove, ok, "link"),
			ask(wire.Lstat, no, "link"), ask(wire.Remove, ok, "dangling"), ask(wire.Remove, denied, "/"), ask(wire.Remove, ok, "dirlink"),
			ask(wire.Remove, no, "other/x"),
		}},
		"rename refuses a target": {reqs: []req{
			ask(wire.Rename, ok, "file", "new"), ask(wire.Rename, no, "file", "x"), ask(wire.Rename, fail, "new", "other"),
			ask(wire.Rename, fail, "new", "dir"), ask(wire.Rename, ok, "new", "dir/new"), ask(wire.Rename, no, "dir/new", "no/new"),
			ask(wire.Rename, fail, "dir", "empty"), ask(wire.Rename, ok, "dir", "moved"), ask(wire.Lstat, 1000, "moved/in"),
			ask(wire.Rename, fail, "other", "other"), ask(wire.Rename, denied, "/", "x"), ask(wire.Rename, denied, "other", "/"),
			ask(wire.Rename, ok, "dangling", "still"), ask(wire.Readlink, 1000, "still"),
		}},
		"a directory stays out of itself": {reqs: []req{
			ask(wire.Rename, bad, "dir", "dir/sub"), posix(bad, "dir", "dir/sub"), ask(wire.Lstat, 1000, "dir/in"),
		}},
		"posix-rename replaces": {left: "contents", reqs: []req{
			posix(ok, "file", "other"), posix(no, "file", "other"), posix(ok, "other", "other"), posix(fail, "other", "dir"),
			posix(fail, "other", "empty"), posix(no, "dir", "other"), posix(ok, "dir", "empty"), ask(wire.Lstat, 1000, "empty/in"),
			ask(wire.Mkdir, ok, "dir", none), posix(fail, "dir", "empty"), posix(ok, "link", "dangling"),
		}},
		"symlinks": {reqs: []req{
			ask(wire.Symlink, fail, "x", "file"), ask(wire.Symlink, no, "x", "no/link"), ask(wire.Readlink, bad, "file"),
			ask(wire.Readlink, no, "nothing"), ask(wire.Readlink, 1000, "loop"), ask(wire.Lstat, 1000, "loop"),
			ask(wire.Stat, no, "dangling"), ask(wire.Symlink, fail, "x", "/"), ask(wire.Symlink, ok, "/../../etc", "up"),
			ask(wire.Stat, no, "up"), ask(wire.Stat, fail, "loop"),
		}},
		"not there": {reqs: []req{
			ask(wire.Stat, no, "no"), ask(wire.Lstat, no, "no"), ask(wire.Stat, no, "file/x"), ask(wire.Opendir, no, "no"),
			ask(wire.Opendir, no, "file"), ask(wire.Setstat, no, "no", none), ask(wire.Setstat, no, "no", wire.Attrs{Flags: wire.AttrTimes}),
			ask(wire.Extended, no, wire.ExtStatVFS, "no"), ask(wire.Extended, no, wire.ExtLsetstat, "no", wire.Attrs{Flags: wire.AttrTimes}),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := world(t)
			for _, q := range tt.reqs {
				r := c.ask(q.typ, q.fields...)
				got := aHandle
				if r.kind == wire.StatusReply {
					got = wire.Status(r.Uint32())
				}
				if got != q.want {
					t.Errorf("%v %q: %d %q, want %d", q.typ, q.fields, got, r.Bytes(), q.want)
				}
			}
			want := "others"
			if tt.left != "" {
				want = tt.left
			}
			if got := c.get("other"); got != want {
				t.Errorf("other holds %q, want %q", got, want)
			}
		})
	}
}

// A slash behind its name follows a link even for LSTAT.
func TestLstatFollowsASlash(t *testing.T) {
	t.Parallel()
	c := world(t)
	for path, want := range map[string]uint32{"dirlink": 0o120777, "dirlink/": 0o040755, "/dirlink//": 0o040755, "dirlink/.": 0o040755, "dir/": 0o040755} {
		if a := c.attrs(wire.Lstat, path); a.Mode != want {
			t.Errorf("%s: mode %o, want %o", path, a.Mode, want)
		}
	}
	c.ask(wire.Lstat, "link/").status(wire.NoSuchFile) // it leads to a file
	c.ask(wire.Lstat, "dangling/").status(wire.NoSuchFile)
	c.ask(wire.Lstat, "loop/").status(wire.Failure)
}

// A slash behind a name says that a directory is meant. So "scp file host:dir/"
// makes no file "dir" where the directory is missing, and "rm link/" leaves the
// link. The answers are those of OpenSSH's server, but that a name which is taken
// is always FAILURE.
func TestASlashMeansADirectory(t *testing.T) {
	t.Parallel()
	posix := func(from, to string) []any { return []any{wire.ExtPosixRename, from, to} }
	link := func(from, to string) []any { return []any{wire.ExtHardlink, from, to} }
	const ok, no, fail = wire.OK, wire.NoSuchFile, wire.Failure
	mode := wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o700}
	for _, tt := range []struct {
		want   wire.Status
		typ    wire.Type
		fields []any
	}{
		{fail, wire.Open, []any{"new/", wr | creat, wire.Attrs{}}},
		{fail, wire.Open, []any{"new/.", rd | creat | excl, wire.Attrs{}}},
		{no, wire.Stat, []any{"file/"}},
		{no, wire.Stat, []any{"link/."}},
		{no, wire.Opendir, []any{"file/"}},
		{no, wire.Setstat, []any{"file/", mode}},
		{ok, wire.Setstat, []any{"dirlink/", mode}},
		{no, wire.Extended, []any{wire.ExtLsetstat, "link/", mode}},
		{no, wire.Extended, []any{wire.ExtStatVFS, "file/"}},
		{no, wire.Remove, []any{"file/"}},
		{no, wire.Remove, []any{"link/"}},
		{no, wire.Remove, []any{"dirlink/"}},
		{no, wire.Remove, []any{"dangling/"}},
		{fail, wire.Remove, []any{"dir/"}},
		{no, wire.Remove, []any{"new/"}},
		{no, wire.Rmdir, []any{"dirlink/"}},
		{ok, wire.Rmdir, []any{"empty/"}},
		{ok, wire.Mkdir, []any{"new/", wire.Attrs{}}},
		{fail, wire.Mkdir, []any{"file/", wire.Attrs{}}},
		{no, wire.Rename, []any{"file/", "new"}},
		{no, wire.Rename, []any{"link/", "new"}},
		{no, wire.Rename, []any{"dirlink/", "new"}},
		{no, wire.Rename, []any{"file", "new/"}},
		{no, wire.Rename, []any{"dirlink", "new/"}},
		{ok, wire.Rename, []any{"dir/", "new/"}},
		{fail, wire.Rename, []any{"file", "dir/"}},
		{fail, wire.Rename, []any{"file", "other/"}},
		{no, wire.Extended, posix("file", "new/")},
		{no, wire.Extended, posix("file", "other/")},
		{no, wire.Extended, posix("file/", "new")},
		{no, wire.Extended, posix("dirlink/", "new")},
		{no, wire.Extended, posix("file", "dirlink/")},
		{no, wire.Extended, posix("dir", "dirlink/")},
		{ok, wire.Extended, posix("dir", "empty/")},
		{ok, wire.Extended, posix("dir/", "new/")},
		{no, wire.Extended, link("file/", "new")},
		{no, wire.Extended, link("file", "new/")},
		{fail, wire.Extended, link("file", "dir/")},
		{no, wire.Symlink, []any{"text", "new/"}},
		{fail, wire.Symlink, []any{"text", "dir/"}},
		{fail, wire.Symlink, []any{"text", "file/"}},
	} {
		t.Run(fmt.Sprintf("%v %q", tt.typ, tt.fields), func(t *testing.T) {
			c := world(t)
			c.ask(tt.typ, tt.fields...).status(tt.want)
			if tt.want == wire.OK {
				return
			}
			for name, mode := range map[string]uint32{"file": 0o100644, "other": 0o100644, "dir": 0o040755, "empty": 0o040755, "link": 0o120777, "dirlink": 0o120777, "dangling": 0o120777} {
				if a := c.attrs(wire.Lstat, name); a.Mode != mode {
					t.Errorf("%s has mode %o afterwards", name, a.Mode)
				}
			}
			c.ask(wire.Lstat, "new").status(wire.NoSuchFile)
		})
	}
}

func TestSetstat(t *testing.T) {
	t.Parallel()
	c := world(t)
	set := func(name string, want wire.Status, a wire.Attrs) {
		t.Helper()
		c.ask(wire.Setstat, name, a).status(want)
	}
	set("file", wire.OK, wire.Attrs{})
	set("file", wire.OK, wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o100640})
	set("file", wire.OK, wire.Attrs{Flags: wire.AttrUIDGID, UID: 1000, GID: 1001})
	set("file", wire.OK, wire.Attrs{Flags: wire.AttrTimes, Atime: 1, Mtime: 1<<32 - 1})
	if a := c.attrs(wire.Stat, "file"); a.Mode != 0o100640 || a.UID != 1000 || a.GID != 1001 || a.Atime != 1 || a.Mtime != 1<<32-1 || a.Size != 8 {
		t.Errorf("%+v", a)
	}
	set("file", wire.OK, wire.Attrs{Flags: wire.AttrSize, Size: 3})
	if got := c.get("file"); got != "con" {
		t.Errorf("cut to %q", got)
	}
	set("file", wire.OK, wire.Attrs{Flags: wire.AttrSize, Size: 5})
	if got := c.get("file"); got != "con\x00\x00" {
		t.Errorf("grown to %q", got)
	}
	set("file", wire.BadMessage, wire.Attrs{Flags: wire.AttrSize, Size: 1 << 63})
	set("dir", wire.OK, wire.Attrs{Flags: wire.AttrPermissions | wire.AttrTimes, Mode: 0o700, Atime: 5, Mtime: 6})
	if a := c.attrs(wire.Stat, "dir"); a.Mode != 0o040700 || a.Mtime != 6 {
		t.Errorf("%+v", a)
	}
	// Links: SETSTAT goes through them, lsetstat does not.
	set("link", wire.OK, wire.Attrs{Flags: wire.AttrTimes, Atime: 7, Mtime: 8})
	c.ask(wire.Extended, wire.ExtLsetstat, "link", wire.Attrs{Flags: wire.AttrTimes, Atime: 9, Mtime: 10}).status(wire.OK)
	if a, l := c.attrs(wire.Stat, "link"), c.attrs(wire.Lstat, "link"); a.Mtime != 8 || l.Mtime != 10 || l.Mode != 0o120777 {
		t.Errorf("target %+v, link %+v", a, l)
	}
	set("/", wire.OK, wire.Attrs{})
}

func TestFsetstat(t *testing.T) {
	t.Parallel()
	c := world(t)
	h := slices.Clone(c.ask(wire.Open, "file", rd|wr, uint32(0)).handle())
	c.ask(wire.Fsetstat, h, wire.Attrs{}).status(wire.OK)
	c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o600}).status(wire.OK)
	c.ask(wire.Write, h, 8, " and more").status(wire.OK)
	c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrSize | wire.AttrTimes, Size: 12, Atime: 1, Mtime: 2}).status(wire.OK)
	r := c.ask(wire.Fstat, h).is(wire.AttrsReply)
	if a := r.Attrs(); a.Size != 12 || a.Mode != 0o100600 || a.Mtime != 2 {
		t.Errorf("fstat %+v", a)
	}
	if a := c.attrs(wire.Stat, "file"); a.Size != 12 { // seen before the commit, on this node
		t.Errorf("stat %+v", a)
	}
	c.ask(wire.Close, h).status(wire.OK)
	if a := c.attrs(wire.Stat, "file"); a.Size != 12 || a.Mode != 0o100600 || a.Atime != 1 || a.Mtime != 2 {
		t.Errorf("committed %+v", a)
	}
	if got := c.get("file"); got != "contents and" {
		t.Errorf("contents %q", got)
	}
}

func TestHandlesAreObjects(t *testing.T) {
	t.Parallel()
	c := world(t)
	h := slices.Clone(c.ask(wire.Open, "file", rd|wr, uint32(0)).handle())
	c.ask(wire.Rename, "file", "moved").status(wire.OK)
	c.put("file", "an impostor")
	c.ask(wire.Write, h, 0, "CON").status(wire.OK)
	c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o600}).status(wire.OK)
	c.ask(wire.Close, h).status(wire.OK)
	if got := c.get("moved"); got != "CONtents" {
		t.Errorf("moved holds %q", got)
	}
	if got := c.get("file"); got != "an impostor" {
		t.Errorf("file holds %q", got)
	}
	// A removed file goes on under its handle, and comes back nowhere.
	h = slices.Clone(c.ask(wire.Open, "moved", rd|wr, uint32(0)).handle())
	c.ask(wire.Remove, "moved").status(wire.OK)
	c.ask(wire.Write, h, 0, "xyz").status(wire.OK)
	if got := string(c.ask(wire.Read, h, 0, uint32(99)).data()); got != "xyztents" {
		t.Errorf("removed file reads %q", got)
	}
	c.ask(wire.Close, h).status(wire.OK)
	if got := c.get("moved"); got != "status 2" {
		t.Errorf("removed file is %q", got)
	}
}

func TestNothingIsCommittedWithoutClose(t *testing.T) {
	t.Parallel()
	tr := newTree(t, newStore(t))
	c := converse(t, tr)
	c.put("old", "whole")
	h := slices.Clone(c.ask(wire.Open, "old", wr|trunc, uint32(0)).handle())
	c.ask(wire.Write, h, 0, "ha").status(wire.OK)
	h = slices.Clone(c.create("synced"))
	c.ask(wire.Write, h, 0, "safe").status(wire.OK)
	c.ask(wire.Extended, wire.ExtFsync, h).status(wire.OK)
	c.ask(wire.Write, h, 4, " and lost").status(wire.OK)
	c.create("new")
	if err := c.hangUp(); err != nil {
		t.Fatal(err)
	}
	c = converse(t, tr)
	for name, want := range map[string]string{"old": "whole", "synced": "safe", "new": "status 2"} {
		if got := c.get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	c := world(t)
	const many = 1500
	c.ask(wire.Mkdir, "big", uint32(0)).status(wire.OK)
	var want []string
	for i := range many {
		name := fmt.Sprintf("entry-%06d", i)
		want = append(want, name)
		c.ask(wire.Symlink, "x", "big/"+name).status(wire.OK)
	}
	h := slices.Clone(c.ask(wire.Opendir, "big").handle())
	c.ask(wire.Remove, "big/"+want[many-1]).status(wire.OK) // the listing is of one version
	var got []string
	replies := 0
	for {
		r := c.ask(wire.Readdir, h)
		if r.kind == wire.StatusReply {
			r.status(wire.EOF)
			break
		}
		replies++
		r.is(wire.NameReply)
		for n := r.Uint32(); n > 0; n-- {
			name, long, a := string(r.Bytes()), string(r.Bytes()), r.Attrs()
			got = append(got, name)
			if !strings.HasSuffix(long, " "+name) || a.Mode&wire.ModeType == 0 {
				t.Fatalf("%q %q %o", name, long, a.Mode)
			}
		}
		r.Uint32()
	}
	c.ask(wire.Readdir, h).status(wire.EOF)
	c.ask(wire.Close, h).status(wire.OK)
	if got[0] != "." || got[1] != ".." {
		t.Errorf("starts with %q", got[:2])
	}
	if got = got[2:]; len(got) != many && len(got) != many-1 || !slices.Equal(got[:many-1], want[:many-1]) {
		t.Errorf("%d entries, or others", len(got))
	}
	if replies > many*150/namesPerReply+1 {
		t.Errorf("%d replies", replies)
	}
	h = slices.Clone(c.ask(wire.Opendir, "empty").handle())
	r := c.ask(wire.Readdir, h).is(wire.NameReply)
	if n := r.Uint32(); n != 2 {
		t.Errorf("empty directory lists %d", n)
	}
	c.ask(wire.Readdir, h).status(wire.EOF)
}

// A file that is being written is listed, and has its size.
func TestPendingFilesAreListed(t *testing.T) {
	t.Parallel()
	c := world(t)
	h := slices.Clone(c.create("dir/pending"))
	c.ask(wire.Write, h, 0, "half").status(wire.OK)
	if got := c.list("dir"); !slices.Equal(got, []string{"in", "pending"}) {
		t.Errorf("listed %q", got)
	}
	if a := c.attrs(wire.Stat, "dir/pending"); a.Size != 4 || a.Mode != 0o100644 {
		t.Errorf("%+v", a)
	}
}

func TestReadOnlyTree(t *testing.T) {
	t.Parallel()
	fs := newStore(t)
	root, err := fs.CreateRoot(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	mount := func(c caps.Cap) tree {
		m, err := fs.Mount(t.Context(), c, filestore.MountOptions{Source: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return mounted{m}
	}
	w := converse(t, mount(root))
	w.put("file", "contents")
	w.ask(wire.Mkdir, "dir", uint32(0)).status(wire.OK)
	c := converse(t, mount(root.Read()))
	if a := c.attrs(wire.Stat, "dir"); a.Mode != 0o040555 {
		t.Errorf("mode of a directory: %o", a.Mode)
	}
	if a := c.attrs(wire.Stat, "file"); a.Mode != 0o100444 {
		t.Errorf("mode of a file: %o", a.Mode)
	}
	if got := c.get("file"); got != "contents" {
		t.Errorf("contents %q", got)
	}
	const denied = wire.PermissionDenied
	c.ask(wire.Open, "file", wr, uint32(0)).status(denied)
	c.ask(wire.Open, "new", wr|creat, uint32(0)).status(denied)
	c.ask(wire.Open, "new", rd|creat, uint32(0)).status(denied)
	c.ask(wire.Mkdir, "new", uint32(0)).status(denied)
	c.ask(wire.Rmdir, "dir").status(denied)
	c.ask(wire.Remove, "file").status(denied)
	c.ask(wire.Rename, "file", "new").status(denied)
	c.ask(wire.Extended, wire.ExtPosixRename, "file", "new").status(denied)
	c.ask(wire.Symlink, "x", "new").status(denied)
	c.ask(wire.Setstat, "file", wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o600}).status(denied)
	r := c.ask(wire.Extended, wire.ExtStatVFS, "/").is(wire.ExtendedReply)
	if v := vfs(&r); v[9]&wire.StatVFSReadOnly == 0 || v[10] != 255 || v[0] != v[1] {
		t.Errorf("statvfs %v", v)
	}
	r = w.ask(wire.Extended, wire.ExtStatVFS, "/").is(wire.ExtendedReply)
	if v := vfs(&r); v[9]&wire.StatVFSReadOnly != 0 || v[2] < v[3] || v[3] == 0 {
		t.Errorf("statvfs %v", v)
	}
}

// vfs reads the eleven numbers of a statvfs reply.
func vfs(r *reply) (v [11]uint64) {
	for i := range v {
		v[i] = r.Uint64()
	}
	if r.Bad() || len(r.Rest()) != 0 {
		r.t.Errorf("reply too short or too long")
	}
	return v
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c := world(t)
	r := c.ask(wire.Extended, wire.ExtLimits).is(wire.ExtendedReply)
	if p, rd, wr, h := r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(); p != 262144 || rd != 261120 || wr != 261120 || h != 16 {
		t.Errorf("limits %d %d %d %d", p, rd, wr, h)
	}
}
