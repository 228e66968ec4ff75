package storecheck_test

import (
	"context"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestProbeTellsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                          string
		denied                        []blockstoretest.Op
		readable, writable, collected bool
		left                          bool
	}{
		{name: "everything", readable: true, writable: true, collected: true},
		{name: "append only", denied: []blockstoretest.Op{blockstoretest.OpDelete}, readable: true, writable: true, left: true},
		{name: "read only", denied: []blockstoretest.Op{blockstoretest.OpPut, blockstoretest.OpDelete}, readable: true},
		{name: "write only", denied: []blockstoretest.Op{blockstoretest.OpGet, blockstoretest.OpRange}, collected: true},
		{name: "nothing", denied: []blockstoretest.Op{"put", "get", "range", "stat", "list", "marker", "delete"}},
	} {
		f := blockstoretest.NewFaulty(memory.New())
		f.Before(func(_ context.Context, op blockstoretest.Op, _ int, _ blockstore.ID) error {
			for _, d := range tt.denied {
				if op == d {
					return kind.Denied
				}
			}
			return nil
		})
		r := storecheck.Probe(t.Context(), f)
		if r.Readable() != tt.readable || r.Writable() != tt.writable || r.Collectable() != tt.collected || r.Left.IsZero() == tt.left {
			t.Errorf("%s: %+v", tt.name, r)
		}
		for _, v := range r.Verbs {
			denied := false
			for _, d := range tt.denied {
				denied = denied || string(d) == v.Name
			}
			if (kind.Of(v.Err) == kind.Denied) != denied {
				t.Errorf("%s: %s: %v", tt.name, v.Name, v.Err)
			}
		}
	}
}

// A store that lies about the block is not readable.
func TestProbeNoticesLies(t *testing.T) {
	t.Parallel()
	f := blockstoretest.NewFaulty(memory.New())
	f.LieAlways(blockstoretest.Flip(15))
	r := storecheck.Probe(t.Context(), f)
	if r.Readable() || r.Can("range") || !r.Left.IsZero() {
		t.Errorf("%+v", r)
	}
}
