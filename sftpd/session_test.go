package sftpd

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

func TestVersionOffersWhatTheTreeCanDo(t *testing.T) {
	t.Parallel()
	for _, readOnly := range []bool{false, true} {
		c := silent(t, newTreeOf(t, newStore(t), readOnly))
		c.raw(packet(wire.Init, nil, uint32(6)))
		r := c.reply()
		if v := r.Uint32(); r.kind != wire.VersionReply || v != 3 {
			t.Fatalf("type %d version %d", r.kind, v)
		}
		offered := map[string]string{}
		for len(r.Rest()) > 0 {
			offered[string(r.Bytes())] = string(r.Bytes())
		}
		for name, version := range map[string]string{
			"posix-rename@openssh.com": "1", "fsync@openssh.com": "1", "lsetstat@openssh.com": "1",
			"hardlink@openssh.com": "1", "copy-data": "1",
		} {
			if readOnly {
				version = ""
			}
			if offered[name] != version {
				t.Errorf("read-only %t: %s offered as %q, want %q", readOnly, name, offered[name], version)
			}
		}
		for name, version := range map[string]string{
			"statvfs@openssh.com": "2", "fstatvfs@openssh.com": "2", "limits@openssh.com": "1",
			"expand-path@openssh.com": "1", "home-directory": "1", "users-groups-by-id@openssh.com": "1",
			"check-file": "1", "check-file-handle": "1", "check-file-name": "1",
		} {
			if offered[name] != version {
				t.Errorf("%s offered as %q, want %q", name, offered[name], version)
			}
		}
	}
}

// A client that does not speak the protocol loses its session; nothing else
// happens, and nothing is allocated by what it claims.
func TestGibberishEndsTheSession(t *testing.T) {
	t.Parallel()
	id := uint32(1)
	for name, b := range map[string][]byte{
		"length zero":         {0, 0, 0, 0},
		"length 4 GiB":        {0xff, 0xff, 0xff, 0xff, 3},
		"text":                []byte("GET / HTTP/1.1\r\n\r\n"),
		"request before INIT": packet(wire.Stat, &id, "/"),
		"INIT without number": {0, 0, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := silent(t, newSpy(t))
			c.raw(b)
			if err := <-c.end; err == nil {
				t.Error("session ended without an error")
			}
			if n := cap(c.s.in) + cap(c.s.out); n > 2*firstBuffer {
				t.Errorf("%d bytes of buffers", n)
			}
		})
	}
	t.Run("request without id", func(t *testing.T) {
		c := converse(t, newSpy(t))
		c.raw([]byte{0, 0, 0, 2, byte(wire.Stat), 0})
		if err := <-c.end; err == nil {
			t.Error("session ended without an error")
		}
	})
	t.Run("cut within a packet", func(t *testing.T) {
		c := converse(t, newSpy(t))
		c.raw([]byte{0, 0, 0, 9, byte(wire.Stat)})
		if err := c.hangUp(); err == nil {
			t.Error("session ended without an error")
		}
	})
}

func TestTooLongPacketIsRefusedAndSkipped(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	c.id++
	big := packet(wire.Write, &c.id, strings.Repeat("x", wire.MaxPacket))
	go func() { _, _ = c.conn.Write(big) }()
	r := c.reply()
	if id := r.Uint32(); id != c.id {
		t.Errorf("reply to %d", id)
	}
	r.status(wire.BadMessage)
	if n := cap(c.s.in); n > firstBuffer {
		t.Errorf("input buffer grew to %d", n)
	}
	if r := c.ask(wire.Stat, "/"); r.kind != wire.AttrsReply {
		t.Errorf("session is out of step: type %d", r.kind)
	}
}

func TestLargestPacketIsTaken(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	h := c.create("f")
	data := bytes.Repeat([]byte("truckee!"), wire.MaxData/8)
	c.ask(wire.Write, h, 0, data).status(wire.OK)
	if got := c.ask(wire.Read, h, 0, uint32(1<<31)).data(); !bytes.Equal(got, data) {
		t.Errorf("%d bytes back of %d, or others", len(got), len(data))
	}
}

