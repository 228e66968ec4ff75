package postgres

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// connect makes the first connection. While the server does not answer it tries
// again, for as long as Options.Wait says; what a server refuses is final.
func (c *config) connect(ctx context.Context) (*pgx.Conn, error) {
	began, delay := time.Now(), 100*time.Millisecond
	c.finder.Survey(ctx, &c.pool.ConnConfig.Config)
	for {
		conn, err := c.dial(ctx, idleTimeout)
		if err == nil {
			return conn, nil
		}
		err = c.connectFailed(ctx, err)
		left := c.wait - time.Since(began)
		if !errors.Is(err, kind.Unavailable) || left <= 0 || ctx.Err() != nil {
			return nil, err
		}
		c.log.Info("waiting for PostgreSQL", slog.String("server", c.where), slog.Any("error", err))
		if !pace.Sleep(ctx, min(delay+rand.N(delay/2), left)) {
			return nil, failed(ctx, "connect to "+c.where, ctx.Err())
		}
		delay = min(2*delay, 5*time.Second)
	}
}

// dial makes a connection of its own, outside of the pool.
func (c *config) dial(ctx context.Context, idle time.Duration) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c.pool.ConnConfig.Copy())
	if err != nil {
		return nil, err
	}
	if err := c.setUp(ctx, conn, idle); err != nil {
		closeConn(conn)
		return nil, err
	}
	return conn, nil
}

// closeConn closes a connection, whoever waits, within a second.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // a connection that is broken is closed all the same
}

// checkServer refuses a server that does not keep what the metastore relies on,
// and warns of one that is set to lose data.
func (c *config) checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var name, fsync, pages string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, version(),
		coalesce(current_setting('fsync', true), '?'), coalesce(current_setting('full_page_writes', true), '?')`, pgx.QueryExecModeExec).
		Scan(&version, &name, &fsync, &pages)
	if err != nil {
		return failed(ctx, "ask for the server's settings", err)
	}
	if version < minServer {
		return kind.Errorf(kind.Unsupported, "postgres: %s: the server is too old, version 13 or newer is needed: %s", c.where, name)
	}
	c.warnOfLoss(fsync, pages)
	return c.probe(ctx, conn)
}

func (c *config) warnOfLoss(fsync, pages string) {
	if fsync == "off" || pages == "off" {
		c.log.Warn("PostgreSQL is set to lose data: what is answered as done may be gone after a crash of its machine",
			slog.String("server", c.where), slog.String("fsync", fsync), slog.String("full_page_writes", pages))
	}
}

// probe proves two things on two connections that nobody may take for granted.
// Advisory locks exclude: on what only speaks PostgreSQL's protocol they may do
// nothing, and commits would lose each other's updates. And a session keeps its
// settings: behind a pooler that gives each transaction another session, it would
// lose synchronous_commit, too.
func (c *config) probe(ctx context.Context, conn *pgx.Conn) error {
	other, err := c.dial(ctx, idleTimeout)
	if err != nil {
		return c.connectFailed(ctx, err)
	}
	defer closeConn(other)
	const set, get = "SELECT set_config('truckee.probe', $1, false)", "SELECT coalesce(current_setting('truckee.probe', true), '')"
	for name, c := range map[string]*pgx.Conn{"one": conn, "other": other} {
		if _, err := c.Exec(ctx, set, pgx.QueryExecModeExec, name); err != nil {
			return failed(ctx, "try the server's sessions", err)
		}
	}
	key := rand.Int32() // others may probe at the same time
	free, one, two := true, "", ""
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, $2)", pgx.QueryExecModeExec, key, lockProbe); err != nil {
			return err
		}
		if err := other.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", pgx.QueryExecModeExec, key, lockProbe).Scan(&free); err != nil {
			return err
		}
		if err := other.QueryRow(ctx, get, pgx.QueryExecModeExec).Scan(&two); err != nil {
			return err
		}
		return tx.QueryRow(ctx, get, pgx.QueryExecModeExec).Scan(&one)
	})
	switch {
	case err != nil:
		return failed(ctx, "try the server's locks", err)
	case one != "one" || two != "other":
		return kind.Errorf(kind.Unsupported, "postgres: %s: sessions lose their settings: a pooler is in between; it must give each connection a session of its own (PgBouncer: pool_mode = session)", c.where)
	case free:
		return kind.Errorf(kind.Unsupported, "postgres: %s: the server's advisory locks lock nothing: it is no PostgreSQL", c.where)
	}
	return nil
}
