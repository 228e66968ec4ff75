package postgres_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
	"github.com/truckee-fs/truckee/metastore/postgres"
	"github.com/truckee-fs/truckee/tests/testbed"
)


func open(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestConformance gives each check a schema of its own in one database: that is
// quicker to make than a database.
func TestConformance(t *testing.T) {
	url := testbed.Database(t)
	var made atomic.Int64
	metastoretest.Run(t, func(t *testing.T) metastore.Store {
		o := postgres.Options{URL: url, Schema: fmt.Sprint("Check ", made.Add(1)), MinConns: 1, MaxConns: 5}
		if err := postgres.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		return open(t, o)
	})
}
