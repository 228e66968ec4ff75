// Package primary keeps connections to PostgreSQL at the server that takes writes:
// never at a standby, and never at an old primary.
//
// A standby that takes over begins a new timeline (PostgreSQL's manual, Continuous
// Archiving, Timelines). The old primary, if it is started again as it was, takes
// writes on the old one: it knows nothing of what was committed since, and what it
// is given is lost when it is made a standby. Servers that follow one another have
// one system identifier, by which their timelines are compared.
package primary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Finder knows the newest timelines that its connections have met. It is safe for
// concurrent use.
type Finder struct {
	log *slog.Logger

	mu       sync.Mutex // guards the fields below
	newest   map[string]uint64
	told     map[string]bool // old primaries that the log was told of
	advanced func()
}

// NewFinder returns a Finder that has met nothing. log hears of old primaries.
func NewFinder(log *slog.Logger) *Finder {
	return &Finder{log: log, newest: map[string]uint64{}, told: map[string]bool{}}
}

// WhenAdvanced has fn called when a connection meets a newer timeline than those
// before it: they were made to a server that is no primary any more.
func (f *Finder) WhenAdvanced(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advanced = fn
}

// Use has connections by c pass over standbys and old primaries, after what c
// itself asks of a server.
func (f *Finder) Use(c *pgconn.Config) {
	suits := c.ValidateConnect
	c.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if suits != nil {
			if err := suits(ctx, conn); err != nil {
				return err
			}
		}
		return f.check(ctx, conn)
	}
}

// Error is why a server was passed over.
type Error struct{ text string }

// Error says why.
func (e *Error) Error() string { return e.text }

// ask fails where there is no such thing; with PostgreSQL everybody may ask.
const ask = `SELECT pg_is_in_recovery(), system_identifier,
	CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END FROM pg_control_system()`

// check refuses a standby and an old primary. A server that can't tell, since it only
// speaks PostgreSQL's protocol, is taken as it is.
func (f *Finder) check(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, ask).ReadAll()
	if _, answered := errors.AsType[*pgconn.PgError](err); err != nil && !answered {
		return err
	}
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 3 {
		return nil
	}
	row := results[0].Rows[0]
	if string(row[0]) == "t" {
		return &Error{"the server is a standby and takes no writes"}
	}
	timeline, err := strconv.ParseUint(string(row[2]), 16, 32)
	if err != nil {
		return nil
	}
	return f.saw(string(row[1]), timeline, conn.Conn().RemoteAddr().String())
}

// saw judges the timeline of the server at an address.
func (f *Finder) saw(system string, timeline uint64, address string) error {
	f.mu.Lock()
	newest, advanced := f.newest[system], f.advanced
	f.newest[system] = max(newest, timeline)
	where := address + " " + strconv.FormatUint(timeline, 10)
	known := f.told[where]
	if timeline < newest {
		f.told[where] = true
	}
	f.mu.Unlock()
	if timeline >= newest {
		if timeline > newest && newest > 0 && advanced != nil {
			advanced()
		}
		return nil
	}
	err := &Error{fmt.Sprintf("an old primary: a standby took over on timeline %d, and this server takes writes on timeline %d; stop it, and make it a standby",
		newest, timeline)}
	if !known {
		f.log.Error("a PostgreSQL server takes writes and must not; it isn't used", slog.String("server", address), slog.Any("error", err))
	}
	return err
}

// surveyTimeout is how long hosts are asked at most.
const surveyTimeout = 3 * time.Second

// Survey asks all hosts of an address that names several, so that the first
// connection isn't to an old primary because that stands first. A host that doesn't
// answer within 3 seconds is left to those who connect.
func (f *Finder) Survey(ctx context.Context, c *pgconn.Config) {
	key := func(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
	hosts := map[string]*pgconn.FallbackConfig{key(c.Host, c.Port): {Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}
	for _, h := range c.Fallbacks {
		if hosts[key(h.Host, h.Port)] == nil { // else the same without TLS
			hosts[key(h.Host, h.Port)] = h
		}
	}
	if len(hosts) == 1 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, h := range hosts {
		one := c.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks = h.Host, h.Port, h.TLSConfig, nil
		for _, other := range c.Fallbacks { // sslmode=prefer and allow
			if other.Host == h.Host && other.Port == h.Port && other != h {
				one.Fallbacks = append(one.Fallbacks, other)
			}
		}
		all.Go(func() {
			if conn, err := pgconn.ConnectConfig(ctx, one); err == nil {
				_ = conn.Close(ctx)
			}
		})
	}
	all.Wait()
}
