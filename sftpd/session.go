package sftpd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

const (
	// firstBuffer is what a session's buffers start with; they grow to what
	// the packets need and no further.
	firstBuffer = 16 << 10
	// flushAt is how many bytes of replies may wait for the next request's.
	flushAt = 64 << 10
)

// session is one SFTP channel. A single goroutine reads requests and executes
// them in order: buffers are reused without locks, and a packet of data costs no
// allocation. Some that wait for storage fly (see flights); replies keep the
// order of the requests in any case.
type session struct {
	tree       tree
	rw         io.ReadWriter
	log        *slog.Logger
	bug        func(recovered any)
	user       string // the account's name
	umask      uint32
	diminish   bool          // see Server.ChmodDiminishes
	linkFirst  bool          // see quirks
	count      *atomic.Int64 // requests, of all sessions of a connection
	handles    handleTable
	flights    flights
	replies    *replies
	fields     wire.Decoder  // of the request at hand
	requested  *handle       // that the request at hand names
	heavyOnes  chan struct{} // see heavy; of the connection
	complaints *complaints   // of the server
	tally      *tally        // of the server

	in   []byte // in[r:w] has arrived and is not yet executed
	r, w int
	out  []byte // replies that wait to be written
	held bool   // replies of flights may wait for them to be written
	init bool
}

// newSession makes a session on t for a channel of c.
func newSession(t tree, rw io.ReadWriter, c *conn) *session {
	return &session{
		tree: t, rw: rw, log: c.log, bug: c.bug, user: c.account, umask: c.srv.umask(), count: &c.requests,
		diminish: c.srv.ChmodDiminishes, linkFirst: c.quirks.linkFirst, replies: newReplies(rw), heavyOnes: c.heavyOnes, complaints: &c.srv.complaints, tally: &c.srv.tally,
		handles: handleTable{limit: c.handles, files: &c.files},
	}
}

// run serves requests until the client ends the channel (nil), the connection
// breaks, ctx ends, or the client breaks the protocol. Whatever is still open
// is discarded, never committed: only a CLOSE from the client commits. What has
// been received is executed, though nobody may be there any more to hear the
// answer: sshfs has told its users that their files are closed when it leaves.
func (s *session) run(ctx context.Context) error {
	defer s.handles.discard()
	defer s.flights.wg.Wait()
	defer s.depart()
	defer s.replies.release() // though it should panic
	s.in = make([]byte, firstBuffer)
	s.out = make([]byte, 0, firstBuffer)
	for {
		p, err := s.next()
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return s.replies.broken()
			}
			return err
		}
		s.count.Add(1)
		if err := s.execute(ctx, p); err != nil {
			s.flush()
			return err
		}
		if len(s.out) >= flushAt {
			s.flush()
		}
		if len(s.flights.up) > 0 && s.replies.full() {
			s.depart()
			s.replies.room()
		}
	}
}

// flush writes the replies that wait, in one Write, or queues them behind those
// of flights.
func (s *session) flush() {
	if len(s.out) > 0 || s.held {
		s.held = false
		s.renew(s.replies.send(s.out))
	}
}

// renew makes the output buffer empty; a new one if the old one isn't free.
func (s *session) renew(free bool) {
	if free {
		s.out = s.out[:0]
	} else {
		s.out = make([]byte, 0, firstBuffer)
	}
}

// execute runs one request and appends its reply. Its error ends the session;
// a request that only fails is answered.
func (s *session) execute(ctx context.Context, p []byte) error {
	t := wire.Type(p[0])
	if t == wire.Init {
		return s.hello(p[1:])
	}
	if len(p) < wire.HeaderSize || !s.init {
		return fmt.Errorf("%v request of %d bytes, INIT seen: %t: %w", t, len(p), s.init, kind.Invalid)
	}
	id := binary.BigEndian.Uint32(p[1:])
	s.fields = wire.NewDecoder(p[wire.HeaderSize:])
	s.requested = nil
	s.tally.request(t)
	whole := len(s.out)
	what, err := s.request(ctx, t, id, &s.fields)
	if err != nil {
		s.out = s.appendFailure(s.out[:min(whole, len(s.out))], t, id, what, s.requested, err)
	}
	return nil
}

// request dispatches by type. Each branch appends a reply, or pledges one, or
// returns an error, and says which path the request was about.
func (s *session) request(ctx context.Context, t wire.Type, id uint32, d *wire.Decoder) (what []byte, err error) {
	switch t {
	case wire.Read:
		return s.read(ctx, id, d)
	case wire.Write:
		return s.write(ctx, id, d)
	case wire.Open:
		return s.open(ctx, id, d)
	case wire.Close:
		return s.close(ctx, id, d)
	case wire.Fstat:
		return s.fstat(ctx, id, d)
	case wire.Fsetstat:
		return s.fsetstat(ctx, id, d)
	case wire.Stat:
		return s.stat(ctx, id, d, s.follow)
	case wire.Lstat:
		return s.stat(ctx, id, d, s.lstat)
	case wire.Setstat:
		return s.setstat(ctx, t, id, d, true)
	case wire.Opendir:
		return s.opendir(ctx, id, d)
	case wire.Readdir:
		return s.readdir(id, d)
	case wire.Mkdir:
		return s.mkdir(ctx, t, id, d)
	case wire.Rmdir:
		return s.remove(ctx, t, id, d, s.tree.Rmdir)
	case wire.Remove:
		return s.remove(ctx, t, id, d, s.tree.Remove)
	case wire.Rename:
		return s.rename(ctx, t, id, d, renameStrict)
	case wire.Symlink:
		return s.symlink(ctx, t, id, d)
	case wire.Readlink:
		return s.readlink(ctx, id, d)
	case wire.Realpath:
		return s.realpath(id, d)
	case wire.Extended:
		return s.extended(ctx, id, d)
	default:
		return nil, fmt.Errorf("request type %d: %w", t, kind.Unsupported)
	}
}

// hello answers INIT. Any version is answered with ours, as OpenSSH does.
func (s *session) hello(p []byte) error {
	d := wire.NewDecoder(p)
	if d.Uint32(); d.Bad() {
		return fmt.Errorf("INIT of %d bytes: %w", len(p), kind.Invalid)
	}
	s.init = true
	start := len(s.out)
	s.out = append(s.out, 0, 0, 0, 0, byte(wire.VersionReply))
	s.out = wire.AppendUint32(s.out, wire.Version)
	for _, e := range extensions() {
		if e.changes && s.tree.ReadOnly() {
			continue
		}
		s.out = wire.AppendString(s.out, e.name)
		s.out = wire.AppendString(s.out, e.version)
	}
	s.out = wire.Finish(s.out, start)
	return nil
}

// ok appends the reply to a request that succeeded and returns nothing else.
func (s *session) ok(id uint32) {
	s.out = wire.AppendStatus(s.out, id, wire.OK, "")
}

var errBadFields = fmt.Errorf("request is cut or has a field too long: %w", kind.Invalid)

var errSizeRange = fmt.Errorf("size beyond 2^63-1: %w", kind.Invalid)
