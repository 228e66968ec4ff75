package sftpd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

// Sessions of clients that don't run here, packet by packet as their authors and
// their logs describe them: what they send, in that order, and the code that
// they go on with. What they would be told otherwise is "upload failed".

// line is one request of a replay. A handle of an OPEN or OPENDIR is kept under
// its number, and used where a fieldOf names it.
type line struct {
	typ    wire.Type
	fields []any
	want   wire.Status // aHandle for any reply that is no STATUS
}

// handleNo stands for the n-th handle of a replay.
type handleNo int

func say(want wire.Status, typ wire.Type, fields ...any) line { return line{typ, fields, want} }

// replay sends the lines one after another.
func (c *talk) replay(lines ...line) {
	c.t.Helper()
	var handles [][]byte
	for n, l := range lines {
		for i, f := range l.fields {
			if k, ok := f.(handleNo); ok {
				l.fields[i] = handles[k]
			}
		}
		r := c.ask(l.typ, l.fields...)
		got := aHandle
		switch r.kind {
		case wire.StatusReply:
			got = wire.Status(r.Uint32())
		case wire.HandleReply:
			handles = append(handles, slices.Clone(r.Bytes()))
		}
		if got != l.want {
			c.t.Fatalf("line %d, %v %q: %d, want %d", n, l.typ, l.fields, got, l.want)
		}
	}
}

// gone checks that nothing of a session is left open.
func (c *talk) gone() {
	c.t.Helper()
	if n := c.s.handles.open; n != 0 {
		c.t.Errorf("%d handles are left open", n)
	}
}

const (
	done     = wire.OK
	missing  = wire.NoSuchFile
	forbid   = wire.PermissionDenied
	failure  = wire.Failure
	theEnd   = wire.EOF
	anything = aHandle
)

func perms(mode uint32) wire.Attrs { return wire.Attrs{Flags: wire.AttrPermissions, Mode: mode} }

func times(at uint32) wire.Attrs { return wire.Attrs{Flags: wire.AttrTimes, Atime: at, Mtime: at} }

// WinSCP uploads under name.filepart, sets the attributes by path when the handle
// is closed, and replaces the old file by REMOVE and RENAME (trap 1). Since 6.5
// its OPEN tells the size (trap 3).
func TestReplayWinSCP(t *testing.T) {
	t.Parallel()
	c := world(t)
	data := strings.Repeat("0123456789", 20000)
	size := wire.Attrs{Flags: wire.AttrSize | wire.AttrPermissions, Size: uint64(len(data)), Mode: 0o644}
	c.replay(
		say(anything, wire.Realpath, "."),
		say(anything, wire.Opendir, "/"), say(anything, wire.Readdir, handleNo(0)), say(theEnd, wire.Readdir, handleNo(0)), say(done, wire.Close, handleNo(0)),
		say(anything, wire.Lstat, "/file"),
		say(missing, wire.Lstat, "/file.filepart"),
		say(anything, wire.Open, "/file.filepart", wr|creat|trunc, size),
		say(done, wire.Write, handleNo(1), 0, data[:32000]),
		say(done, wire.Write, handleNo(1), 32000, data[32000:64000]),
		// The user breaks off here, and resumes: WRITE alone, no TRUNC, no APPEND.
		say(done, wire.Close, handleNo(1)),
		say(anything, wire.Lstat, "/file.filepart"),
		say(anything, wire.Open, "/file.filepart", wr, size),
		say(done, wire.Write, handleNo(2), 64000, data[64000:]),
		say(done, wire.Close, handleNo(2)),
		say(done, wire.Setstat, "/file.filepart", wire.Attrs{Flags: wire.AttrPermissions | wire.AttrTimes, Mode: 0o640, Atime: 5, Mtime: 6}),
		say(failure, wire.Rename, "/file.filepart", "/file"),
		say(done, wire.Remove, "/file"),
		say(done, wire.Rename, "/file.filepart", "/file"),
		say(anything, wire.Stat, "/file"),
	)
	if a := c.attrs(wire.Stat, "/file"); a.Size != uint64(len(data)) || a.Mode != 0o100640 || a.Mtime != 6 {
		t.Errorf("%+v", a)
	}
	if got := c.get("/file"); got != data[:1000] {
		t.Errorf("begins with %.20q", got)
	}
	// A background queue opens sessions of its own; its move to the recycle bin.
	c.replay(
		say(done, wire.Mkdir, "/recycle", uint32(0)),
		say(done, wire.Rename, "/file", "/recycle/file-20260615-120000"),
		say(missing, wire.Stat, "/file"),
		say(anything, wire.Extended, wire.ExtCheckFileName, "/other", "sha-1", 0, 0, uint32(0)),
	)
	c.gone()
}

