package postgres_test

import (
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"sync"
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

// TestMain lets more tests run at a time than there are processors: they wait for the
// server's disk most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// schemas gives options for schemas of their own in one database: they are quicker
// to make than databases.
func schemas(t testing.TB) func(t testing.TB) postgres.Options {
	url := testbed.Database(t)
	var made atomic.Int64
	return func(t testing.TB) postgres.Options {
		t.Helper()
		o := postgres.Options{URL: url, Schema: fmt.Sprintf(`a "schema" %d`, made.Add(1)), MinConns: 1, MaxConns: 5}
		if err := postgres.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		return o
	}
}

func TestConformance(t *testing.T) {
	fresh := schemas(t)
	var opened sync.Map // options by store
	openFresh := func(t *testing.T) metastore.Store {
		o := fresh(t)
		s := open(t, o)
		opened.Store(metastore.Store(s), o)
		return s
	}
	metastoretest.Run(t, openFresh,
		metastoretest.Pair(func(t *testing.T) (a, b metastore.Store) {
			o := fresh(t)
			return open(t, o), open(t, o)
		}),
		metastoretest.Reopen(func(t *testing.T, s metastore.Store) metastore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o, _ := opened.Load(s)
			return open(t, o.(postgres.Options))
		}))
}
