package sftpd

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// Requests are executed in their order, and each as if those before it were
// done. But a change that waits for storage need not hold up what has nothing
// to do with it: a client that does not wait for answers, as sshfs on CLOSE,
// gets several changes into one commit. Such a request flies: it runs in a
// goroutine of its own while the session goes on, and its reply keeps its
// place. What may depend on it waits for it:
//
//   - a request on the same handle;
//   - a request on a path that is the same, lies above or below;
//   - while names are being changed, a request on a path that leads through a
//     symbolic link, or ends in one: it may lead anywhere.
//
// So no client can tell the difference but by its clock.
//
// A flight begins when the session goes on to something that need not wait for
// it, or has nothing more to execute. If what comes next depends on it, as an
// OPEN behind the CLOSE of the same file does, the session's own goroutine runs
// it: nobody has to be woken, and its reply is sent with the next one if that
// follows at once.

// maxFlights bounds the requests of a session that fly.
const maxFlights = 32

// flight is a request that runs beside the session.
type flight struct {
	what    []byte           // the path as the client wrote it, for messages
	paths   []filestore.Path // whose entries it may change
	names   bool             // it makes names appear, vanish or mean others
	handles [2]*handle       // that it uses
	begun   bool             // of the session's goroutine alone
	run     func() []byte    // gives the reply
	place   *pledge          // of the reply
	done    chan struct{}
}

// flights are those of one session; only its goroutine uses them.
type flights struct {
	up []*flight
	wg sync.WaitGroup
}

// reap forgets those that have landed.
func (f *flights) reap() {
	f.up = slices.DeleteFunc(f.up, func(f *flight) bool {
		select {
		case <-f.done:
			return true
		default:
			return false
		}
	})
}

// depart has all flights begin that haven't yet.
func (s *session) depart() {
	for _, f := range s.flights.up {
		s.begin(f)
	}
}

// begin runs f beside the session, unless somebody does already.
func (s *session) begin(f *flight) {
	if f.begun {
		return
	}
	f.begun = true
	s.flights.wg.Go(func() {
		defer close(f.done)
		s.replies.keep(f.place, f.run())
	})
}

// await waits for the flights that match, or for all if match is nil, and has the
// others begin. Replies that it has waited for go out with the session's next one.
func (s *session) await(match func(*flight) bool) {
	var own *flight
	for _, f := range s.flights.up {
		if own == nil && !f.begun && (match == nil || match(f)) {
			own = f
		} else {
			s.begin(f)
		}
	}
	if own != nil {
		own.begun = true
		s.held = s.replies.hold(own.place) || s.held
		s.replies.keep(own.place, own.run())
		close(own.done)
	}
	for _, f := range s.flights.up {
		if match == nil || match(f) {
			s.held = s.replies.hold(f.place) || s.held
			<-f.done
		}
	}
	s.flights.reap()
}

// settle waits for what may change where p leads and what is there.
func (s *session) settle(ctx context.Context, p filestore.Path) {
	if len(s.flights.up) == 0 {
		return
	}
	s.await(func(f *flight) bool { return f.near(p) })
	if !slices.ContainsFunc(s.flights.up, func(f *flight) bool { return f.names }) {
		return
	}
	if straight, err := s.tree.Straight(ctx, p); err != nil || !straight {
		s.await(nil)
	}
}

// near reports whether p is one of f's paths, or lies above or below one.
func (f *flight) near(p filestore.Path) bool {
	return slices.ContainsFunc(f.paths, func(q filestore.Path) bool {
		n := min(len(p), len(q))
		return slices.Equal(p[:n], q[:n])
	})
}

// settleHandle waits for what uses h.
func (s *session) settleHandle(h *handle) {
	if len(s.flights.up) > 0 {
		s.await(func(f *flight) bool { return f.handles[0] == h || f.handles[1] == h })
	}
}

// fly runs a request beside the session. run gives the whole reply; nil is OK.
// It must use nothing of the session, nor of the packet.
func (s *session) fly(ctx context.Context, t wire.Type, id uint32, f *flight, run func(context.Context) ([]byte, error)) {
	s.flights.reap()
	if len(s.flights.up) >= maxFlights {
		s.depart()
		<-s.flights.up[0].done
		s.flights.reap()
	}
	var free bool
	f.place, free = s.replies.pledge(s.out)
	s.renew(free)
	f.run = func() []byte { return s.land(ctx, t, id, f, run) }
	f.done = make(chan struct{})
	s.flights.up = append(s.flights.up, f)
}

// land runs a flight to its end and gives its reply. A bug in it ends nothing
// but the request.
func (s *session) land(ctx context.Context, t wire.Type, id uint32, f *flight, run func(context.Context) ([]byte, error)) (reply []byte) {
	defer func() {
		if v := recover(); v != nil {
			s.bug(v)
			reply = s.appendFailure(nil, t, id, f.what, f.handles[0], fmt.Errorf("panic: %w", kind.Other))
		}
	}()
	b, err := run(ctx)
	switch {
	case err != nil:
		return s.appendFailure(nil, t, id, f.what, f.handles[0], err)
	case b == nil:
		return wire.AppendStatus(nil, id, wire.OK, "")
	}
	return b
}

// change executes a request that changes what stands at the paths, and answers
// it. It flies if the client has sent more already, which it then doesn't hold
// up; else there is nothing to gain.
func (s *session) change(ctx context.Context, t wire.Type, id uint32, what []byte, do func(context.Context) error, paths ...filestore.Path) error {
	if s.w > s.r && s.straight(ctx, paths) {
		f := &flight{what: slices.Clone(what), paths: paths, names: true}
		s.fly(ctx, t, id, f, func(ctx context.Context) ([]byte, error) { return nil, do(ctx) })
		return nil
	}
	s.flush() // what is ready doesn't wait with it
	if err := do(ctx); err != nil {
		return err
	}
	s.ok(id)
	return nil
}

func (s *session) straight(ctx context.Context, paths []filestore.Path) bool {
	for _, p := range paths {
		if ok, err := s.tree.Straight(ctx, p); err != nil || !ok {
			return false
		}
	}
	return true
}
