package sftpd

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/sftpd/wire"
)

// talk is a client that speaks raw packets to a session, without SSH.
type talk struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	id   uint32
	s    *session
	end  chan error // what run returned
}

// reply is a reply without its length field.
type reply struct {
	t    *testing.T
	kind wire.Type
	wire.Decoder
}

// converse starts a session on tr and sends INIT.
func converse(t *testing.T, tr tree) *talk {
	t.Helper()
	c := silent(t, tr)
	c.raw(packet(wire.Init, nil, uint32(3)))
	if r := c.reply(); r.kind != wire.VersionReply || r.Uint32() != 3 {
		t.Fatalf("INIT answered by type %d", r.kind)
	}
	return c
}

// silent starts a session on tr and sends nothing.
func silent(t *testing.T, tr tree) *talk {
	t.Helper()
	near, far := net.Pipe()
	s := bare(tr, far)
	c := &talk{t: t, conn: near, r: bufio.NewReader(near), s: s, end: make(chan error, 1)}
	go func() {
		defer far.Close()
		c.end <- s.run(context.Background())
	}()
	t.Cleanup(func() { near.Close() })
	return c
}

// bare makes a session that nobody runs.
func bare(tr tree, rw io.ReadWriter) *session {
	return &session{
		tree: tr, rw: rw, log: slog.New(slog.DiscardHandler), umask: 0o022,
		bug: func(any) {}, user: "alice", replies: newReplies(rw), heavyOnes: make(chan struct{}, 1),
		count: new(atomic.Int64), handles: handleTable{limit: 16, files: new(atomic.Int32)},
	}
}

// packet makes a packet with its length field; id nil leaves the request id out.
func packet(t wire.Type, id *uint32, fields ...any) []byte {
	b := []byte{0, 0, 0, 0, byte(t)}
	if id != nil {
		b = wire.AppendUint32(b, *id)
	}
	for _, f := range fields {
		switch f := f.(type) {
		case uint32:
			b = wire.AppendUint32(b, f)
		case int:
			b = wire.AppendUint64(b, uint64(f))
		case uint64:
			b = wire.AppendUint64(b, f)
		case string:
			b = wire.AppendString(b, f)
		case []byte:
			b = wire.AppendString(b, f)
		case wire.Attrs:
			b = wire.AppendAttrs(b, &f)
		default:
			panic(f)
		}
	}
	return wire.Finish(b, 0)
}

func (c *talk) raw(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a request and returns its reply, whose id it checks.
func (c *talk) ask(t wire.Type, fields ...any) reply {
	c.t.Helper()
	c.id++
	c.raw(packet(t, &c.id, fields...))
	r := c.reply()
	if id := r.Uint32(); id != c.id {
		c.t.Fatalf("reply to request %d, want %d", id, c.id)
	}
	return r
}

// reply reads one reply.
func (c *talk) reply() reply {
	c.t.Helper()
	var n [4]byte
	if _, err := io.ReadFull(c.r, n[:]); err != nil {
		c.t.Fatalf("reply: %v", err)
	}
	p := make([]byte, binary.BigEndian.Uint32(n[:]))
	if _, err := io.ReadFull(c.r, p); err != nil {
		c.t.Fatalf("reply: %v", err)
	}
	return reply{c.t, wire.Type(p[0]), wire.NewDecoder(p[1:])}
}

// status checks that the reply is a STATUS with that code.
func (r reply) status(want wire.Status) {
	r.t.Helper()
	if r.kind != wire.StatusReply {
		r.t.Fatalf("reply of type %d, want status %d", r.kind, want)
	}
	if got := wire.Status(r.Uint32()); got != want {
		r.t.Errorf("status %d %q, want %d", got, r.Bytes(), want)
	}
}

// handle checks that the reply is a HANDLE and returns it.
func (r reply) handle() []byte {
	r.t.Helper()
	if r.kind != wire.HandleReply {
		r.t.Fatalf("reply of type %d, status %d %q, want a handle", r.kind, r.Uint32(), r.Bytes())
	}
	return r.Bytes()
}

// data checks that the reply is DATA and returns it.
func (r reply) data() []byte {
	r.t.Helper()
	if r.kind != wire.DataReply {
		r.t.Fatalf("reply of type %d, status %d, want data", r.kind, r.Uint32())
	}
	return r.Bytes()
}

// create opens a new file for reading and writing.
func (c *talk) create(name string) []byte {
	c.t.Helper()
	return c.ask(wire.Open, name, wire.FlagRead|wire.FlagWrite|wire.FlagCreate, uint32(0)).handle()
}

// hangUp ends the client's side and returns how the session ended.
func (c *talk) hangUp() error {
	c.conn.Close()
	return <-c.end
}

// bothEnds is a reader and a writer that are different streams.
type bothEnds struct {
	io.Reader
	io.Writer
}
