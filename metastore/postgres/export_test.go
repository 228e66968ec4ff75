package postgres

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What tests look at or set inside.

// OpenThrough opens a store whose connections dial makes.
func OpenThrough(ctx context.Context, o Options, dial pgconn.DialFunc) (*Store, error) {
	c, err := o.parse()
	if err != nil {
		return nil, err
	}
	c.pool.ConnConfig.DialFunc = dial
	return c.open(ctx)
}

// Exec runs any statement.
func (s *Store) Exec(ctx context.Context, sql string, args ...any) error {
	_, err := s.pool.Exec(ctx, sql, args...)
	return err
}

// Query reads one number.
func (s *Store) Query(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = s.pool.QueryRow(ctx, sql, args...).Scan(&n)
	return n, err
}

// Waiting tells how many calls of Commit wait for the batch that is under way.
func (s *Store) Waiting() int { return s.queue.Waiting() }

// SetCallTimeout shortens how long a call may take. No other call may be under way.
func (s *Store) SetCallTimeout(d time.Duration) { s.callTimeout = d }

// SetOutcomeTimeout shortens how long a commit asks about itself.
func (s *Store) SetOutcomeTimeout(d time.Duration) { s.outcomeTimeout = d }

// HoldCommits takes the lock of commits until release is called.
func (s *Store) HoldCommits(ctx context.Context) (release func(), err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", s.key, lockCommit); err != nil {
		conn.Release()
		return nil, err
	}
	return func() {
		_, _ = conn.Exec(context.Background(), "SELECT pg_advisory_unlock($1, $2)", s.key, lockCommit)
		conn.Release()
	}, nil
}

// Begin runs statements in a transaction that stays open until commit is called.
func (s *Store) Begin(ctx context.Context, statements ...string) (commit func() error, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	for _, sql := range append([]string{"begin"}, statements...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			conn.Release()
			return nil, err
		}
	}
	return func() error {
		defer conn.Release()
		_, err := conn.Exec(context.Background(), "commit")
		return err
	}, nil
}

// BlockedByRows tells how many sessions of the database wait for a row.
func (s *Store) BlockedByRows(ctx context.Context) (int64, error) {
	return s.Query(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event IN ('transactionid', 'tuple')")
}

// Blocked tells how many sessions of the database wait for an advisory lock.
func (s *Store) Blocked(ctx context.Context) (int64, error) {
	return s.Query(ctx, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

// ReadMigrations reads migrations as those of the program are read.
func ReadMigrations(files fs.FS) (names []string, err error) {
	names, _, err = migrations(files)
	return names, err
}

// FailedWith gives the error that a caller gets for what the server answers.
func FailedWith(code, severity string) error {
	return failed(context.Background(), "op", &pgconn.PgError{Code: code, Severity: severity, SeverityUnlocalized: severity, Message: "message"})
}

// FailedConnection gives the error that a caller gets for a connection that broke.
func FailedConnection(ctx context.Context) error {
	return failed(ctx, "op", errors.New("broken"))
}

// WarnOfLoss is what Open says of a server with these settings.
func WarnOfLoss(log *slog.Logger, fsync, pages string) { (&config{log: log}).warnOfLoss(fsync, pages) }

// FoldEvery is how many rows total may grow by.
const FoldEvery = foldEvery

// ReadHint tells how many slots a hint names, whether it says that any may have
// changed, and whether it is the store's own.
func (s *Store) ReadHint(hint string) (n int, any, ours bool) {
	slots, ours := s.readHint(hint)
	return len(slots), slots == nil, ours
}

// Channel is where hints go.
func (s *Store) Channel() string { return s.c.channel() }
