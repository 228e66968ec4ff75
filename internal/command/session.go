package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
)

// Session is the way to a node for one command: through the process that has it
// open, or by opening it.
type Session struct {
	layout node.Layout
	lock   *node.Lock // nil: another process has the node open
	node   *node.Node
}

// Patience is how long a command waits for another one that has the node open
// and takes no requests.
const Patience = 10 * time.Second

// Connect finds the way to the node in BASEDIR. If no process has it open, the
// node's lock is taken for the command named, and open opens it. NotExist: there
// is no node. Unavailable: another process has it, and takes no requests.
func Connect(ctx context.Context, l node.Layout, command string, open func(context.Context) (*node.Node, error)) (*Session, error) {
	if ok, err := l.Complete(); err == nil && !ok {
		return nil, kind.Errorf(kind.NotExist, "%s holds no node; `truckee init` or `truckee serve` makes one", l.BaseDir)
	}
	s := &Session{layout: l}
	deadline := time.Now().Add(Patience)
	for {
		running, err := s.running(ctx)
		if err != nil || running {
			return s, err
		}
		lock, err := tryLock(ctx, l, command)
		if err == nil {
			s.lock = lock
			break
		}
		if kind.Of(err) != kind.Unavailable || time.Now().After(deadline) {
			return nil, err
		}
	}
	n, err := open(ctx)
	if err != nil {
		s.lock.Release()
		return nil, err
	}
	s.node = n
	return s, nil
}

// running reports whether a node listens on the control socket.
func (s *Session) running(ctx context.Context) (bool, error) {
	c, err := control.Dial(ctx, s.layout.Socket())
	if kind.Of(err) == kind.NotExist {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, c.Close()
}

// tryLock waits for the lock a little while: a node that starts has it some
// time before it listens.
func tryLock(ctx context.Context, l node.Layout, command string) (*node.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	return l.Lock(ctx, command)
}

// Do carries out an operation.
func (s *Session) Do(ctx context.Context, o Operation, streams control.Streams) control.Outcome {
	if s.node != nil {
		return outcome(carryOut(ctx, o, s.node, streams))
	}
	out, err := s.remote(ctx, o, streams)
	if err != nil {
		return outcome(err)
	}
	return out
}

func (s *Session) remote(ctx context.Context, o Operation, streams control.Streams) (control.Outcome, error) {
	r, err := request(o)
	if err != nil {
		return control.Outcome{}, err
	}
	c, err := control.Dial(ctx, s.layout.Socket())
	if err != nil {
		return control.Outcome{}, fmt.Errorf("the node has stopped: %w", err)
	}
	return c.Do(ctx, r, streams)
}

// Close ends the session.
func (s *Session) Close() error {
	if s.node == nil {
		return nil
	}
	err := s.node.Close()
	s.lock.Release()
	s.node = nil
	return errors.Join(err)
}
