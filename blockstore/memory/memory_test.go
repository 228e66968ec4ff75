package memory_test

import (
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(*testing.T) blockstore.Store { return memory.New() })
}

func TestVerifiedStore(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(*testing.T) blockstore.Store { return blockstore.NewVerified(memory.New()) })
}
