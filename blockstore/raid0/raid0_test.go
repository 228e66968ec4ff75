package raid0_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid0"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, o raid0.Options, stores ...blockstore.Store) *raid0.Store {
	t.Helper()
	o.Log = quiet
	s, err := raid0.Open(t.Context(), blockstoretest.Members(stores...), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		_, stores := blockstoretest.NewFaulties(3, memory.New)
		return open(t, raid0.Options{Queue: blockstoretest.NewQueue()}, stores...)
	})
}

// The suite holds while blocks may lie where they don't belong.
func TestStoreThatGrew(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		a, b := kept(memory.New()), kept(memory.New())
		if err := open(t, raid0.Options{}, a, b).Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, raid0.Options{}, a, b, memory.New())
	})
}

// kept is a store that survives Close.
type keptStore struct{ *memory.Store }

func kept(s *memory.Store) keptStore { return keptStore{s} }

func (keptStore) Close() error { return nil }

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
		return open(t, raid0.Options{}, stores...)
	}
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		dir = t.TempDir()
		return reopen(t)
	}, blockstoretest.Reopen(reopen))
}

func TestStoreOfStores(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		return open(t, raid0.Options{},
			open(t, raid0.Options{}, memory.New(), memory.New()),
			blockstore.NewVerified(memory.New()))
	})
}
