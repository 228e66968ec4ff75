package postgresql_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/postgresql"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/tests/drill"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// exec runs statements as the superuser.
func exec(t *testing.T, address string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// with changes an address.
func with(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("no URL")
	}
	change(u)
	return u.String()
}

// An operator who mistyped something is told what, and the password is not.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := testbed.Database(t)
	user := func(name, password string) string {
		return with(t, good, func(u *url.URL) { u.User = url.UserPassword(name, password) })
	}
	for what, tt := range map[string]struct {
		o    postgresql.Options
		want kind.Kind
		says string
	}{
		"no such database":       {postgresql.Options{URL: with(t, good, func(u *url.URL) { u.Path = "/nobody_made_this" })}, kind.NotExist, "nobody_made_this"},
		"wrong password":         {postgresql.Options{URL: user("postgres", "hunter22")}, kind.Denied, "check user and password"},
		"unknown user":           {postgresql.Options{URL: user("nobody", "hunter22")}, kind.Denied, "check user and password"},
		"nobody there":           {postgresql.Options{URL: "postgresql://me:hunter22@127.0.0.1:1/x"}, kind.Unavailable, "127.0.0.1:1/x"},
		"another kind of URL":    {postgresql.Options{URL: "mysql://me:hunter22@127.0.0.1:1/x"}, kind.Invalid, "postgresql://<user>"},
		"a parameter that isn't": {postgresql.Options{URL: "postgresql://me:hunter22@127.0.0.1:1/x?sslmode=hunter22"}, kind.Invalid, "can't be read"},
		"no URL":                 {postgresql.Options{URL: "host=127.0.0.1 password=hunter22"}, kind.Invalid, "postgresql://<user>"},
		"a password with signs":  {postgresql.Options{URL: "postgresql://me:hunter22%/x@127.0.0.1:1/x"}, kind.Invalid, "postgresql://<user>"},
		"password apart":         {postgresql.Options{URL: with(t, good, func(u *url.URL) { u.User = url.User("postgres") }), Password: "hunter22"}, kind.Denied, "check user"},
	} {
		s, err := postgresql.Open(t.Context(), tt.o)
		if err == nil {
			s.Close()
		}
		if kind.Of(err) != tt.want || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want kind %v and %q", what, err, tt.want, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %q shows the password", what, err)
		}
	}
}

// Many gateways that start at once on an empty database make one set of tables.
func TestFirstOpenRaces(t *testing.T) {
	t.Parallel()
	address := testbed.Database(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := postgresql.Open(t.Context(), postgresql.Options{URL: address, MaxConns: 2})
			if err != nil {
				t.Error(err)
				return
			}
			id, block := storecheck.Chunk(100)
			if err := s.Put(t.Context(), id, block); err != nil {
				t.Error(err)
			}
			s.Close()
		})
	}
	wg.Wait()
}

// Who may only read and insert can do everything but delete.
func TestFewestRights(t *testing.T) {
	t.Parallel()
	admin := testbed.Database(t)
	role := strings.TrimPrefix(with(t, admin, func(u *url.URL) { u.Scheme, u.Host, u.User, u.RawQuery = "", "", nil, "" }), "/") + "_limited"
	exec(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD 'limited-secret'")
	t.Cleanup(func() { exec2(t, admin, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	limited := postgresql.Options{URL: with(t, admin, func(u *url.URL) { u.User = url.UserPassword(role, "limited-secret") })}
	if _, err := postgresql.Open(t.Context(), limited); kind.Of(err) != kind.Denied {
		t.Errorf("without any right: %v", err)
	}
	open(t, postgresql.Options{URL: admin}).Close()
	exec(t, admin, "GRANT SELECT, INSERT ON blockstore_block TO "+role, "GRANT SELECT, INSERT, UPDATE ON blockstore_marker TO "+role)
	s := open(t, limited)
	defer s.Close()
	id, block := storecheck.Chunk(100_000)
	for range 2 {
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		if err := s.SetMarker(t.Context(), []byte("mine")); err != nil {
			t.Error(err)
		}
	}
	blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block})
	if err := s.Delete(t.Context(), id); kind.Of(err) != kind.Denied {
		t.Errorf("delete: %v", err)
	}
	if err := s.DeleteBatch(t.Context(), []blockstore.ID{id}); kind.Of(err) != kind.Denied {
		t.Errorf("delete batch: %v", err)
	}
	blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block})
}

// exec2 is exec when the test is over.
func exec2(t *testing.T, address string, statements ...string) {
	conn, err := pgx.Connect(context.WithoutCancel(t.Context()), address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Where commits don't wait for the disk, ours do; blocks aren't compressed, and
// a missing table is no missing block.
func TestWhatTheServerIsToldToDo(t *testing.T) {
	t.Parallel()
	address := testbed.Database(t)
	name := strings.TrimPrefix(with(t, address, func(u *url.URL) { u.Scheme, u.Host, u.User, u.RawQuery = "", "", nil, "" }), "/")
	exec(t, address, "ALTER DATABASE "+name+" SET synchronous_commit = off")
	var log bytes.Buffer
	s := open(t, postgresql.Options{URL: address, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	if strings.Contains(log.String(), "fsync") || !strings.Contains(log.String(), "made the tables") {
		t.Errorf("log: %s", log.String())
	}
	id, block := storecheck.Chunk(1 << 20)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var storage, setting string
	if err := conn.QueryRow(t.Context(), `SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'blockstore_block'::regclass AND attname = 'data'`).Scan(&storage); err != nil || storage != "e" {
		t.Errorf("storage %q, %v", storage, err)
	}
	if err := s.Setting(t.Context(), "synchronous_commit", &setting); err != nil || setting != "on" {
		t.Errorf("synchronous_commit is %q, %v", setting, err)
	}
	exec(t, address, "DROP TABLE blockstore_block")
	if _, err := s.Get(t.Context(), id); kind.Of(err) != kind.Unavailable {
		t.Errorf("get without a table: %v", err)
	}
}

func TestServerCrashes(t *testing.T) {
	t.Parallel()
	testbed.Service(t, "TRUCKEE_TEST_POSTGRES") // PostgreSQL is installed
	server, err := testbed.NewPostgres(t.Context(), t.TempDir()+"/pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := open(t, postgresql.Options{URL: server.URL("postgres")})
	defer s.Close()
	drill.Crash(t, s, func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		if err := server.Start(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
