package sqlite_test

import (
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

func TestLikeMemory(t *testing.T) {
	t.Parallel()
	var paths sync.Map // by clock
	open := func(t *testing.T, c *metastoretest.Clock) metastore.Store {
		path, _ := paths.Load(c)
		return open(t, path.(string), sqlite.Clock(c.Now))
	}
	metastoretest.LikeMemory(t, 250,
		func(t *testing.T, c *metastoretest.Clock) metastore.Store {
			paths.Store(c, dbPath(t))
			return open(t, c)
		},
		func(t *testing.T, s metastore.Store, c *metastoretest.Clock) metastore.Store {
			indexHolds(t, s.(*sqlite.Store))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, c)
		})
}
