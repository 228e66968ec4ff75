package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
	"github.com/truckee-fs/truckee/metastore/postgres"
)

func TestLikeMemory(t *testing.T) {
	fresh := schemas(t)
	var options sync.Map // by clock
	metastoretest.LikeMemory(t, 120,
		func(t *testing.T, c *metastoretest.Clock) metastore.Store {
			o := fresh(t)
			options.Store(c, o)
			s := open(t, o)
			set := fakeClock(t, open(t, o), 0)
			c.OnTick = func(now time.Time) { set(now.UnixNano()) }
			return s
		},
		func(t *testing.T, s metastore.Store, c *metastoretest.Clock) metastore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			o, _ := options.Load(c)
			return open(t, o.(postgres.Options))
		})
}