// FileZilla reads the first letter of the long name, resumes by the size that
// FSTAT tells, and removes trees depth first (trap 8).
func TestReplayFileZilla(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.replay(
		say(anything, wire.Realpath, "."),
		say(anything, wire.Opendir, "/"), say(anything, wire.Readdir, handleNo(0)), say(theEnd, wire.Readdir, handleNo(0)), say(done, wire.Close, handleNo(0)),
		// "dir" is asked for by changing into it.
		say(anything, wire.Realpath, "/dir"), say(anything, wire.Opendir, "/dir"), say(done, wire.Close, handleNo(1)),
		say(missing, wire.Opendir, "/file"),
		// A resumed upload.
		say(anything, wire.Open, "/file", wr, uint32(0)), say(anything, wire.Fstat, handleNo(2)),
		say(done, wire.Write, handleNo(2), 8, " and more"), say(done, wire.Close, handleNo(2)),
		say(done, wire.Setstat, "/file", times(1000000000)),
		// A resumed download, with reads beyond the end in flight.
		say(anything, wire.Open, "/file", rd, uint32(0)), say(anything, wire.Fstat, handleNo(3)),
		say(anything, wire.Read, handleNo(3), 8, uint32(32768)), say(theEnd, wire.Read, handleNo(3), 32776, uint32(32768)), say(done, wire.Close, handleNo(3)),
		say(done, wire.Setstat, "/file", perms(0o755)),
		// A dragged tree: mkdir of what may be there.
		say(failure, wire.Mkdir, "/dir", uint32(0)), say(done, wire.Mkdir, "/dir/new", uint32(0)),
		say(anything, wire.Open, "/dir/new/f", wr|creat|trunc, uint32(0)), say(done, wire.Close, handleNo(4)),
		// And removed again.
		say(failure, wire.Rmdir, "/dir"), say(done, wire.Remove, "/dir/new/f"), say(done, wire.Rmdir, "/dir/new"),
		say(done, wire.Remove, "/dir/in"), say(done, wire.Rmdir, "/dir"),
	)
	if got := c.get("/file"); got != "contents and more" {
		t.Errorf("holds %q", got)
	}
	if a := c.attrs(wire.Stat, "/file"); a.Mode != 0o100755 || a.Mtime != 1000000000 {
		t.Errorf("%+v", a)
	}
	c.gone()
}

// Cyberduck uploads under a temporary name and renames, by posix-rename where it
// is offered; its duplicate is a copy by copy-data or through the client.
func TestReplayCyberduck(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.replay(
		say(anything, wire.Realpath, ""),
		say(missing, wire.Lstat, "/up.tmp"),
		say(anything, wire.Open, "/up.tmp", wr|creat|trunc, perms(0o644)),
		say(done, wire.Write, handleNo(0), 0, "uploaded"),
		say(done, wire.Close, handleNo(0)),
		say(done, wire.Setstat, "/up.tmp", perms(0o644)),
		say(done, wire.Setstat, "/up.tmp", times(7)),
		say(failure, wire.Rename, "/up.tmp", "/file"),
		say(done, wire.Extended, wire.ExtPosixRename, "/up.tmp", "/file"),
		say(anything, wire.Open, "/file", rd, uint32(0)),
		say(anything, wire.Open, "/file copy", wr|creat|excl, uint32(0)),
		say(done, wire.Extended, wire.ExtCopyData, handleNo(1), 0, 0, handleNo(2), 0),
		say(done, wire.Close, handleNo(2)), say(done, wire.Close, handleNo(1)),
		say(anything, wire.Extended, wire.ExtStatVFS, "/"),
		say(done, wire.Symlink, "file", "/alias"),
		say(anything, wire.Readlink, "/alias"),
	)
	if a, b := c.get("/file"), c.get("/file copy"); a != "uploaded" || b != a {
		t.Errorf("%q and %q", a, b)
	}
	c.gone()
}

