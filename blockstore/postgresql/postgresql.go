// Package postgresql keeps blocks in a table of a PostgreSQL database, that of
// the metastore or another one: for small installations that have a database and
// nothing else, and to try RAID at home.
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "postgresql"
//	url = "postgresql://truckee@db.example.org/truckee"   # without one: the metastore's
//
// The tables are made at the first Open, in the first schema of the user's
// search path, which must let it create them; afterwards SELECT, INSERT, UPDATE
// and DELETE on them suffice, and without DELETE everything but Delete works:
//
//	blockstore_block   id bytea primary key, data bytea    a row a block
//	blockstore_marker  one row, the marker
//
// Blocks are stored outside of their rows and not compressed, so that a part of
// one is read without the rest, and sizes are told without reading any.
//
// A Put is durable as the server's commits are. Where synchronous_commit is off,
// the driver turns it on for its own connections; about fsync = off it can but
// warn. It doesn't retry: whoever uses it does (package internal/retry).
package postgresql

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/gate"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/primary"
)

// Options say where the database is, and who comes.
type Options struct {
	URL      string        // postgresql://<user>:<password>@<host>/<database>?…
	Password string        // if URL has none
	Timeout  time.Duration // how long a request may take; 0: 30 s
	MaxConns int           // connections, and so requests at a time; 0: 8, or pool_max_conns of URL
	Log      *slog.Logger  // nil: none
}

// Store is a blockstore.Store in a table.
type Store struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	secrets []string // hidden wherever an error goes by
	where   string   // host, port and database, for messages
	log     *slog.Logger
	gate    gate.Gate
}

var (
	_ blockstore.Store        = (*Store)(nil)
	_ blockstore.RangeGetter  = (*Store)(nil)
	_ blockstore.BatchDeleter = (*Store)(nil)
	_ blockstore.BatchStater  = (*Store)(nil)
	_ blockstore.Marker       = (*Store)(nil)
)

// defaultConns is little, since a database serves many and has a hundred
// connections by default, and enough to keep its disk busy with large blocks.
const defaultConns = 8

// Open connects, makes the tables if they aren't there, and otherwise fails with
// a sentence that names the database and the way out: Invalid options, NotExist
// if there is no such database, Denied, or Unavailable if the server doesn't answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	db := c.ConnConfig
	s := &Store{timeout: o.Timeout, secrets: []string{db.Password}, where: fmt.Sprintf("%s:%d/%s", db.Host, db.Port, db.Database), log: o.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.timeout <= 0 {
		s.timeout = 30 * time.Second
	}
	finder := primary.NewFinder(s.log)
	finder.Use(&c.ConnConfig.Config)
	finder.Survey(ctx, &c.ConnConfig.Config)
	if s.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return nil, kind.Errorf(kind.Invalid, "postgresql: %s can't be used as the address of a database", s.where)
	}
	finder.WhenAdvanced(s.pool.Reset)
	if err := s.prove(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// config reads the address. Errors don't repeat it, since the library's may show
// parts of a password that it took for something else.
func (o *Options) config() (*pgxpool.Config, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "postgresql" && u.Scheme != "postgres" {
		return nil, kind.Errorf(kind.Invalid, "postgresql: the address is not postgresql://<user>:<password>@<host>/<database>")
	}
	c, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, kind.Errorf(kind.Invalid, "postgresql: the address of host %s has a part that can't be read", u.Host)
	}
	switch {
	case o.MaxConns > 0:
		c.MaxConns = int32(min(o.MaxConns, 1000))
	case !u.Query().Has("pool_max_conns"):
		c.MaxConns = defaultConns
	}
	c.MinConns = min(c.MinConns, c.MaxConns)
	if o.Password != "" && c.ConnConfig.Password == "" {
		c.ConnConfig.Password = o.Password
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	// A server that has lost its mind shall not take our memory with it.
	c.ConnConfig.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(2 * blockstore.MaxBlock)
		return f
	}
	c.AfterConnect = durable
	return c, nil
}

// durable turns synchronous commits on where they are off; stronger settings
// (remote_write, remote_apply) stay.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
	return err
}

// schemaLock is an advisory lock that keeps two gateways from making the tables
// at the same time: "truckee" and "blocks" in ASCII, shortened.
const schemaLock = 0x74726b5f626c6b73

// schema makes the tables. Who waited for the lock finds them there.
const schema = `
CREATE TABLE IF NOT EXISTS blockstore_block (id bytea PRIMARY KEY, data bytea NOT NULL);
ALTER TABLE blockstore_block ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS blockstore_marker (one boolean PRIMARY KEY DEFAULT true CHECK (one), data bytea NOT NULL);
`

// prove connects and makes the tables, unless they are there.
func (s *Store) prove(ctx context.Context) error {
	r, err := s.begin(ctx, "open", s.where)
	if err != nil {
		return err
	}
	defer r.end()
	made, fsync, err := s.makeTables(r.ctx)
	if err != nil {
		err = r.failed(err)
		switch k := kind.Of(err); {
		case noDatabase(err):
			return kind.Errorf(kind.NotExist, "there is no database at %s: create it, or correct its name in the configuration (%w)", s.where, err)
		case k == kind.Denied:
			return kind.Errorf(k, "the database at %s refuses: check user and password, and that the user may create tables in it, or has been granted those that are there (%w)", s.where, err)
		case k == kind.Unavailable:
			return kind.Errorf(k, "the database at %s does not answer: %w", s.where, err)
		default:
			return fmt.Errorf("the database at %s can't be used: %w", s.where, err)
		}
	}
	if made {
		s.log.Info("made the tables for blocks", "database", s.where)
	}
	if fsync != "on" {
		s.log.Warn("the database runs with fsync off: a power failure there may lose blocks that were acknowledged", "database", s.where)
	}
	return nil
}

func (s *Store) makeTables(ctx context.Context) (made bool, fsync string, err error) {
	const there = `SELECT to_regclass('blockstore_block') IS NOT NULL AND to_regclass('blockstore_marker') IS NOT NULL, current_setting('fsync')`
	var found bool
	if err := s.pool.QueryRow(ctx, there).Scan(&found, &fsync); err != nil || found {
		return false, fsync, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
	return err == nil, fsync, err
}

// Close implements blockstore.Store.
func (s *Store) Close() error {
	if s.gate.Close() {
		s.pool.Close()
	}
	return nil
}
