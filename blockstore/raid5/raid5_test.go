package raid5_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, o raid5.Options, stores ...blockstore.Store) *raid5.Store {
	t.Helper()
	o.Log = quiet
	s, err := raid5.Open(t.Context(), blockstoretest.Members(stores...), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	for _, w := range []raid5.Write{raid5.All, raid5.AllButOne} {
		t.Run(string(w), func(t *testing.T) {
			t.Parallel()
			blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
				_, stores := blockstoretest.NewFaulties(3, memory.New)
				return open(t, raid5.Options{Write: w, Queue: blockstoretest.NewQueue()}, stores...)
			})
		})
	}
}

func TestStoreOnLocal(t *testing.T) {
	t.Parallel()
	var dir string // of the subtest that runs
	reopen := func(t *testing.T) blockstore.Store {
		var stores []blockstore.Store
		for i := range 3 {
			s, err := local.Open(filepath.Join(dir, fmt.Sprint(i)), local.Options{SegmentSize: 8 << 20})
			if err != nil {
				t.Fatal(err)
			}
			stores = append(stores, s)
		}
		return open(t, raid5.Options{}, stores...)
	}
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		dir = t.TempDir()
		return reopen(t)
	}, blockstoretest.Reopen(reopen))
}

func TestStoreOfStores(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		inner, err := raid1.Open(t.Context(), blockstoretest.Members(memory.New(), memory.New()), raid1.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return open(t, raid5.Options{}, inner, blockstore.NewVerified(memory.New()),
			open(t, raid5.Options{}, memory.New(), memory.New(), memory.New()), memory.New())
	})
}