// vscode-sftp sets the mode before it writes, writes many chunks at once in any
// order, and sets the times after (trap 4). Its mkdir -p goes on at code 4 only
// (trap 7).
func TestReplayVSCode(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.replay(
		say(failure, wire.Mkdir, "/dir", uint32(0)), say(done, wire.Mkdir, "/dir/src", uint32(0)), say(missing, wire.Mkdir, "/no/src", uint32(0)),
		say(anything, wire.Open, "/dir/src/a.ts", wr|creat|trunc, perms(0o666)),
		say(done, wire.Fsetstat, handleNo(0), perms(0o600)),
		say(done, wire.Write, handleNo(0), 6, "ghi"), say(done, wire.Write, handleNo(0), 0, "abc"), say(done, wire.Write, handleNo(0), 3, "def"),
		say(done, wire.Fsetstat, handleNo(0), times(99)),
		say(done, wire.Fsetstat, handleNo(0), wire.Attrs{Flags: wire.AttrUIDGID, UID: 1000, GID: 1000}),
		say(done, wire.Close, handleNo(0)),
		say(done, wire.Setstat, "/dir/src/a.ts", times(100)),
	)
	if got := c.get("/dir/src/a.ts"); got != "abcdefghi" {
		t.Errorf("holds %q", got)
	}
	if a := c.attrs(wire.Stat, "/dir/src/a.ts"); a.Mode != 0o100600 || a.Mtime != 100 || a.UID != 1000 {
		t.Errorf("%+v", a)
	}
	c.gone()
}

// gvfs saves as editors do: an exclusive temporary file beside the old one, its
// mode, and a RENAME that fails by code 4, whereupon it removes and renames
// (trap 7). It asks LSTAT of everything, also of what is being written.
func TestReplayGvfs(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.replay(
		say(anything, wire.Lstat, "/file"), say(anything, wire.Stat, "/file"),
		say(failure, wire.Open, "/file", wr|creat|excl, perms(0o666)),
		say(anything, wire.Open, "/.giosaveX1Y2Z3", wr|creat|excl, perms(0o600)),
		say(anything, wire.Fstat, handleNo(0)),
		say(done, wire.Write, handleNo(0), 0, "saved"),
		say(anything, wire.Lstat, "/.giosaveX1Y2Z3"),
		say(done, wire.Close, handleNo(0)),
		say(done, wire.Setstat, "/.giosaveX1Y2Z3", wire.Attrs{Flags: wire.AttrPermissions | wire.AttrUIDGID, Mode: 0o644, UID: 0, GID: 0}),
		say(done, wire.Rename, "/file", "/file~"),
		say(done, wire.Rename, "/.giosaveX1Y2Z3", "/file"),
		say(anything, wire.Lstat, "/file"),
		say(done, wire.Remove, "/file~"),
		say(missing, wire.Lstat, "/.hidden"), say(missing, wire.Opendir, "/.Trash-1000"),
	)
	if got := c.get("/file"); got != "saved" {
		t.Errorf("holds %q", got)
	}
	c.gone()
}

