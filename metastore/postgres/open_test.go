package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// edited is a database's address with something changed.
func edited(t testing.TB, address string, edit func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("no URL")
	}
	edit(u)
	return u.String()
}

// sql runs statements in a database.
func sql(t testing.TB, address string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestWhatAnOperatorIsTold: each way in which a first start goes wrong says what
// to do, and none the password.
func TestWhatAnOperatorIsTold(t *testing.T) {
	t.Parallel()
	address := testbed.Database(t)
	const password = "wr0ng-pass%/@:"
	role := "role_" + strings.TrimPrefix(edited(t, address, func(*url.URL) {})[strings.LastIndex(address, "/test_")+6:], "")[:8]
	sql(t, address, "CREATE ROLE "+role+" LOGIN PASSWORD 'own-pass'")
	t.Cleanup(func() { sql(t, testbed.Service(t, "TRUCKEE_TEST_POSTGRES"), "DROP ROLE "+role) })
	free, err := testbed.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	as := func(user, pass string) func(*url.URL) {
		return func(u *url.URL) { u.User = url.UserPassword(user, pass) }
	}
	none := func(*url.URL) {}
	tests := []struct {
		name string
		edit func(*url.URL)
		call func(context.Context, postgres.Options) error
		kind kind.Kind
		says string
	}{
		{"wrong password", as("postgres", password), openOnly, kind.Denied, "password of user"},
		{"no such user", as("nobody", password), openOnly, kind.Denied, `user "nobody"`},
		{"no such database", func(u *url.URL) { u.Path = "/absent" }, openOnly, kind.NotExist, "createdb --owner=postgres absent"},
		{"nobody listens", func(u *url.URL) { u.Host = fmt.Sprintf("127.0.0.1:%d", free) }, openOnly, kind.Unavailable, "refused"},
		{"no such host", func(u *url.URL) { u.Host = "host.invalid:5432" }, openOnly, kind.Unavailable, "host.invalid"},
		{"only reads", func(u *url.URL) { u.RawQuery += "&default_transaction_read_only=on" }, openOnly, kind.Unavailable, "takes no writes"},
		{"no metastore", none, openOnly, kind.NotExist, "truckee init"},
		{"no right to make one", as(role, "own-pass"), postgres.Create, kind.Denied, "GRANT CREATE ON DATABASE"},
	}
	for _, tt := range tests {
		err := tt.call(t.Context(), postgres.Options{URL: edited(t, address, tt.edit)})
		if kind.Of(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v\nwant kind %v and %q", tt.name, err, tt.kind, tt.says)
			continue
		}
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			text := fmt.Sprintf(verb, err)
			for _, secret := range []string{password, url.UserPassword("", password).String(), "wr0ng", "own-pass"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: the error has the password: %s", tt.name, text)
				}
			}
		}
	}
}

func openOnly(ctx context.Context, o postgres.Options) error {
	s, err := postgres.Open(ctx, o)
	if err == nil {
		s.Close()
	}
	return err
}

// TestPlainUser: a role that owns a schema and nothing else can do everything.
func TestPlainUser(t *testing.T) {
	t.Parallel()
	address := testbed.Database(t)
	role := "plain_" + address[strings.LastIndex(address, "/test_")+6:][:8]
	sql(t, address, "CREATE ROLE "+role+" LOGIN PASSWORD 'pass'", "REVOKE ALL ON SCHEMA public FROM PUBLIC",
		"CREATE SCHEMA mine AUTHORIZATION "+role, "ALTER ROLE "+role+" SET synchronous_commit = off")
	t.Cleanup(func() {
		sql(t, address, "DROP OWNED BY "+role)
		sql(t, testbed.Service(t, "TRUCKEE_TEST_POSTGRES"), "DROP ROLE "+role)
	})
	o := postgres.Options{URL: edited(t, address, func(u *url.URL) { u.User = url.UserPassword(role, "pass") }), Schema: "mine"}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	grow(t, s, metastore.SlotID{1}, 2)
	if n, err := s.Query(t.Context(), "SELECT (current_setting('synchronous_commit') = 'on')::int"); err != nil || n != 1 {
		t.Errorf("synchronous_commit was left off (%v)", err)
	}
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
}

