package sftpd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/sftp"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// Offsets and sizes beyond 32 bits, up to the largest that a file may have.
func TestLargeOffsets(t *testing.T) {
	t.Parallel()
	c := world(t)
	h := slices.Clone(c.create("huge"))
	for _, off := range []int{0, 1<<31 - 2, 1<<32 - 2, 5 << 30, 1<<40 + 3} {
		text := fmt.Sprintf("at %d", off)
		c.ask(wire.Write, h, off, text).status(wire.OK)
		if got := string(c.ask(wire.Read, h, off, uint32(len(text))).data()); got != text {
			t.Errorf("read %q, want %q", got, text)
		}
	}
	if got := string(c.ask(wire.Read, h, 6<<30, uint32(3)).data()); got != "\x00\x00\x00" {
		t.Errorf("a hole reads %q", got)
	}
	c.ask(wire.Close, h).status(wire.OK)
	if a := c.attrs(wire.Stat, "huge"); a.Size != 1<<40+3+uint64(len("at 1099511627779")) {
		t.Errorf("size %d", a.Size)
	}
	h = slices.Clone(c.ask(wire.Open, "huge", rd, uint32(0)).handle())
	if got := string(c.ask(wire.Read, h, 5<<30, uint32(13)).data()); got != "at 5368709120" {
		t.Errorf("committed %q", got)
	}
	c.ask(wire.Close, h).status(wire.OK)
	set := func(size uint64, want wire.Status) {
		t.Helper()
		c.ask(wire.Setstat, "huge", wire.Attrs{Flags: wire.AttrSize, Size: size}).status(want)
	}
	set(1<<62-1, wire.OK)
	if a := c.attrs(wire.Stat, "huge"); a.Size != 1<<62-1 {
		t.Errorf("size %d", a.Size)
	}
	set(math.MaxInt64, wire.Failure) // more than a file may have
	set(1<<63, wire.BadMessage)
	set(math.MaxUint64, wire.BadMessage)
	set(4<<30, wire.OK)
	set(0, wire.OK)
	if got := c.get("huge"); got != "" {
		t.Errorf("cut to nothing it holds %q", got)
	}
}

// Times that 32 bits hold, and owners and modes at their limits, come back as
// they were set: by path, by handle, and of a directory.
func TestUnusualAttributes(t *testing.T) {
	t.Parallel()
	c := world(t)
	for _, at := range []uint32{0, 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32} {
		for _, name := range []string{"file", "dir", "link"} {
			a := wire.Attrs{Flags: wire.AttrTimes | wire.AttrUIDGID, Atime: at, Mtime: at, UID: at, GID: at}
			c.ext(wire.ExtLsetstat, name, a).status(wire.OK)
			got := c.attrs(wire.Lstat, name)
			if got.Atime != at || got.Mtime != at || got.UID != at || got.GID != at {
				t.Errorf("%s: set %d, got %+v", name, at, got)
			}
		}
		h := slices.Clone(c.ask(wire.Open, "file", wr, uint32(0)).handle())
		c.ask(wire.Write, h, 0, "x").status(wire.OK)
		c.ask(wire.Fsetstat, h, wire.Attrs{Flags: wire.AttrTimes, Atime: at, Mtime: at}).status(wire.OK)
		c.ask(wire.Close, h).status(wire.OK)
		if a := c.attrs(wire.Stat, "file"); a.Mtime != at || a.Atime != at {
			t.Errorf("by handle %d: %+v", at, a)
		}
	}
	for _, mode := range []uint32{0, 0o7777, 0o4755, 0o1777, 0o200} {
		c.ask(wire.Setstat, "file", perms(mode)).status(wire.OK)
		if a := c.attrs(wire.Stat, "file"); a.Mode != wire.ModeRegular|mode {
			t.Errorf("mode %o came back as %o", mode, a.Mode)
		}
	}
	c.ask(wire.Setstat, "file", perms(0o140644)).status(wire.OK) // a socket it does not become
	if a := c.attrs(wire.Stat, "file"); a.Mode != 0o100644 {
		t.Errorf("mode %o", a.Mode)
	}
	// Extended pairs, and flags that version 3 doesn't know, are no reason to fail.
	pairs := wire.AppendUint32(wire.AppendUint32(nil, wire.AttrExtended), 1)
	pairs = wire.AppendString(wire.AppendString(pairs, "acl"), "data")
	c.id++
	b := packet(wire.Setstat, &c.id, "file")
	c.raw(wire.Finish(append(b, pairs...), 0))
	r := c.reply()
	r.Uint32()
	r.status(wire.OK)
}

