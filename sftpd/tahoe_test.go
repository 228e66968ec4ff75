package sftpd

import (
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

// The scenarios in which Tahoe-LAFS's SFTP server surprises its users, by their
// numbers in docs/tahoe-sftp.md; the 14th, about keys, is TestGoodLines of
// package accounts.
func TestTahoeScenarios(t *testing.T) {
	t.Parallel()
	none := uint32(0)
	for name, scenario := range map[string]func(*testing.T, *talk){
		"1 connection dropped in mid-write over a file": func(t *testing.T, c *talk) {
			again := converse(t, c.s.tree)
			h := slices.Clone(c.ask(wire.Open, "file", wr|creat|trunc, none).handle())
			c.ask(wire.Write, h, 0, "par").status(wire.OK)
			if err := c.hangUp(); err != nil {
				t.Error(err)
			}
			if got := again.get("file"); got != "contents" {
				t.Errorf("the file holds %q", got)
			}
		},
		"2 ftruncate and nothing else": func(t *testing.T, c *talk) {
			h := slices.Clone(c.ask(wire.Open, "file", wr, none).handle())
			c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrSize, Size: 3}).status(wire.OK)
			c.ask(wire.Close, h).status(wire.OK)
			if got := c.get("file"); got != "con" {
				t.Errorf("the file holds %q", got)
			}
			h = slices.Clone(c.ask(wire.Open, "file", wr, none).handle())
			c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrPermissions | wire.AttrTimes, Mode: 0o600, Atime: 5, Mtime: 6}).status(wire.OK)
			c.ask(wire.Close, h).status(wire.OK)
			if a := c.attrs(wire.Stat, "file"); a.Mode != 0o100600 || a.Mtime != 6 {
				t.Errorf("%+v", a)
			}
		},
		"3 utimes of a file without w": func(t *testing.T, c *talk) {
			c.ask(wire.Setstat, "file", perms(0o444)).status(wire.OK)
			c.ask(wire.Setstat, "file", times(1000000000)).status(wire.OK)
			c.ask(wire.Setstat, "file", wire.Attrs{}).status(wire.OK)
			c.ask(wire.Setstat, "file", wire.Attrs{Flags: wire.AttrUIDGID, UID: 1, GID: 1}).status(wire.OK)
			if a := c.attrs(wire.Stat, "file"); a.Mode != 0o100444 || a.Mtime != 1000000000 {
				t.Errorf("%+v", a)
			}
			c.ask(wire.Open, "file", wr, none).status(wire.PermissionDenied)
		},
		"4 rmdir of a directory that isn't empty": func(t *testing.T, c *talk) {
			c.ask(wire.Rmdir, "dir").status(wire.Failure)
			if got := c.get("dir/in"); got != "inside" {
				t.Errorf("dir/in holds %q", got)
			}
		},
		"5 mv of a directory into its own child": func(t *testing.T, c *talk) {
			c.ask(wire.Mkdir, "dir/child", none).status(wire.OK)
			c.ask(wire.Rename, "dir", "dir/child/dir").status(wire.BadMessage) // as OpenSSH for EINVAL
			c.ext(wire.ExtPosixRename, "dir", "dir/child/dir").status(wire.BadMessage)
			if got := c.get("dir/in"); got != "inside" {
				t.Errorf("dir/in holds %q", got)
			}
		},
		"6 posix-rename of a file over a full directory": func(t *testing.T, c *talk) {
			c.ext(wire.ExtPosixRename, "file", "dir").status(wire.Failure)
			c.ext(wire.ExtPosixRename, "file", "empty").status(wire.Failure)
			c.ext(wire.ExtPosixRename, "empty", "file").status(wire.NoSuchFile) // as OpenSSH for ENOTDIR
			c.ext(wire.ExtPosixRename, "empty", "dir").status(wire.Failure)
			c.ext(wire.ExtPosixRename, "dir", "empty").status(wire.OK)
			if got := c.get("empty/in"); got != "inside" {
				t.Errorf("empty/in holds %q", got)
			}
		},
		"8 READ and CREAT without a write": func(t *testing.T, c *talk) {
			c.ask(wire.Setstat, "file", times(1000000000)).status(wire.OK)
			before := c.attrs(wire.Stat, "file")
			h := slices.Clone(c.ask(wire.Open, "file", rd|wr|creat, none).handle())
			c.ask(wire.Close, h).status(wire.OK)
			h = slices.Clone(c.ask(wire.Open, "file", rd|creat, none).handle())
			c.ask(wire.Close, h).status(wire.OK)
			if after := c.attrs(wire.Stat, "file"); after != before {
				t.Errorf("%+v became %+v", before, after)
			}
		},
		"9 two writers of one file": func(t *testing.T, c *talk) {
			d := converse(t, c.s.tree)
			a := slices.Clone(c.ask(wire.Open, "file", wr, none).handle())
			b := slices.Clone(d.ask(wire.Open, "file", wr, none).handle())
			c.ask(wire.Write, a, 0, "CON").status(wire.OK)
			d.ask(wire.Write, b, 5, "NTS").status(wire.OK)
			c.ask(wire.Close, a).status(wire.OK)
			d.ask(wire.Close, b).status(wire.OK)
			if got := c.get("file"); got != "CONteNTS" {
				t.Errorf("the file holds %q", got)
			}
		},
		"10 ls while a file is being made": func(t *testing.T, c *talk) {
			d := converse(t, c.s.tree)
			h := slices.Clone(c.create("new"))
			c.ask(wire.Write, h, 0, "half").status(wire.OK)
			if !slices.Contains(c.list("/"), "new") || !slices.Contains(d.list("/"), "new") {
				t.Error("it is not listed")
			}
			if a := d.attrs(wire.Stat, "new"); a.Size != 4 {
				t.Errorf("another session sees %+v", a)
			}
			if got := d.get("new"); got != "half" {
				t.Errorf("another session reads %q", got)
			}
			c.ask(wire.Close, h).status(wire.OK)
		},
		"11 truncate by path": func(t *testing.T, c *talk) {
			c.ask(wire.Setstat, "file", wire.Attrs{Flags: wire.AttrSize, Size: 4}).status(wire.OK)
			if got := c.get("file"); got != "cont" {
				t.Errorf("the file holds %q", got)
			}
		},
		"12 open EXCL with mode 0444": func(t *testing.T, c *talk) {
			h := slices.Clone(c.ask(wire.Open, "new", wr|creat|excl, perms(0o444)).handle())
			c.ask(wire.Write, h, 0, "once").status(wire.OK)
			c.ask(wire.Close, h).status(wire.OK)
			if got, a := c.get("new"), c.attrs(wire.Stat, "new"); got != "once" || a.Mode != 0o100444 {
				t.Errorf("%q, %+v", got, a)
			}
		},
		"13 odd paths": func(t *testing.T, c *talk) {
			c.ask(wire.Stat, "/uri").status(wire.NoSuchFile) // with sftpd.uri_paths: TestURIPaths
			c.ask(wire.Stat, "file/x").status(wire.NoSuchFile)
			c.ask(wire.Open, "file/x", rd, none).status(wire.NoSuchFile)
			if got := c.get("dir//in"); got != "inside" {
				t.Errorf("dir//in holds %q", got)
			}
			r := c.ask(wire.Realpath, "foo//bar").is(wire.NameReply)
			if r.Uint32(); string(r.Bytes()) != "/foo/bar" {
				t.Error("realpath keeps an empty component")
			}
		},
		"15 mkdir of an existing name": func(t *testing.T, c *talk) {
			c.ask(wire.Mkdir, "dir", none).status(wire.Failure)
			c.ask(wire.Mkdir, "file", none).status(wire.Failure)
			c.ask(wire.Mkdir, "no/such/parent", none).status(wire.NoSuchFile)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, world(t))
		})
	}
}