// TestFewestConnections: with two, everything goes on, one after another, whatever an
// address made for other programs asks for besides.
func TestFewestConnections(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	o.MinConns, o.MaxConns = 1, 2
	o.URL += "&default_query_exec_mode=simple_protocol&statement_cache_capacity=0&pool_max_conns=50&pool_min_conns=40"
	s := open(t, o)
	hints, err := s.Notify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var wg sync.WaitGroup
	for i := range byte(6) {
		wg.Go(func() {
			for range 4 {
				if err := growOnce(t.Context(), s, metastore.SlotID{1, i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	used, err := s.Query(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
	if err != nil || used != 3 || len(hints) != 0 {
		t.Errorf("%d connections in use, want 2 and the view's (%v)", used, err)
	}
}

func TestWarnsOfAServerThatLosesData(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fsync, pages string
		warns        bool
	}{{"on", "on", false}, {"off", "on", true}, {"on", "off", true}} {
		var log bytes.Buffer
		postgres.WarnOfLoss(slog.New(slog.NewTextHandler(&log, nil)), tt.fsync, tt.pages)
		if warned := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "fsync="+tt.fsync); warned != tt.warns {
			t.Errorf("fsync %s, full_page_writes %s: logged %q", tt.fsync, tt.pages, log.String())
		}
	}
}

// ownServer is a PostgreSQL that a test may kill.
func ownServer(t *testing.T) *testbed.Postgres {
	t.Helper()
	testbed.Service(t, "TRUCKEE_TEST_POSTGRES")       // skips where there is no PostgreSQL
	dir, err := os.MkdirTemp("", "truckee-postgres-") // which the server's user can enter
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	server, err := testbed.NewPostgres(t.Context(), filepath.Join(dir, "server"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestWaitsForAServer(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t), Wait: time.Minute}
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := testbed.NewProxy(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	o.URL = edited(t, o.URL, func(u *url.URL) { u.Host = proxy.Addr() })
	proxy.Set(testbed.Faults{Refuse: true})
	done := make(chan error)
	go func() { done <- postgres.Create(t.Context(), o) }()
	waitUntil(t, "it to come again", func() bool { return proxy.Accepted() >= 2 })
	proxy.Set(testbed.Faults{})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t)}
	dry, err := postgres.Migrate(t.Context(), o, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range dry {
		if m.Now || !m.Applied.IsZero() || m.Name == "" {
			t.Errorf("a dry run on nothing reports %+v", m)
		}
	}
	if err := openOnly(t.Context(), o); kind.Of(err) != kind.NotExist {
		t.Errorf("a dry run made a metastore: %v", err)
	}
	wet, err := postgres.Migrate(t.Context(), o, false)
	if err != nil || len(wet) != len(dry) {
		t.Fatalf("%d of %d steps: %v", len(wet), len(dry), err)
	}
	again, err := postgres.Migrate(t.Context(), o, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range wet {
		if wet[i].Name != dry[i].Name || !wet[i].Now || wet[i].Applied.IsZero() {
			t.Errorf("migrating reports %+v", wet[i])
		}
		if again[i].Now || !again[i].Applied.Equal(wet[i].Applied) {
			t.Errorf("migrating again reports %+v after %+v", again[i], wet[i])
		}
	}
	if err := openOnly(t.Context(), o); err != nil {
		t.Error(err)
	}
	if err := postgres.Create(t.Context(), o); kind.Of(err) != kind.Exist {
		t.Errorf("Create where there is a metastore: %v", err)
	}
}

// TestMigrationRace: of many that migrate at once each step is made by one.
func TestMigrationRace(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t)}
	const racers = 6
	reports := make([][]postgres.Migration, racers)
	created := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			if i%2 == 0 {
				created[i] = postgres.Create(t.Context(), o)
				return
			}
			var err error
			if reports[i], err = postgres.Migrate(t.Context(), o, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	made := map[string]int{}
	for i := range racers {
		for _, m := range reports[i] {
			if m.Now {
				made[m.Name]++
			}
		}
		if i%2 == 0 && created[i] == nil {
			for _, m := range reports[1] {
				made[m.Name]++
			}
		} else if i%2 == 0 && kind.Of(created[i]) != kind.Exist {
			t.Error(created[i])
		}
	}
	for _, m := range reports[1] {
		if made[m.Name] != 1 {
			t.Errorf("step %s was made %d times", m.Name, made[m.Name])
		}
	}
}

// TestSchemasOfOtherVersions are left alone, with a sentence that says what to do.
func TestSchemasOfOtherVersions(t *testing.T) {
	t.Parallel()
	fresh := schemas(t)
	tests := []struct {
		name, sql, says string
		kind            kind.Kind
		migrates        bool
	}{
		{"newer", "INSERT INTO migration VALUES (9999, '9999_future')", "use a newer program", kind.Unsupported, false},
		{"another's", "UPDATE migration SET name = '0001_other' WHERE version = 1", "0001_other", kind.Invalid, false},
		{"none applied", "DELETE FROM migration", "truckee migrate", kind.NotExist, false}, // the tables are in the way
	}
	for _, tt := range tests {
		o := fresh(t)
		s := open(t, o)
		if err := s.Exec(t.Context(), tt.sql); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := openOnly(t.Context(), o); kind.Of(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := postgres.Migrate(t.Context(), o, false); (err == nil) != tt.migrates {
			t.Errorf("%s: Migrate says %v", tt.name, err)
		}
	}
}

func TestAnotherProgramsTables(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"slot", "sealed"} { // of the first step, and of a later one
		o := postgres.Options{URL: testbed.Database(t), Schema: "public"}
		sql(t, o.URL, "CREATE TABLE "+table+" (ours int)", "CREATE TABLE other (theirs int)")
		err := postgres.Create(t.Context(), o)
		if kind.Of(err) != kind.Invalid || !strings.Contains(err.Error(), `"`+table+`"`) {
			t.Errorf("Create beside a table %s: %v", table, err)
		}
		sql(t, o.URL, "DROP TABLE "+table) // nothing of ours is left: it was all or nothing
		if err := postgres.Create(t.Context(), o); err != nil {
			t.Errorf("Create beside tables of other names: %v", err)
		}
		if err := openOnly(t.Context(), o); err != nil {
			t.Errorf("after an attempt that met a table %s: %v", table, err)
		}
	}
}

func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	fine := fstest.MapFS{"migrations/0001_a.sql": file("SELECT 1"), "migrations/0002_b_c.sql": file("SELECT 2")}
	if names, err := postgres.ReadMigrations(fine); err != nil || len(names) != 2 || names[1] != "0002_b_c" {
		t.Errorf("good files: %v, %v", names, err)
	}
	for name, bad := range map[string]fstest.MapFS{
		"hole":      {"migrations/0001_a.sql": file("SELECT 1"), "migrations/0003_b.sql": file("SELECT 2")},
		"twice":     {"migrations/0001_a.sql": file("SELECT 1"), "migrations/0001_b.sql": file("SELECT 2")},
		"from 2":    {"migrations/0002_a.sql": file("SELECT 1")},
		"empty":     {"migrations/0001_a.sql": file(" \n")},
		"nameless":  {"migrations/0001_.sql": file("SELECT 1")},
		"short":     {"migrations/1_a.sql": file("SELECT 1")},
		"other":     {"migrations/0001_a.txt": file("SELECT 1")},
		"no folder": {},
	} {
		if _, err := postgres.ReadMigrations(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
