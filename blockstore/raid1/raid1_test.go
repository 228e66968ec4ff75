package raid1_test

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
)

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, o raid1.Options, stores ...blockstore.Store) *raid1.Store {
	t.Helper()
	o.Log = quiet
	s, err := raid1.Open(t.Context(), blockstoretest.Members(stores...), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	for _, w := range []raid1.Write{raid1.All, raid1.Majority, raid1.One} {
		t.Run(string(w), func(t *testing.T) {
			t.Parallel()
			blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
				_, stores := blockstoretest.NewFaulties(3, memory.New)
				return open(t, raid1.Options{Write: w, Queue: blockstoretest.NewQueue()}, stores...)
			})
		})
	}
}

func TestStoreOnLocal(t *testing.T) {
	t.Parallel()
	var dir string // of the subtest that runs
	reopen := func(t *testing.T) blockstore.Store {
		var stores []blockstore.Store
		for i := range 2 {
			s, err := local.Open(filepath.Join(dir, fmt.Sprint(i)), local.Options{SegmentSize: 8 << 20})
			if err != nil {
				t.Fatal(err)
			}
			stores = append(stores, s)
		}
		return open(t, raid1.Options{}, stores...)
	}
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		dir = t.TempDir()
		return reopen(t)
	}, blockstoretest.Reopen(reopen))
}

func TestStoreOfStores(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		return open(t, raid1.Options{},
			open(t, raid1.Options{}, memory.New(), memory.New()),
			blockstore.NewVerified(memory.New()))
	})
}
