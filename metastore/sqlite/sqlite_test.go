package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

func open(t testing.TB, path string, opts ...sqlite.Option) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	metastoretest.Run(t, func(t *testing.T) metastore.Store {
		return open(t, filepath.Join(t.TempDir(), "meta.db"))
	}, metastoretest.Reopen(func(t *testing.T, s metastore.Store) metastore.Store {
		path := s.(*sqlite.Store).Path()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, path)
	}))
}
