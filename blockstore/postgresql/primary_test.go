package postgresql_test

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/postgresql"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// TestBlocksFollowThePrimary: of two hosts blocks go to the one that takes writes,
// whatever stands first: an old primary that was started again as it was, or a standby.
func TestBlocksFollowThePrimary(t *testing.T) {
	t.Parallel()
	testbed.Service(t, "TRUCKEE_TEST_POSTGRES") // PostgreSQL is installed
	dir := t.TempDir()
	old, err := testbed.NewPostgres(t.Context(), filepath.Join(dir, "old"))
	if err != nil {
		t.Fatal(err)
	}
	stopped(t, old)
	next, err := old.TakeOver(t.Context(), filepath.Join(dir, "next"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, next) })
	u, err := url.Parse(old.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", old.Port, next.Port)
	for i, first := range []string{"an old primary", "a standby"} {
		if i > 0 {
			if err := os.WriteFile(filepath.Join(dir, "old", "data", "standby.signal"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := old.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := open(t, postgresql.Options{URL: u.String()})
		data := []byte{byte(i)}
		id := blockstore.ID(sha256.Sum256(data))
		if err := s.Put(t.Context(), id, data); err != nil {
			t.Errorf("with %s: %v", first, err)
		}
		s.Close()
		there := open(t, postgresql.Options{URL: next.URL("postgres")})
		if _, err := there.Get(t.Context(), id); err != nil {
			t.Errorf("with %s the block isn't in the primary: %v", first, err)
		}
		there.Close()
		stopped(t, old)
	}
}

func stopped(t *testing.T, s *testbed.Postgres) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}
