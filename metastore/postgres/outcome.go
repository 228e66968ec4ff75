package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
)

// unresolved is a transaction whose connection broke after it was told to commit.
type unresolved struct {
	xid string
}

// outcomeTimeout is how long a commit waits for an answer about itself when its
// connection broke: long enough for a server that only restarts.
const outcomeTimeout = 15 * time.Second

// outcome finds out on new connections whether a transaction, whose own connection
// broke after its COMMIT was sent, has committed. Before the question has an answer
// the transaction must have ended: a server that does not know yet that the
// connection is gone may still be working on it. Transactions that nobody could ask
// for in time are kept in mind, for Log.
func (s *Store) outcome(ctx context.Context, t *tx) (committed, known bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.outcomeTimeout)
	defer cancel()
	s.pool.Reset() // what broke one connection has most likely broken all
	for attempt := 0; ; attempt++ {
		err := s.on(ctx, func(ctx context.Context, c *pgx.Conn) error {
			if err := ended(ctx, c, t.xid); err != nil {
				return err
			}
			return c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM log WHERE seq > $1 AND batch = $2)", t.base, t.token[:]).Scan(&committed)
		})
		if err == nil {
			return committed, true
		}
		if !pause(ctx, 4+attempt) {
			s.mu.Lock()
			s.unresolved = append(s.unresolved, unresolved{t.xid})
			s.mu.Unlock()
			return false, false
		}
	}
}

// ended returns nil when a transaction is not running any more. One that is has
// its session ended.
func ended(ctx context.Context, c *pgx.Conn, xid string) error {
	for attempt := 0; ; attempt++ {
		var status *string
		err := c.QueryRow(ctx, "SELECT pg_xact_status($1::text::xid8)", xid).Scan(&status)
		switch {
		case codeOf(err) == invalidParameter:
			return nil // a server that never heard of it: a standby took over
		case err != nil:
			return err
		case status == nil || *status != "in progress":
			return nil
		}
		_, err = c.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = ($1::text::xid8)::xid", xid)
		if err != nil && !answered(err) { // that it may not is no reason not to wait
			return err
		}
		if !pause(ctx, 4+attempt) {
			return ctx.Err()
		}
	}
}

// settle waits until each transaction that outcome gave up on has ended: what is
// read then is final.
func (s *Store) settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		if len(s.unresolved) == 0 {
			s.mu.Unlock()
			return nil
		}
		u := s.unresolved[0]
		s.mu.Unlock()
		waited, cancel := context.WithTimeout(ctx, s.outcomeTimeout)
		err := s.read(waited, "settle", func(ctx context.Context, c *pgx.Conn) error { return ended(ctx, c, u.xid) })
		cancel()
		if err != nil {
			if ctx.Err() == nil && kind.Of(err) == kind.Canceled {
				return fmt.Errorf("postgres: a commit has not ended yet: %w", kind.Unavailable)
			}
			return err
		}
		s.mu.Lock()
		for i, o := range s.unresolved {
			if o == u {
				s.unresolved = append(s.unresolved[:i], s.unresolved[i+1:]...)
				break
			}
		}
		s.mu.Unlock()
	}
}
