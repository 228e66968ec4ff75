package sftpd

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

func TestLongnames(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	unix := func(y int, m time.Month, d, h, min int) uint32 {
		return uint32(time.Date(y, m, d, h, min, 0, 0, time.UTC).Unix())
	}
	for _, tt := range []struct {
		a    wire.Attrs
		name string
		want string
	}{
		{
			wire.Attrs{Mode: 0o040755, Mtime: unix(2026, 1, 2, 15, 4)},
			"name",
			"drwxr-xr-x    1 0        0                  0 Jan 02 15:04 name",
		},
		{
			wire.Attrs{Mode: 0o100644, UID: 1000, GID: 100, Size: 1365402224, Mtime: unix(2026, 6, 15, 11, 59)},
			"a b",
			"-rw-r--r--    1 1000     100       1365402224 Jun 15 11:59 a b",
		},
		{wire.Attrs{Mode: 0o120777, Mtime: unix(2025, 12, 1, 0, 0)}, "old", // more than half a year ago
			"lrwxrwxrwx    1 0        0                  0 Dec 01  2025 old"},
		{
			wire.Attrs{Mode: 0o100000, Size: 1<<64 - 1, UID: 1<<32 - 1, GID: 1<<32 - 1, Mtime: unix(2027, 1, 1, 0, 0)},
			"future",
			"----------    1 4294967295 4294967295 18446744073709551615 Jan 01  2027 future",
		},
		{wire.Attrs{Mode: 0o107777}, "epoch", "-rwsrwsrwt    1 0        0                  0 Jan 01  1970 epoch"},
		{wire.Attrs{Mode: 0o107000}, "set", "---S--S--T    1 0        0                  0 Jan 01  1970 set"},
	} {
		if got := string(appendLongname(nil, &tt.a, tt.name, now)); got != tt.want {
			t.Errorf("\n got %q\nwant %q", got, tt.want)
		}
	}
}

func TestAttrsSent(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 999)
	const all = wire.AttrSize | wire.AttrUIDGID | wire.AttrPermissions | wire.AttrTimes
	for name, tt := range map[string]struct {
		in   filestore.Info
		want wire.Attrs
	}{
		"file": {
			filestore.Info{Kind: filestore.KindFile, Size: 1 << 33, Mode: 0o4644, UID: 1, GID: 2, Mtime: at, Atime: at},
			wire.Attrs{Flags: all, Size: 1 << 33, Mode: 0o104644, UID: 1, GID: 2, Mtime: 1700000000, Atime: 1700000000},
		},
		"directory": {filestore.Info{Kind: filestore.KindDir, Mode: 0o777}, wire.Attrs{Flags: all, Mode: 0o040777}},
		"symlink":   {filestore.Info{Kind: filestore.KindSymlink, Mode: 0o777, Size: 3}, wire.Attrs{Flags: all, Size: 3, Mode: 0o120777}},
		"other":     {filestore.Info{Kind: filestore.KindOther}, wire.Attrs{Flags: all, Mode: 0o100000}},
		"read-only directory": {
			filestore.Info{Kind: filestore.KindDir, Mode: 0o777, ReadOnly: true},
			wire.Attrs{Flags: all, Mode: 0o040555},
		},
		"times out of range": {
			filestore.Info{Kind: filestore.KindFile, Mtime: time.Unix(1<<40, 0), Atime: time.Unix(-5, 0)},
			wire.Attrs{Flags: all, Mode: 0o100000, Mtime: 1<<32 - 1},
		},
	} {
		if got := wireAttrs(&tt.in); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestAttrsTaken(t *testing.T) {
	t.Parallel()
	a, err := storeAttr(&wire.Attrs{
		Flags: wire.AttrSize | wire.AttrUIDGID | wire.AttrPermissions | wire.AttrTimes | wire.AttrExtended | 1<<20,
		Size:  5, UID: 6, GID: 7, Mode: 0o107644, Atime: 8, Mtime: 1<<32 - 1,
	})
	want := filestore.Attr{
		Set: filestore.AttrSize | filestore.AttrMode | filestore.AttrUID | filestore.AttrGID |
			filestore.AttrAtime | filestore.AttrMtime,
		Size: 5, UID: 6, GID: 7, Mode: 0o7644, Atime: time.Unix(8, 0), Mtime: time.Unix(1<<32-1, 0),
	}
	if err != nil || a != want {
		t.Errorf("got %+v, %v, want %+v", a, err, want)
	}
	if _, err := storeAttr(&wire.Attrs{Flags: wire.AttrSize, Size: 1 << 63}); err == nil {
		t.Error("a size beyond 2^63 is taken")
	}
}

func TestCreationLosesTheUmask(t *testing.T) {
	t.Parallel()
	s := bare(nil, nil)
	for _, tt := range []struct {
		in   wire.Attrs
		want uint32
	}{
		{wire.Attrs{}, 0o644},
		{wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o100777}, 0o755},
		{wire.Attrs{Flags: wire.AttrPermissions, Mode: 0o444}, 0o444},
		{wire.Attrs{Flags: wire.AttrPermissions}, 0},
		{wire.Attrs{Flags: wire.AttrSize, Size: 1 << 63}, 0o644}, // a size is a hint
	} {
		got := s.createAttr(&tt.in, defaultFileMode)
		if got.Mode != tt.want || got.Has(filestore.AttrSize) {
			t.Errorf("%+v: got %+v, want mode %o and no size", tt.in, got, tt.want)
		}
	}
	for srv, want := range map[*Server]uint32{{}: 0o022, {Umask: 0o077}: 0o077, {NoUmask: true}: 0} {
		if got := srv.umask(); got != want {
			t.Errorf("umask %o, want %o", got, want)
		}
	}
}