// Names of every length up to the limit, and just beyond.
func TestLongNames(t *testing.T) {
	t.Parallel()
	c := world(t)
	wide := strings.Repeat("\u00e9", 127) + "x" // 255 bytes
	for _, name := range []string{strings.Repeat("n", 255), wide, "-", " ", "\n", "a\tb", "~", "*", "\u202e", "\U0001f600"} {
		c.put(name, "contents")
		if got := c.get("/" + name); got != "contents" {
			t.Errorf("%.10q holds %q", name, got)
		}
		if !slices.Contains(c.list("/"), name) {
			t.Errorf("%.10q is not listed", name)
		}
		c.ask(wire.Rename, name, "renamed").status(wire.OK)
		c.ask(wire.Rename, "renamed", name).status(wire.OK)
		c.ask(wire.Remove, name).status(wire.OK)
	}
	for _, name := range []string{strings.Repeat("n", 256), wide + "x", "dir/" + strings.Repeat("n", 256), strings.Repeat("n", 256) + "/x"} {
		none := uint32(0)
		c.ask(wire.Open, name, wr|creat, none).status(wire.Failure) // not 5: rclone#8854
		c.ask(wire.Mkdir, name, none).status(wire.Failure)
		c.ask(wire.Stat, name).status(wire.Failure)
		c.ask(wire.Rename, "file", name).status(wire.Failure)
		c.ask(wire.Symlink, "x", name).status(wire.Failure)
		c.ask(wire.Symlink, strings.Repeat("t/", 3000), "toolong").status(wire.Failure)
	}
	deep := ""
	for range 100 {
		deep += "/d"
		c.ask(wire.Mkdir, deep, uint32(0)).status(wire.OK)
	}
	c.put(deep+"/f", "deep")
	if got := c.get(deep + "/f"); got != "deep" {
		t.Errorf("holds %q", got)
	}
}

// A rekey comes when it comes, and no byte is lost by it.
func TestRekeyDuringTransfers(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	cfg := config("alice")
	cfg.RekeyThreshold = 256 << 10
	c, err := h.dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := h.sftp(c)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	f, err := s.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadFrom(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if f, err = s.Open("/f"); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes back, %v", len(got), err)
	}
}

// Several connections write parts of one file, as AWS's and FTP-minded clients
// do; all of it is there when the last has closed.
func TestSeveralConnectionsWriteOneFile(t *testing.T) {
	t.Parallel()
	tr := newTree(t, newStore(t))
	h := serve(t, func(s *Server) {
		s.mount = func(context.Context, accounts.Account) (tree, error) { return tr, nil }
	})
	const parts, size = 8, 300 << 10
	var wg sync.WaitGroup
	part := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, size) }
	for i := range parts {
		c, err := h.dial(config("alice"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s := h.sftp(c)
		wg.Go(func() {
			f, err := s.OpenFile("/f", 0o1|0o100) // O_WRONLY|O_CREATE
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := f.WriteAt(part(i), int64(i*size)); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f, err := h.sftp(h.login()).Open("/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || len(got) != parts*size {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for i := range parts {
		if !bytes.Equal(got[i*size:(i+1)*size], part(i)) {
			t.Errorf("part %d is another", i)
		}
	}
}

// Ten channels of one connection, each a session of its own with its own
// handles, and the eleventh is refused.
func TestTenChannels(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	c := h.login()
	var sessions []*sftp.Client
	for range 10 {
		sessions = append(sessions, h.sftp(c))
	}
	if _, err := sftp.NewClient(c); err == nil {
		t.Error("an eleventh channel")
	}
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() {
			f, err := s.Create(fmt.Sprintf("/f%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := fmt.Fprint(f, "session ", i); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	infos, err := sessions[0].ReadDir("/")
	if err != nil || len(infos) != 10 {
		t.Errorf("%d entries, %v", len(infos), err)
	}
	sessions[3].Close()
	for { // until the server has noticed that one has ended
		if _, err := sftp.NewClient(c); err == nil {
			break
		}
		runtime.Gosched()
	}
}

// fill makes entries 000000, 000001 and so on in the root.
func fill(t *testing.T, tr tree, n int) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				if err := tr.Symlink(t.Context(), filestore.Path{fmt.Sprintf("%06d", i)}, "x", filestore.Attr{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// A hundred thousand entries are listed in packets that clients take, without
// being held in memory.
func TestListingOfManyEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	t.Parallel()
	const many = manyEntries
	tr := newTree(t, newStore(t))
	fill(t, tr, many)
	c := converse(t, tr)
	h := slices.Clone(c.ask(wire.Opendir, "/").handle())
	seen, largest := 0, 0
	for {
		r := c.ask(wire.Readdir, h)
		if r.kind == wire.StatusReply {
			r.status(wire.EOF)
			break
		}
		largest = max(largest, len(r.Rest()))
		for n := r.Uint32(); n > 0; n-- {
			name, _, a := string(r.Bytes()), r.Bytes(), r.Attrs()
			if want := fmt.Sprintf("%06d", seen-2); seen >= 2 && name != want {
				t.Fatalf("entry %d is %q", seen, name)
			}
			if a.Mode&wire.ModeType == 0 {
				t.Fatalf("%q has no type", name)
			}
			seen++
		}
	}
	if seen != many+2 || largest > 128<<10 {
		t.Errorf("%d entries, the largest packet %d bytes", seen, largest)
	}
	c.ask(wire.Close, h).status(wire.OK)
}
