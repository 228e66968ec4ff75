package testbed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a PostgreSQL server of its own, durable as an installed one is
// (fsync on), with small buffers, and all that it shares in files below its
// directory, where a kill leaves nothing behind.
type Postgres struct {
	Port     int
	Password string // of the superuser postgres
	dir      string // below it: data, postgres.log
	as       *syscall.SysProcAttr
	p        *process
}

// NewPostgres makes a database cluster in dir, which it creates, and starts it
// on a free loopback port. PostgreSQL refuses to run as root: root's is run by
// the user postgres or, without one, nobody.
func NewPostgres(ctx context.Context, dir string) (*Postgres, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Postgres{Port: port, Password: "pg-" + rand.Text(), dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if s.as, err = unprivileged(dir, "postgres", "nobody"); err != nil {
		return nil, err
	}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(s.Password), 0o644); err != nil { // initdb reads it as another user
		return nil, err
	}
	defer os.Remove(password)
	// --no-sync: the empty cluster needs no durability, what the server writes has it.
	initdb := s.command(ctx, "initdb", "--pgdata", s.data(), "--username=postgres", "--pwfile", password,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.Start(ctx)
}

func (s *Postgres) data() string { return filepath.Join(s.dir, "data") }

// URL is where to connect as superuser, to the database named.
func (s *Postgres) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.Password),
		Host: "127.0.0.1:" + strconv.Itoa(s.Port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// command runs a program of PostgreSQL as the user that owns the cluster.
func (s *Postgres) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	return commandAs(ctx, s.as, s.dir, postgresProgram(program), args...)
}

// Start starts a server that isn't running, on the same port as before, and
// returns when it takes connections. After Kill it is refused while processes of
// the old server, which are in sessions of their own, still end.
func (s *Postgres) Start(ctx context.Context) error {
	for begin := time.Now(); ; {
		err := s.start(ctx)
		if err == nil || ctx.Err() != nil || time.Since(begin) > time.Minute {
			return err
		}
	}
}

func (s *Postgres) start(ctx context.Context) (err error) {
	cmd := s.command(context.Background(), "postgres", "-D", s.data(),
		"-c", "listen_addresses=127.0.0.1", "-c", "port="+strconv.Itoa(s.Port), "-c", "unix_socket_directories=",
		"-c", "dynamic_shared_memory_type=mmap", "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on",
		"-c", "shared_buffers=32MB", "-c", "max_wal_size=512MB", "-c", "max_connections=300", "-c", "logging_collector=off")
	if s.p, err = startProcess("postgres", filepath.Join(s.dir, "postgres.log"), cmd); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err = s.p.waitUntil(ctx, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
	if err != nil {
		_ = s.Kill()
	}
	return err
}

// TakeOver makes a standby of a server that is stopped, in dir, which it creates,
// and promotes it: from then on it is the primary, on a timeline of its own. The old
// one can still be started, as it is by who forgets that.
func (s *Postgres) TakeOver(ctx context.Context, dir string) (*Postgres, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	standby := &Postgres{Port: port, Password: s.Password, dir: dir}
	if standby.as, err = unprivileged(dir, "postgres", "nobody"); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"cp", "-a", s.data(), standby.data()}, {"touch", filepath.Join(standby.data(), "standby.signal")}} {
		if out, err := standby.command(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	if err := standby.Start(ctx); err != nil {
		return nil, err
	}
	if out, err := standby.command(ctx, "pg_ctl", "promote", "-D", standby.data()).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("promote: %w: %s", err, out), standby.Stop())
	}
	return standby, nil
}

// Stop shuts the server down, whoever is connected.
func (s *Postgres) Stop() error {
	if s.p == nil {
		return nil
	}
	return s.p.stop(syscall.SIGINT, time.Minute)
}

// Kill ends every process of the server at once, as a power failure would.
func (s *Postgres) Kill() error {
	// The group goes first, so that nobody is left to tidy up.
	_ = syscall.Kill(-s.p.pid, syscall.SIGKILL)
	return s.p.stop(syscall.SIGKILL, 30*time.Second)
}

// postgresProgram finds a program that Debian keeps out of the PATH, the newest
// version of it.
func postgresProgram(name string) string {
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err == nil && len(found) > 0 {
		return found[len(found)-1]
	}
	return name
}

// unprivileged gives dir to the first of the users that exists and returns how
// to run as that user. Nil, and nothing done, for who isn't root.
func unprivileged(dir string, names ...string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	var u *user.User
	var err error
	for _, name := range names {
		if u, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	// The test's own directories are closed to others, who must get through.
	for up := filepath.Dir(dir); strings.HasPrefix(up, os.TempDir()+"/"); up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o711); err != nil {
			return nil, err
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}
