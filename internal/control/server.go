package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Bounds of the server.
const (
	maxConns     = 64
	helloTimeout = 10 * time.Second
	farewell     = 2 * time.Second
)

// Serve carries out the requests that come over l by h, until ctx ends. It
// closes l, cancels the requests that run, and returns when they have ended.
func Serve(ctx context.Context, l net.Listener, h Handler, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	slots := make(chan struct{}, maxConns)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("control: accept: %w", err)
		}
		if err != nil {
			// Most likely no descriptor is free. Commands wait; the node goes on.
			log.Warn("control accept", "error", err)
			pause(ctx)
			continue
		}
		u, ok := conn.(*net.UnixConn)
		select {
		case slots <- struct{}{}:
		default:
			ok = false
		}
		if !ok {
			log.Warn("control connection refused: too many at a time")
			conn.Close()
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			// io.EOF: somebody asked whether a node runs here, and nothing else.
			if err := serveConn(ctx, u, h, log); err != nil && !errors.Is(err, io.EOF) {
				log.Warn("control connection ended", "error", err)
			}
		})
	}
}

// pause rests after an accept that failed.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}

// serveConn serves one connection.
func serveConn(ctx context.Context, conn *net.UnixConn, h Handler, log *slog.Logger) error {
	defer conn.Close()
	uid, err := peer(conn)
	if err != nil {
		return err
	}
	if uid != 0 && uid != os.Geteuid() {
		return kind.Errorf(kind.Denied, "control: user %d", uid)
	}
	r, out, err := readHello(conn)
	if err != nil {
		return err
	}
	s := newSession(conn)
	if out != nil {
		return s.exit(*out)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Whoever ended it: reading stops now, and a client that doesn't read can't
	// hold up the end for long.
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		_ = conn.SetWriteDeadline(time.Now().Add(farewell))
	})
	defer stop()
	reading := make(chan struct{})
	go func() { defer close(reading); defer cancel(); s.readInput(ctx) }()
	log.Debug("control request", "op", r.Op)
	outcome := carryOut(ctx, h, r, Streams{In: s, Out: stream{s, frameOut}, Err: stream{s, frameErr}}, log)
	err = s.exit(outcome)
	cancel()
	<-reading
	return err
}

// carryOut calls h. A bug in it must not end the node's other work.
func carryOut(ctx context.Context, h Handler, r Request, s Streams, log *slog.Logger) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			log.Error("control request panicked", "op", r.Op, "panic", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
			out = Outcome{Status: 1, Message: "internal error; the node's log has the details"}
		}
	}()
	return h(ctx, r, s)
}

// readHello reads the request, or gives the outcome that refuses it.
func readHello(conn *net.UnixConn) (Request, *Outcome, error) {
	if err := conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return Request{}, nil, err
	}
	t, body, err := readFrame(conn)
	if errors.Is(err, io.EOF) {
		return Request{}, nil, err
	}
	if err != nil {
		return Request{}, nil, fmt.Errorf("control: read the request: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return Request{}, nil, err
	}
	return parseHello(t, body)
}

func parseHello(t frameType, body []byte) (Request, *Outcome, error) {
	var h hello
	if t != frameHello || json.Unmarshal(body, &h) != nil || h.Op == "" {
		return Request{}, nil, kind.Errorf(kind.Invalid, "control: the connection begins with no request")
	}
	if h.Version != Version {
		return Request{}, &Outcome{Status: 1, Message: fmt.Sprintf(
			"the running node speaks version %d of the control protocol, this command version %d; use the same truckee for both", Version, h.Version)}, nil
	}
	return Request{Op: h.Op, Args: h.Args}, nil, nil
}

// session is one request's connection, seen by its handler.
type session struct {
	conn  *net.UnixConn
	input chan inputFrame // answers to want
	gone  chan struct{}   // closed when the client is

	writing sync.Mutex // held while a frame is written

	reading sync.Mutex // guards the fields below
	rest    []byte     // of the last answer
	end     error      // of standard input
}

type inputFrame struct {
	t    frameType
	body []byte
}

func newSession(conn *net.UnixConn) *session {
	return &session{conn: conn, input: make(chan inputFrame), gone: make(chan struct{})}
}

// readInput hands on what the client sends, until it is gone or breaks the protocol.
func (s *session) readInput(ctx context.Context) {
	defer close(s.gone)
	for {
		t, body, err := readFrame(s.conn)
		if err != nil || t != frameInput && t != frameInputError {
			return
		}
		select {
		case s.input <- inputFrame{t, body}:
		case <-ctx.Done():
			return
		}
	}
}

// Read is the request's standard input.
func (s *session) Read(b []byte) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(s.rest) == 0 && s.end == nil && len(b) > 0 {
		s.ask()
	}
	if len(s.rest) == 0 {
		return 0, s.end
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// ask wants one more frame of input.
func (s *session) ask() {
	if err := s.send(frameWant, nil); err != nil {
		s.end = err
		return
	}
	select {
	case in := <-s.input:
		switch {
		case in.t == frameInputError:
			s.end = errors.New("standard input: " + string(in.body))
		case len(in.body) == 0:
			s.end = io.EOF
		default:
			s.rest = in.body
		}
	case <-s.gone:
		s.end = kind.Errorf(kind.Canceled, "control: the command went away")
	}
}

func (s *session) send(t frameType, body []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return writeFrame(s.conn, t, body)
}

func (s *session) exit(out Outcome) error {
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if len(body) > maxBody {
		body, _ = json.Marshal(Outcome{Status: out.Status, Message: "the message is too long to be sent"})
	}
	return s.send(frameExit, body)
}

// stream is the request's standard output or error.
type stream struct {
	s *session
	t frameType
}

func (w stream) Write(b []byte) (int, error) {
	for off := 0; off < len(b); off += maxBody {
		if err := w.s.send(w.t, b[off:min(off+maxBody, len(b))]); err != nil {
			return off, fmt.Errorf("control: the command went away: %w: %w", kind.Canceled, err)
		}
	}
	return len(b), nil
}
