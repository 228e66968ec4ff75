package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/primary"
)

// Options say where the database is and how to use it.
type Options struct {
	// URL is postgresql://user:password@host:port/database (or postgres://), with
	// whatever else such an address may say: several hosts, sslmode, sslrootcert,
	// … PGPASSWORD and the password file count where it has no password.
	URL string

	// Schema holds the tables. Empty: DefaultSchema. Several metastores may lie
	// in one database in schemas of their own.
	Schema string

	// MinConns are kept open and MaxConns, which is at least 2, not exceeded; one
	// of these is for hints from other gateways (Notify). Each open View takes
	// one connection more. Zero: DefaultMinConns (or MaxConns, if that is less),
	// DefaultMaxConns.
	MinConns, MaxConns int

	// Wait is how long Open, Create and Migrate wait for a server that does not
	// answer, or is only starting.
	Wait time.Duration

	// Log hears what no caller does. Nil: nobody.
	Log *slog.Logger
}

// What counts where Options say nothing.
const (
	DefaultSchema   = "truckee"
	DefaultMinConns = 5
	DefaultMaxConns = 7
)

// The bounds that keep a call from hanging for ever. The server ends a statement
// after statementTimeout and a wait for a lock after lockTimeout, and a session
// that holds locks without saying anything after idleTimeout; we end a call after
// callTimeout, in case that the server itself is out of reach.
const (
	statementTimeout = 30 * time.Second
	lockTimeout      = 10 * time.Second
	idleTimeout      = 15 * time.Second
	viewIdleTimeout  = time.Hour
	callTimeout      = 40 * time.Second
	connectTimeout   = 10 * time.Second
)

// minServer is the oldest server that has all that is used.
const minServer = 13_00_00

// config is what Options come to.
type config struct {
	pool   *pgxpool.Config
	schema string
	where  string // host:port/database, for errors and logs
	wait   time.Duration
	log    *slog.Logger

	finder *primary.Finder
}

// parse checks the options. Its errors are of kind Invalid and never quote the
// URL, which may hold a password.
func (o Options) parse() (*config, error) {
	c := &config{schema: o.Schema, wait: o.Wait, log: o.Log}
	if c.schema == "" {
		c.schema = DefaultSchema
	}
	if len(c.schema) > 63 || strings.ContainsRune(c.schema, 0) || strings.HasPrefix(c.schema, "pg_") {
		return nil, fmt.Errorf("postgres: %q can't be a schema's name: %w", c.schema, kind.Invalid)
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if strings.ContainsFunc(o.URL, unicode.IsControl) {
		return nil, fmt.Errorf("postgres: the address has control characters: %w", kind.Invalid)
	}
	if !strings.HasPrefix(o.URL, "postgresql://") && !strings.HasPrefix(o.URL, "postgres://") {
		return nil, fmt.Errorf("postgres: the address does not begin with postgresql://: %w", kind.Invalid)
	}
	var err error
	if c.pool, err = pgxpool.ParseConfig(o.URL); err != nil {
		return nil, kind.Errorf(kind.Invalid, "postgres: the address can't be read: it has the form "+
			"postgresql://user:password@host:port/database, in which special characters of a password are written as %%XX")
	}
	if err := o.limits(c); err != nil {
		return nil, err
	}
	conn := c.pool.ConnConfig
	c.where = net.JoinHostPort(conn.Host, strconv.Itoa(int(conn.Port))) + "/" + conn.Database
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "truckee"
	}
	// What the address says of these counts for other programs.
	conn.DefaultQueryExecMode, conn.StatementCacheCapacity = pgx.QueryExecModeCacheStatement, 256
	if conn.ConnectTimeout == 0 || conn.ConnectTimeout > connectTimeout {
		conn.ConnectTimeout = connectTimeout
	}
	if conn.ValidateConnect == nil {
		// Of several hosts, the one that takes writes; and never a stale read.
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.finder = primary.NewFinder(c.log)
	c.finder.Use(&conn.Config)
	c.pool.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		return c.setUp(ctx, conn, idleTimeout)
	}
	return c, nil
}

func (o Options) limits(c *config) error {
	most, least := o.MaxConns, o.MinConns
	if most == 0 {
		most = DefaultMaxConns
	}
	if least == 0 {
		least = min(DefaultMinConns, most)
	}
	switch {
	case most < 2:
		return fmt.Errorf("postgres: at most %d connections are too few, at least 2 are needed: %w", most, kind.Invalid)
	case least < 0 || least > most:
		return fmt.Errorf("postgres: at least %d and at most %d connections: %w", least, most, kind.Invalid)
	case most > 10_000:
		return fmt.Errorf("postgres: at most %d connections: %w", most, kind.Invalid)
	}
	// One is Notify's and does not belong to the pool.
	c.pool.MaxConns = int32(most - 1)
	c.pool.MinConns = int32(min(least, most-1))
	c.pool.MaxConnLifetime = time.Hour
	c.pool.MaxConnLifetimeJitter = 10 * time.Minute
	c.pool.MaxConnIdleTime = 10 * time.Minute
	c.pool.HealthCheckPeriod = 30 * time.Second
	return nil
}

// setUp gives a new connection its settings. A setting of the session, not of the
// connection's start, passes poolers that refuse what they don't know.
//
// The tables are found by key only, so that a plan may be kept for good, and one
// that reads a whole table, made while that was small, is never right.
func (c *config) setUp(ctx context.Context, conn *pgx.Conn, idle time.Duration) error {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	_, err := conn.Exec(ctx, `SELECT set_config('search_path', $1, false),
		set_config('statement_timeout', $2, false), set_config('lock_timeout', $3, false),
		set_config('idle_in_transaction_session_timeout', $4, false),
		set_config('default_transaction_isolation', 'read committed', false),
		set_config('default_transaction_read_only', 'off', false),
		set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
		set_config('jit', 'off', false),
		set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
		set_config('tcp_keepalives_count', '3', false),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
			ELSE current_setting('synchronous_commit') END, false)`,
		pgx.QueryExecModeExec, // one round trip
		pgx.Identifier{c.schema}.Sanitize(), ms(statementTimeout), ms(lockTimeout), ms(idle))
	return err
}

// lockKey is the first half of the advisory locks of this schema; the second
// names the lock. They are the database's own, others' metastores in it have
// other keys.
func (c *config) lockKey() int32 {
	h := fnv.New32a()
	h.Write([]byte("truckee\x00" + c.schema))
	return int32(h.Sum32())
}

// The advisory locks. Each transaction that sets a seen time or a lease shares
// lockView, which a view takes alone (view.go); lockDirMove serialises moves of
// directories, lockCommit gives commits their order, lockMigrate migrations.
const (
	lockView int32 = iota + 1
	lockDirMove
	lockCommit
	lockMigrate
	lockProbe
)