// sshfs opens READ+WRITE+CREAT without TRUNC by default, has unlinked files go
// on, and may ask for a path whose CLOSE is still under way (trap 13).
func TestReplaySSHFS(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.replay(
		say(missing, wire.Lstat, "/new"),
		say(anything, wire.Open, "/new", rd|wr|creat, perms(0o100644)),
		say(anything, wire.Lstat, "/new"),
		say(done, wire.Write, handleNo(0), 0, "first"),
		say(anything, wire.Read, handleNo(0), 0, uint32(65536)),
		say(done, wire.Extended, wire.ExtFsync, handleNo(0)),
		say(done, wire.Rename, "/new", "/renamed"), // while it is open
		say(done, wire.Write, handleNo(0), 5, " second"),
		say(done, wire.Close, handleNo(0)),
		say(anything, wire.Lstat, "/renamed"),
		// rename over what is there: by posix-rename, or by a dance of three.
		say(failure, wire.Rename, "/other", "/renamed"),
		say(done, wire.Extended, wire.ExtPosixRename, "/other", "/renamed"),
		// unlink-open
		say(anything, wire.Open, "/renamed", rd|wr, uint32(0)),
		say(done, wire.Remove, "/renamed"),
		say(done, wire.Write, handleNo(1), 0, "OTHERS"), say(anything, wire.Read, handleNo(1), 0, uint32(10)),
		say(anything, wire.Fstat, handleNo(1)),
		say(done, wire.Fsetstat, handleNo(1), wire.Attrs{Flags: wire.AttrSize, Size: 2}),
		say(done, wire.Close, handleNo(1)),
		say(missing, wire.Lstat, "/renamed"),
		// its lock files and directories
		say(done, wire.Mkdir, "/lock.exclusive", perms(0o700)), say(failure, wire.Mkdir, "/lock.exclusive", perms(0o700)),
		say(done, wire.Rename, "/lock.exclusive", "/lock.gone"), say(done, wire.Rmdir, "/lock.gone"),
		say(done, wire.Setstat, "/file", wire.Attrs{Flags: wire.AttrSize, Size: 3}),
		say(anything, wire.Extended, wire.ExtStatVFS, "/"),
	)
	if got := c.get("/file"); got != "con" {
		t.Errorf("holds %q", got)
	}
	c.gone()
}

// Scanners and PLCs write with what offsets and names they have, and rename when
// the upload is complete (minio#17326).
func TestReplayScanner(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.replay(
		say(anything, wire.Realpath, "./"),
		say(failure, wire.Mkdir, "dir/", uint32(0)),
		say(anything, wire.Open, "dir//SCAN0001.TMP", wr|creat|trunc, wire.Attrs{}),
		say(done, wire.Write, handleNo(0), 0, "page 1"), say(done, wire.Write, handleNo(0), 6, ""), say(done, wire.Write, handleNo(0), 6, "page 2"),
		say(done, wire.Close, handleNo(0)),
		say(done, wire.Rename, "dir/SCAN0001.TMP", "dir/./SCAN0001.PDF"),
		say(forbid, wire.Rmdir, "/"),
	)
	if got := c.get("dir/SCAN0001.PDF"); got != "page 1page 2" {
		t.Errorf("holds %q", got)
	}
	c.gone()
}

// What pgBackRest and others do with libssh2: a rename onto what exists must be
// code 4, whatever they know of the extension (trap 5).
func TestReplayAtomicReplace(t *testing.T) {
	t.Parallel()
	c := world(t)
	for i := range 3 {
		name := fmt.Sprintf("/archive.%d.tmp", i)
		c.replay(
			say(anything, wire.Open, name, wr|creat|trunc, perms(0o640)),
			say(done, wire.Write, handleNo(0), 0, fmt.Sprint(i)),
			say(done, wire.Extended, wire.ExtFsync, handleNo(0)),
			say(done, wire.Close, handleNo(0)),
			say(failure, wire.Rename, name, "/file"),
			say(done, wire.Extended, wire.ExtPosixRename, name, "/file"),
		)
	}
	if got := c.get("/file"); got != "2" {
		t.Errorf("holds %q", got)
	}
	c.gone()
}
