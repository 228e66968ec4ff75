package sftpd

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

// ext sends an EXTENDED request.
func (c *talk) ext(name string, fields ...any) reply {
	c.t.Helper()
	return c.ask(wire.Extended, append([]any{name}, fields...)...)
}

func TestHardlink(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.ext(wire.ExtHardlink, "file", "dir/second").status(wire.OK)
	if got := c.get("dir/second"); got != "contents" {
		t.Errorf("second name holds %q", got)
	}
	c.put("file", "changed")
	if got := c.get("dir/second"); got != "contents" {
		t.Errorf("after a change of the first: %q", got)
	}
	c.ask(wire.Remove, "file").status(wire.OK)
	if got := c.get("dir/second"); got != "contents" {
		t.Errorf("after the removal of the first: %q", got)
	}
	for _, tt := range []struct {
		from, to string
		want     wire.Status
	}{
		{"other", "dir/second", wire.Failure},
		{"no", "x", wire.NoSuchFile},
		{"other", "no/x", wire.NoSuchFile},
		{"dir", "x", wire.PermissionDenied},
		{"other", "other", wire.Failure},
		{"link", "dir/link", wire.OK},
		{"", "x", wire.PermissionDenied},
		{"other", "/", wire.PermissionDenied},
	} {
		c.ext(wire.ExtHardlink, tt.from, tt.to).status(tt.want)
	}
	// A file that is being written is committed by it.
	h := slices.Clone(c.create("pending"))
	c.ask(wire.Write, h, 0, "half").status(wire.OK)
	c.ext(wire.ExtHardlink, "pending", "copy").status(wire.OK)
	c.ask(wire.Write, h, 4, " and half").status(wire.OK)
	c.ask(wire.Close, h).status(wire.OK)
	if a, b := c.get("pending"), c.get("copy"); a != "half and half" || b != "half" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestCopyData(t *testing.T) {
	t.Parallel()
	c := world(t)
	big := strings.Repeat("0123456789abcdef", 1<<16) // more than one buffer
	c.put("big", big[:1<<17])
	h := slices.Clone(c.ask(wire.Open, "big", rd|wr, uint32(0)).handle())
	for i := 1 << 17; i < len(big); i += 1 << 17 {
		c.ask(wire.Write, h, i, big[i:i+1<<17]).status(wire.OK)
	}
	to := slices.Clone(c.create("copy"))
	c.ext(wire.ExtCopyData, h, 0, 0, to, 0).status(wire.OK)          // to the end
	c.ext(wire.ExtCopyData, h, 3, 4, to, len(big)+2).status(wire.OK) // over a gap
	c.ext(wire.ExtCopyData, h, len(big)-2, 100, to, 0).status(wire.OK)
	c.ext(wire.ExtCopyData, h, len(big), 100, to, 0).status(wire.OK) // nothing
	c.ext(wire.ExtCopyData, h, uint64(1<<63), 0, to, 0).status(wire.Failure)
	c.ext(wire.ExtCopyData, h, 0, 0, to, uint64(1<<63)).status(wire.Failure)
	c.ext(wire.ExtCopyData, h, 0, 0, to, uint64(1<<63-1)).status(wire.Failure)
	again := slices.Clone(c.ask(wire.Open, "big", wr, uint32(0)).handle())
	c.ext(wire.ExtCopyData, h, 0, 5, h, 100).status(wire.BadMessage)
	c.ext(wire.ExtCopyData, h, 0, 5, again, 100).status(wire.BadMessage)
	c.ext(wire.ExtCopyData, to, 0, 5, h, 0, 0).status(wire.OK) // both were opened for both
	readOnly := slices.Clone(c.ask(wire.Open, "file", rd, uint32(0)).handle())
	c.ext(wire.ExtCopyData, h, 0, 5, readOnly, 0).status(wire.PermissionDenied)
	c.ext(wire.ExtCopyData, []byte("nonsense"), 0, 5, to, 0).status(wire.Failure)
	c.ext(wire.ExtCopyData, h, 0, 5).status(wire.BadMessage)
	for _, h := range [][]byte{h, to, again, readOnly} {
		c.ask(wire.Close, h).status(wire.OK)
	}
	h = slices.Clone(c.ask(wire.Open, "copy", rd, uint32(0)).handle())
	want := big[len(big)-2:] + big[2:] + "\x00\x003456"
	for off := 0; off < len(want); off += 1 << 17 {
		part := want[off:min(off+1<<17, len(want))]
		if got := c.ask(wire.Read, h, off, uint32(1<<17)).data(); string(got) != part {
			t.Fatalf("at %d: %d bytes, or others", off, len(got))
		}
	}
}

func TestExpandPath(t *testing.T) {
	t.Parallel()
	c := world(t) // of alice
	for in, want := range map[string]string{
		"~": "/", "~/": "/", "~/a/../b": "/b", "~alice": "/", "~alice/x": "/x", "a/~": "/a/~", "": "/", "no/such": "/no/such", "/~/x": "/~/x",
	} {
		r := c.ext(wire.ExtExpandPath, in).is(wire.NameReply)
		if n, name := r.Uint32(), string(r.Bytes()); n != 1 || name != want {
			t.Errorf("%q: %d, %q, want %q", in, n, name, want)
		}
	}
	c.ext(wire.ExtExpandPath, "~bob/x").status(wire.PermissionDenied)
	c.ext(wire.ExtExpandPath, "\xff").status(wire.Failure)
	c.ext(wire.ExtExpandPath).status(wire.BadMessage)
	for _, name := range []string{"", "alice"} {
		r := c.ext(wire.ExtHomeDirectory, name).is(wire.NameReply)
		if n, home := r.Uint32(), string(r.Bytes()); n != 1 || home != "/" {
			t.Errorf("home of %q: %d, %q", name, n, home)
		}
	}
	c.ext(wire.ExtHomeDirectory, "bob").status(wire.PermissionDenied)
	c.ext(wire.ExtHomeDirectory).status(wire.BadMessage)
}

func TestUsersGroupsByID(t *testing.T) {
	t.Parallel()
	c := world(t)
	ids := func(ids ...uint32) (b []byte) {
		for _, id := range ids {
			b = wire.AppendUint32(b, id)
		}
		return b
	}
	r := c.ext(wire.ExtUsersGroupsByID, ids(0, 1000, 0), ids(5)).is(wire.ExtendedReply)
	users, groups := wire.NewDecoder(r.Bytes()), wire.NewDecoder(r.Bytes())
	for _, want := range []string{"alice", "", "alice"} {
		if got := string(users.Bytes()); got != want {
			t.Errorf("user %q, want %q", got, want)
		}
	}
	if got := string(groups.Bytes()); got != "" || len(users.Rest())+len(groups.Rest())+len(r.Rest()) != 0 || users.Bad() || groups.Bad() || r.Bad() {
		t.Errorf("group %q, or too much", got)
	}
	c.ext(wire.ExtUsersGroupsByID, ids(1), []byte{1, 2, 3}).status(wire.BadMessage)
	c.ext(wire.ExtUsersGroupsByID, ids(1)).status(wire.BadMessage)
	// An answer that would be larger than a packet is refused before it is made.
	c.ext(wire.ExtUsersGroupsByID, make([]byte, 200<<10), ids()).status(wire.Failure)
	c.ext(wire.ExtUsersGroupsByID, bytes.Repeat([]byte{1}, 200<<10), ids()).is(wire.ExtendedReply)
}

func TestCheckFile(t *testing.T) {
	t.Parallel()
	c := world(t)
	data := strings.Repeat("0123456789", 100)
	c.put("data", data)
	c.put("nothing", "")
	h := slices.Clone(c.ask(wire.Open, "data", rd, uint32(0)).handle())
	sum := func(b string) string { s := sha256.Sum256([]byte(b)); return string(s[:]) }
	md := func(b string) string { s := md5.Sum([]byte(b)); return string(s[:]) }
	sha := func(b string) string { s := sha1.Sum([]byte(b)); return string(s[:]) }
	crc := func(b string) string { return string(wire.AppendUint32(nil, crc32.ChecksumIEEE([]byte(b)))) }
	for name, tt := range map[string]struct {
		algorithms string
		off, n     int
		block      uint32
		want, hash string
	}{
		"all":               {"sha256", 0, 0, 0, "sha256", sum(data)},
		"a part":            {"sha256", 5, 10, 0, "sha256", sum(data[5:15])},
		"beyond the end":    {"md5", 990, 1 << 62, 0, "md5", md(data[990:])},
		"at the end":        {"md5", 1000, 0, 0, "md5", md("")},
		"blocks":            {"md5", 0, 0, 300, "md5", md(data[:300]) + md(data[300:600]) + md(data[600:900]) + md(data[900:])},
		"whole blocks":      {"md5", 0, 600, 300, "md5", md(data[:300]) + md(data[300:600])},
		"the first known":   {"whirlpool,sha1,md5", 0, 0, 0, "sha1", sha(data)},
		"IANA's name":       {"SHA-1", 0, 0, 0, "sha1", sha(data)},
		"crc32":             {"crc32", 0, 0, 0, "crc32", crc(data)},
		"nothing by blocks": {"md5", 1000, 0, 256, "md5", md("")},
	} {
		for _, ext := range []string{wire.ExtCheckFileHandle, wire.ExtCheckFileName, wire.ExtCheckFile} {
			target := any(h)
			if ext == wire.ExtCheckFileName {
				target = "data"
			}
			r := c.ext(ext, target, tt.algorithms, tt.off, tt.n, tt.block).is(wire.ExtendedReply)
			if ext == wire.ExtCheckFile {
				if again := string(r.Bytes()); again != wire.ExtCheckFile {
					t.Errorf("%s, %s: begins with %q", name, ext, again)
				}
			}
			if got := string(r.Bytes()); got != tt.want || string(r.Rest()) != tt.hash {
				t.Errorf("%s, %s: %s %x, want %x", name, ext, got, r.Rest(), tt.hash)
			}
		}
	}
	r := c.ext(wire.ExtCheckFileName, "nothing", "md5", 0, 0, uint32(0)).is(wire.ExtendedReply)
	if r.Bytes(); string(r.Rest()) != md("") {
		t.Errorf("an empty file: %x", r.Rest())
	}
	c.ext(wire.ExtCheckFileHandle, h, "md5", 1001, 0, uint32(0)).status(wire.EOF)
	c.ext(wire.ExtCheckFileHandle, h, "md5", 0, 0, uint32(255)).status(wire.BadMessage)
	c.ext(wire.ExtCheckFileHandle, h, "whirlpool", 0, 0, uint32(0)).status(wire.OpUnsupported)
	c.ext(wire.ExtCheckFileHandle, h, "md5", uint64(1<<63), 0, uint32(0)).status(wire.BadMessage)
	c.ext(wire.ExtCheckFileHandle, h, "md5", 0, 0).status(wire.BadMessage)
	c.ext(wire.ExtCheckFileHandle, []byte("12345678"), "md5", 0, 0, uint32(0)).status(wire.Failure)
	c.ext(wire.ExtCheckFileName, "no", "md5", 0, 0, uint32(0)).status(wire.NoSuchFile)
	c.ext(wire.ExtCheckFileName, "dir", "md5", 0, 0, uint32(0)).status(wire.Failure)
	// More hashes than a packet holds are refused before anything is read.
	w := slices.Clone(c.create("huge"))
	c.ask(wire.Fsetstat, w, wire.Attrs{Flags: wire.AttrSize, Size: 1 << 40}).status(wire.OK)
	c.ext(wire.ExtCheckFileHandle, w, "md5", 0, 0, uint32(256)).status(wire.Failure)
	c.ask(wire.Close, w).status(wire.OK)
	if n := c.s.handles.open; n != 1 {
		t.Errorf("%d handles", n)
	}
}

// What a read-only tree doesn't offer it refuses, too.
func TestExtensionsOnAReadOnlyTree(t *testing.T) {
	t.Parallel()
	c := converse(t, newTreeOf(t, newStore(t), true))
	c.ext(wire.ExtHardlink, "a", "b").status(wire.NoSuchFile)
	c.ext(wire.ExtPosixRename, "a", "b").status(wire.NoSuchFile)
	c.ext(wire.ExtLsetstat, "/", wire.Attrs{Flags: wire.AttrTimes}).status(wire.PermissionDenied)
	c.ext(wire.ExtExpandPath, "~").is(wire.NameReply)
}

// Tahoe-LAFS's chmod: who takes the w bit off a directory makes the link to it
// one that can only read, and nothing brings it back.
func TestChmodDiminishes(t *testing.T) {
	t.Parallel()
	c := world(t)
	c.s.diminish = true
	mode := func(m uint32) wire.Attrs { return wire.Attrs{Flags: wire.AttrPermissions, Mode: m} }
	c.ask(wire.Setstat, "file", mode(0o444)).status(wire.OK) // a file is no-write, reversibly
	c.ask(wire.Setstat, "file", mode(0o644)).status(wire.OK)
	c.put("file", "again")
	c.ask(wire.Setstat, "dir", mode(0o755)).status(wire.OK)
	c.put("dir/new", "")
	c.ask(wire.Setstat, "dirlink", mode(0o555)).status(wire.OK) // follows links
	c.ask(wire.Setstat, "dir", mode(0o755)).status(wire.PermissionDenied)
	c.ask(wire.Open, "dir/newer", wr|creat, uint32(0)).status(wire.PermissionDenied)
	if a := c.attrs(wire.Stat, "dir"); a.Mode != 0o040555 {
		t.Errorf("mode %o", a.Mode)
	}
	c.ask(wire.Rename, "dir", "moved").status(wire.OK)
	if got := c.get("moved/in"); got != "inside" {
		t.Errorf("holds %q", got)
	}
}

// Without the option the bit is no more than what it says.
func TestChmodOfADirectoryIsReversible(t *testing.T) {
	t.Parallel()
	c := world(t)
	mode := func(m uint32) wire.Attrs { return wire.Attrs{Flags: wire.AttrPermissions, Mode: m} }
	c.ask(wire.Setstat, "dir", mode(0o555)).status(wire.OK)
	c.ask(wire.Open, "dir/new", wr|creat, uint32(0)).status(wire.PermissionDenied)
	c.ask(wire.Remove, "dir/in").status(wire.PermissionDenied)
	c.ask(wire.Setstat, "dir", mode(0o755)).status(wire.OK)
	c.put("dir/new", "")
}
