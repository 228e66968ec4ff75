// Package postgres is the metastore in a PostgreSQL database, which several
// gateways may share.
//
// Each gateway commits what its callers hand in together in one transaction, in
// two round trips whatever its size (commit.go); several gateways exclude each
// other by the locks of rows and a few advisory locks. A commit that was
// acknowledged is as durable as the server makes a commit with
// synchronous_commit on. Where a connection breaks in the middle of a COMMIT, the
// store finds out on a new one whether it took place (outcome.go).
//
// It needs sessions of its own: connections must reach the server directly or
// through a pooler in session mode. It needs PostgreSQL 13, and nothing of it
// that a plain user who owns a schema may not use.
//
// In tahoe.cfg:
//
//	[metastore]
//	driver = "postgresql"
//	url = "postgresql://truckee@db.example.org/truckee"
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/truckee-fs/truckee/internal/groupcommit"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Store is an open database.
type Store struct {
	c    *config
	pool *pgxpool.Pool
	log  *slog.Logger
	key  int32  // of the advisory locks
	name uint64 // tells our own hints from others'

	queue groupcommit.Queue[*op]

	// The time-outs, shorter in tests.
	callTimeout, outcomeTimeout time.Duration

	closing context.Context // ends when Close is called
	close   context.CancelFunc

	mu          sync.Mutex // guards the fields below
	closed      bool
	views       map[*view]bool
	unresolved  []unresolved
	differences int // rows written to total since they were folded

	calls sync.WaitGroup // calls in flight; entered under mu
}

var (
	_ metastore.Store     = (*Store)(nil)
	_ metastore.Exclusive = (*Store)(nil)
	_ metastore.Repairer  = (*Store)(nil)
	_ metastore.Exporter  = (*Store)(nil)
	_ metastore.Notifier  = (*Store)(nil)
	_ metastore.Collector = (*collector)(nil)
	_ metastore.View      = (*view)(nil)
)

// Open opens a metastore that Create or Migrate made.
//
// Errors: Invalid if the options make no sense; Unavailable if no server answers,
// also after Options.Wait; Denied if it does not let us in; NotExist if it has no
// such database, or no metastore in it; Unsupported if its schema is older than
// this program (the error names `truckee migrate`) or newer, or the server is no
// PostgreSQL of version 13 or later. No error holds a password.
func Open(ctx context.Context, o Options) (*Store, error) {
	c, err := o.parse()
	if err != nil {
		return nil, err
	}
	return c.open(ctx)
}

func (c *config) open(ctx context.Context) (*Store, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	if err := c.checkServer(ctx, conn); err != nil {
		return nil, err
	}
	if err := c.checkSchema(ctx, conn); err != nil {
		return nil, err
	}
	s := &Store{
		c: c, log: c.log, key: c.lockKey(), name: rand.Uint64(), views: map[*view]bool{},
		callTimeout: callTimeout, outcomeTimeout: outcomeTimeout,
	}
	s.closing, s.close = context.WithCancel(context.WithoutCancel(ctx))
	if s.pool, err = pgxpool.NewWithConfig(s.closing, c.pool); err != nil {
		s.close()
		return nil, failed(ctx, "open connections to "+c.where, err)
	}
	c.finder.WhenAdvanced(s.pool.Reset)
	return s, nil
}

// Exclusive says that others may write to this store.
func (s *Store) Exclusive() bool { return false }

// enter begins a call, which leave ends.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("postgres: %w: %w", kind.Canceled, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("postgres: %w", kind.Closed)
	}
	s.calls.Add(1)
	return nil
}

func (s *Store) leave() { s.calls.Done() }

// Close waits for the calls in flight, then closes open views and all connections.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	s.close()
	s.calls.Wait()
	if first {
		s.closeViews()
		s.pool.Close()
	}
	return nil
}