// Each request, cut at every length: an answer always, a panic never.
func TestCutRequestsAreBadMessages(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	h := c.create("f")
	attrs := wire.Attrs{Flags: wire.AttrSize | wire.AttrUIDGID | wire.AttrPermissions | wire.AttrTimes}
	for _, whole := range [][]byte{
		packet(wire.Open, &c.id, "g", wire.FlagRead, attrs),
		packet(wire.Close, &c.id, h),
		packet(wire.Read, &c.id, h, 0, uint32(5)),
		packet(wire.Write, &c.id, h, 0, "data"),
		packet(wire.Lstat, &c.id, "f"),
		packet(wire.Fstat, &c.id, h),
		packet(wire.Setstat, &c.id, "f", attrs),
		packet(wire.Fsetstat, &c.id, h, attrs),
		packet(wire.Opendir, &c.id, "/"),
		packet(wire.Readdir, &c.id, h),
		packet(wire.Remove, &c.id, "f"),
		packet(wire.Mkdir, &c.id, "d", attrs),
		packet(wire.Rmdir, &c.id, "d"),
		packet(wire.Realpath, &c.id, "d"),
		packet(wire.Stat, &c.id, "f"),
		packet(wire.Rename, &c.id, "f", "g"),
		packet(wire.Readlink, &c.id, "f"),
		packet(wire.Symlink, &c.id, "f", "g"),
		packet(wire.Extended, &c.id, wire.ExtPosixRename, "f", "g"),
		packet(wire.Extended, &c.id, wire.ExtFsync, h),
		packet(wire.Extended, &c.id, wire.ExtStatVFS, "/"),
	} {
		for n := wire.LengthSize + wire.HeaderSize; n < len(whole); n++ {
			b := slices.Clone(whole[:n])
			binary.BigEndian.PutUint32(b, uint32(n-wire.LengthSize))
			c.raw(b)
			r := c.reply()
			r.Uint32()
			if code := wire.Status(r.Uint32()); r.kind != wire.StatusReply || code != wire.BadMessage && code != wire.OpUnsupported {
				t.Errorf("%v cut to %d: type %d status %d", wire.Type(whole[4]), n, r.kind, code)
			}
		}
	}
	c.ask(wire.Close, h).status(wire.OK)
}

func TestUnknownRequestsAreUnsupported(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	for _, typ := range []wire.Type{0, 2, 21, 99, wire.DataReply, 202, 255} {
		c.ask(typ, "anything").status(wire.OpUnsupported)
	}
	c.ask(wire.Extended, "no-such@example.com", "x").status(wire.OpUnsupported)
	c.ask(wire.Extended, strings.Repeat("n", 5000)).status(wire.OpUnsupported)
	c.ask(wire.Stat, "/").is(wire.AttrsReply)
}

func (r reply) is(want wire.Type) reply {
	r.t.Helper()
	if r.kind != want {
		r.t.Fatalf("reply of type %d, want %d", r.kind, want)
	}
	return r
}

func TestHandlesNameOneOpenFile(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	h := slices.Clone(c.create("f"))
	c.ask(wire.Close, h).status(wire.OK)
	again := slices.Clone(c.create("g"))
	if bytes.Equal(h, again) {
		t.Error("a handle came back after its close")
	}
	dir := slices.Clone(c.ask(wire.Opendir, "/").handle())
	for name, bad := range map[string][]byte{
		"closed": h, "empty": {}, "short": again[:7], "long": append(slices.Clone(again), 0),
		"never": {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, "other generation": {0, 0, 0, 0, 0, 0, 0, 9},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.ask(wire.Read, bad, 0, uint32(1)).status(wire.Failure)
			c.ask(wire.Write, bad, 0, "x").status(wire.Failure)
			c.ask(wire.Fstat, bad).status(wire.Failure)
			c.ask(wire.Fsetstat, bad, uint32(0)).status(wire.Failure)
			c.ask(wire.Readdir, bad).status(wire.Failure)
			c.ask(wire.Close, bad).status(wire.Failure)
			c.ask(wire.Extended, wire.ExtFsync, bad).status(wire.Failure)
			c.ask(wire.Extended, wire.ExtFStatVFS, bad).status(wire.Failure)
		})
	}
	c.t = t
	c.ask(wire.Read, dir, 0, uint32(1)).status(wire.Failure)
	c.ask(wire.Write, dir, 0, "x").status(wire.Failure)
	c.ask(wire.Readdir, again).status(wire.NoSuchFile)
	c.ask(wire.Close, dir).status(wire.OK)
	c.ask(wire.Close, again).status(wire.OK)
}

func TestHandlesAreBounded(t *testing.T) {
	t.Parallel()
	tr := newSpy(t)
	c := converse(t, tr)
	c.create("f")
	var last []byte
	for range 15 {
		last = slices.Clone(c.ask(wire.Open, "f", wire.FlagRead, uint32(0)).handle())
	}
	c.ask(wire.Open, "f", wire.FlagRead, uint32(0)).status(wire.Failure)
	r := c.ask(wire.Opendir, "/").is(wire.StatusReply)
	if code, text := wire.Status(r.Uint32()), string(r.Bytes()); code != wire.Failure || !strings.Contains(text, "too many open files") {
		t.Errorf("one too many: %d %q", code, text)
	}
	if tr.discards.Load() != 1 {
		t.Errorf("%d files released, want the one too many", tr.discards.Load())
	}
	c.ask(wire.Close, last).status(wire.OK)
	c.ask(wire.Opendir, "/").handle()
}

