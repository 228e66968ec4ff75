package local_test

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/local"
)

func open(t testing.TB, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir, local.Options{SegmentSize: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	var dir string // of the subtest that runs
	blockstoretest.Run(t,
		func(t *testing.T) blockstore.Store {
			dir = t.TempDir()
			return open(t, dir)
		},
		blockstoretest.Reopen(func(t *testing.T) blockstore.Store { return open(t, dir) }),
	)
}
