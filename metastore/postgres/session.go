package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/truckee-fs/truckee/internal/pace"
)

// attempts is how often a transaction that met others is tried, or one on a
// connection that turned out to be dead.
const attempts = 10

// read runs fn on a connection, once more if that had died: only what changes
// nothing.
func (s *Store) read(ctx context.Context, op string, fn func(context.Context, *pgx.Conn) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	err := s.on(ctx, fn)
	if err != nil && !answered(err) && ctx.Err() == nil {
		s.pool.Reset() // the others have died of the same, most likely
		err = s.on(ctx, fn)
	}
	return failed(ctx, op, err)
}

// change runs what queue queues as one transaction in one round trip. queue may
// be called again: when the transaction met another one and nothing was applied.
// An error other than the server's answer leaves the outcome unknown: Unavailable.
//
// What queue has the results do can't stop the transaction.
func (s *Store) change(ctx context.Context, op string, queue func(*pgx.Batch)) error {
	return s.write(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		b := &pgx.Batch{}
		s.begin(b)
		queue(b)
		b.Queue("commit")
		return send(ctx, c, b)
	})
}

// transact runs fn in a transaction, with the time that it has begun. fn may be
// called again.
func (s *Store) transact(ctx context.Context, op string, fn func(ctx context.Context, c *pgx.Conn, now int64) error) error {
	return s.write(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
		var now int64
		b := &pgx.Batch{}
		s.begin(b)
		b.Queue("SELECT " + nowNS).QueryRow(into(&now))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		if err := fn(ctx, c, now); err != nil {
			rollback(c)
			return err
		}
		_, err := c.Exec(ctx, "commit")
		return err
	})
}

// write runs fn, which makes a transaction, on a connection. Who has begun to
// write is not stopped by the caller's giving up: the outcome would be unknown.
func (s *Store) write(ctx context.Context, op string, fn func(context.Context, *pgx.Conn) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	var err error
	for attempt := range attempts {
		var conn *pgxpool.Conn
		if conn, err = s.acquire(ctx); err != nil {
			return failed(ctx, op, err)
		}
		err = func() error {
			defer conn.Release()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.callTimeout)
			defer cancel()
			return fn(ctx, conn.Conn())
		}()
		if !passing(err) && !pgconn.SafeToRetry(err) {
			break
		}
		if !pause(ctx, attempt) {
			break
		}
	}
	return failed(context.WithoutCancel(ctx), op, err)
}

// pause lets those that met go their ways.
func pause(ctx context.Context, attempt int) bool {
	return pace.Sleep(ctx, rand.N(time.Millisecond<<min(attempt, 6)))
}

// begin queues what every transaction that writes begins with. The shared lock is
// a view's guarantee (view.go).
func (s *Store) begin(b *pgx.Batch) {
	b.Queue("begin")
	b.Queue("SELECT pg_advisory_xact_lock_shared($1, $2)", s.key, lockView)
}

// acquire gets a connection from the pool, within callTimeout.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	return s.pool.Acquire(ctx)
}

// on runs fn on a connection of the pool, within callTimeout.
func (s *Store) on(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return fn(ctx, conn.Conn())
}

// send sends a batch and has its results read. If it fails, no transaction is
// left open.
func send(ctx context.Context, c *pgx.Conn, b *pgx.Batch) error {
	err := c.SendBatch(ctx, b).Close()
	if err != nil {
		rollback(c)
	}
	return err
}

// rollback ends a transaction that is open. What the server says to that is of no
// interest: at worst the connection is thrown away.
func rollback(c *pgx.Conn) {
	if c.IsClosed() || c.PgConn().IsBusy() || c.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = c.Exec(ctx, "rollback")
}

// into scans the one row of a result.
func into(to ...any) func(pgx.Row) error {
	return func(row pgx.Row) error { return row.Scan(to...) }
}

// each calls fn with each row of a result, scanned into to.
func each(to []any, fn func() error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, to, fn)
		return err
	}
}