// The seventh: whatever changes something in a read-only directory is denied,
// and no internals are told.
func TestTahoeReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.s.diminish = true
	c.ask(wire.Setstat, "dir", perms(0o555)).status(wire.OK)
	none := uint32(0)
	for _, l := range []line{
		say(0, wire.Mkdir, "dir/new", none), say(0, wire.Rmdir, "dir/in"), say(0, wire.Remove, "dir/in"), say(0, wire.Remove, "dir/no"),
		say(0, wire.Rename, "dir/in", "out"), say(0, wire.Rename, "file", "dir/new"), say(0, wire.Extended, wire.ExtPosixRename, "file", "dir/in"),
		say(0, wire.Open, "dir/new", wr|creat, none), say(0, wire.Open, "dir/in", wr, none), say(0, wire.Open, "dir/in", wr|trunc, none),
		say(0, wire.Setstat, "dir/in", perms(0o600)), say(0, wire.Setstat, "dir/in", times(5)), say(0, wire.Setstat, "dir/in", wire.Attrs{Flags: wire.AttrSize}),
		say(0, wire.Symlink, "x", "dir/new"), say(0, wire.Extended, wire.ExtHardlink, "file", "dir/new"), say(0, wire.Extended, wire.ExtLsetstat, "dir/in", times(5)),
	} {
		r := c.ask(l.typ, l.fields...)
		code, text := wire.Status(r.Uint32()), string(r.Bytes())
		if r.kind != wire.StatusReply || code != wire.PermissionDenied && !(code == wire.NoSuchFile && l.fields[0] == "dir/no") {
			t.Errorf("%v %q: %d %q", l.typ, l.fields, code, text)
		}
		if strings.ContainsAny(text, "{}[]") || strings.Contains(text, "URI:") {
			t.Errorf("%v %q: the client is told %q", l.typ, l.fields, text)
		}
	}
	if got := c.get("dir/in"); got != "inside" {
		t.Errorf("dir/in holds %q", got)
	}
}
