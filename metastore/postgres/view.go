package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

// view is a read transaction (REPEATABLE READ) on a connection of its own.
//
// Every change that it does not see must get a seen time at or after the view's,
// also one of another gateway that is running while the view is opened. So each
// transaction that writes shares a lock (session.go) before it asks for the time,
// until its end; a view is opened under that lock alone, when no such transaction
// runs: what began before is seen, what begins after asks for the time later. And
// the view's time is written down, so that no later time is less, even if
// somebody sets the clock of the machine back.
type view struct {
	s   *Store
	seq uint64
	at  int64

	mu   sync.Mutex // guards the connection
	conn *pgx.Conn  // nil: closed
}

// pageRows is how many rows an iteration reads at a time.
const pageRows = 512

// The exclusive lock waits at most viewLockTimeout at a time, since those who want
// to write wait behind it, and then lets them pass for longer than that. In all, a
// view waits longer than a session may hold locks and say nothing (idleTimeout).
const (
	viewLockTimeout  = "100ms"
	viewLockPause    = 200 * time.Millisecond // to 400
	viewLockAttempts = 80
)

// Snapshot implements metastore.Collector.
func (c *collector) Snapshot(ctx context.Context) (metastore.View, error) {
	v, err := c.s.openView(ctx)
	if err != nil {
		return nil, failed(ctx, "open a view", err)
	}
	return v, nil
}

func (s *Store) openView(ctx context.Context) (*view, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	conn, err := s.c.dial(ctx, viewIdleTimeout)
	if err != nil {
		return nil, err
	}
	v := &view{s: s, conn: conn}
	if err := v.open(ctx); err != nil {
		closeConn(conn)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		closeConn(conn)
		return nil, fmt.Errorf("postgres: %w", kind.Closed)
	}
	s.views[v] = true
	return v, nil
}

func (v *view) open(ctx context.Context) error {
	var err error
	for range viewLockAttempts {
		b := &pgx.Batch{}
		b.Queue("begin")
		b.Queue("SELECT set_config('lock_timeout', $1, true)", viewLockTimeout)
		b.Queue("SELECT pg_advisory_lock($1, $2)", v.s.key, lockView) // the session's: it outlives the transaction
		b.Queue("UPDATE clock SET newest = now_ns(newest) RETURNING newest").QueryRow(into(&v.at))
		b.Queue("commit")
		if err = send(ctx, v.conn, b); codeOf(err) != lockNotAvailable || !pace.Sleep(ctx, viewLockPause+rand.N(viewLockPause)) {
			break
		}
	}
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue("begin isolation level repeatable read read only")
	b.Queue(newest).QueryRow(into(&v.seq)) // the first query fixes what is seen
	b.Queue("SELECT pg_advisory_unlock($1, $2)", v.s.key, lockView)
	return send(ctx, v.conn, b)
}

// Seq implements metastore.View.
func (v *view) Seq() uint64 { return v.seq }

// Time implements metastore.View.
func (v *view) Time() time.Time { return timeOf(v.at) }

// Close implements metastore.View.
func (v *view) Close() error {
	v.s.mu.Lock()
	delete(v.s.views, v)
	v.s.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn != nil {
		closeConn(v.conn)
		v.conn = nil
	}
	return nil
}

// closeViews closes what is left open when the store closes.
func (s *Store) closeViews() {
	s.mu.Lock()
	var open []*view
	for v := range s.views {
		open = append(open, v)
	}
	s.mu.Unlock()
	for _, v := range open {
		_ = v.Close() // it gives no error
	}
}

// oldestView is the smallest seq of an open view of this gateway, or else.
func (s *Store) oldestView(otherwise uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.views {
		otherwise = min(otherwise, v.seq)
	}
	return otherwise
}

// use runs fn with the view's connection. A caller that gives up is not heard in
// the middle of a query: that would end the view, and queries are short.
func (v *view) use(ctx context.Context, op string, fn func(context.Context, *pgx.Conn) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn == nil {
		return fmt.Errorf("postgres: view: %w", kind.Closed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("postgres: view: %w: %w", kind.Canceled, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.s.callTimeout)
	defer cancel()
	err := fn(ctx, v.conn)
	if err == nil {
		return nil
	}
	return failed(context.WithoutCancel(ctx), "view: "+op, err)
}