func TestReadsAtTheEnd(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	h := c.create("f")
	c.ask(wire.Read, h, 0, uint32(10)).status(wire.EOF)
	c.ask(wire.Write, h, 0, "0123456789").status(wire.OK)
	for _, tt := range []struct {
		off  uint64
		n    uint32
		want string
	}{
		{0, 10, "0123456789"}, {0, 4, "0123"}, {5, 100, "56789"}, {9, 1, "9"}, {3, 0, ""},
	} {
		if got := string(c.ask(wire.Read, h, tt.off, tt.n).data()); got != tt.want {
			t.Errorf("read(%d, %d) = %q, want %q", tt.off, tt.n, got, tt.want)
		}
	}
	for _, off := range []uint64{10, 11, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		c.ask(wire.Read, h, off, uint32(1<<32-1)).status(wire.EOF)
	}
}

func TestWritesLandWhereTheirOffsetSays(t *testing.T) {
	t.Parallel()
	c := converse(t, newSpy(t))
	h := c.create("f")
	for _, w := range []struct {
		off  int
		data string
	}{{8, "ij"}, {4, "efgh"}, {0, "abcd"}, {12, "m"}, {5, "F"}} {
		c.ask(wire.Write, h, w.off, w.data).status(wire.OK)
	}
	if got := string(c.ask(wire.Read, h, 0, uint32(99)).data()); got != "abcdeFghij\x00\x00m" {
		t.Errorf("got %q", got)
	}
	c.ask(wire.Write, h, uint64(1<<63-1), "xx").status(wire.Failure)
	c.ask(wire.Write, h, uint64(1<<64-1), "x").status(wire.Failure)
}

func TestWhatIsNotClosedIsDiscarded(t *testing.T) {
	t.Parallel()
	tr := newSpy(t)
	c := converse(t, tr)
	c.create("f")
	c.create("g")
	c.ask(wire.Opendir, "/").handle()
	h := c.create("h")
	c.ask(wire.Close, h).status(wire.OK)
	if n := c.s.handles.files.Load(); n != 2 {
		t.Errorf("%d files counted as open", n)
	}
	if err := c.hangUp(); err != nil {
		t.Errorf("session ended with %v", err)
	}
	if tr.discards.Load() != 2 {
		t.Errorf("%d files discarded, want 2", tr.discards.Load())
	}
	if n := c.s.handles.files.Load(); n != 0 {
		t.Errorf("%d files counted as open at the end", n)
	}
}

// A packet of data costs no allocation, in either direction.
func TestDataAllocatesNothing(t *testing.T) {
	s := bare(nil, nil)
	h := &handle{file: nullFile{}}
	if err := s.handles.add(h); err != nil {
		t.Fatal(err)
	}
	s.init = true
	id := uint32(7)
	write := packet(wire.Write, &id, h.wire[:], 0, make([]byte, 32<<10))[wire.LengthSize:]
	read := packet(wire.Read, &id, h.wire[:], 0, uint32(32<<10))[wire.LengthSize:]
	run := func(p []byte) func() {
		return func() {
			s.out = s.out[:0]
			if err := s.execute(context.Background(), p); err != nil {
				t.Error(err)
			}
		}
	}
	for name, p := range map[string][]byte{"write": write, "read": read} {
		if n := testing.AllocsPerRun(100, run(p)); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
}

// Replies to requests that arrive together leave together.
func TestRepliesAreWrittenOnce(t *testing.T) {
	t.Parallel()
	var in bytes.Buffer
	in.Write(packet(wire.Init, nil, uint32(3)))
	for id := range uint32(100) {
		in.Write(packet(wire.Stat, &id, "/"))
	}
	w := &countingWriter{}
	s := bare(newSpy(t), bothEnds{&in, w})
	if err := s.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w.calls != 1 {
		t.Errorf("%d writes", w.calls)
	}
}

type countingWriter struct{ calls, bytes int }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.calls++
	w.bytes += len(p)
	return len(p), nil
}

// Whatever bytes a client sends: no panic, bounded buffers, and what is opened
// is released.
func FuzzSession(f *testing.F) {
	id := uint32(1)
	f.Add(packet(wire.Open, &id, "f", wire.FlagWrite|wire.FlagCreate, uint32(0)))
	f.Add(packet(wire.Extended, &id, wire.ExtLimits))
	f.Add(slices.Concat(packet(wire.Opendir, &id, "/"), packet(wire.Readdir, &id, make([]byte, 8))))
	f.Add([]byte{0, 4, 0, 1, 5, 0, 0, 0, 1})
	tr := newTree(f, newStore(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := io.MultiReader(bytes.NewReader(packet(wire.Init, nil, uint32(3))), bytes.NewReader(b))
		s := bare(tr, bothEnds{in, io.Discard})
		_ = s.run(context.Background())
		if len(s.in) > maxInput || s.handles.open != 0 {
			t.Errorf("input buffer %d, %d handles left", len(s.in), s.handles.open)
		}
	})
}
