package array_test

import (
	"context"
	"errors"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A block that may be on a member that is down isn't told as absent, in no part of
// the error: whoever reads a file would take that for damage.
func TestWhatAMemberThatIsDownMayHaveIsNotAbsent(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		for i, m := range d.members {
			m.Before(func(_ context.Context, op blockstoretest.Op, _ int, _ blockstore.ID) error {
				if i == victim {
					return kind.Errorf(kind.Unavailable, "no answer: %w", kind.NotExist) // of its host, say
				}
				switch op {
				case blockstoretest.OpGet, blockstoretest.OpRange, blockstoretest.OpStat:
					return kind.NotExist
				}
				return nil
			})
		}
		for id := range d.blocks {
			_, get := d.store.Get(t.Context(), id)
			_, part := blockstore.GetRange(t.Context(), d.store, id, 0, 1)
			_, stat := d.store.Stat(t.Context(), id)
			for i, err := range []error{get, part, stat} {
				if kind.Of(err) != kind.Unavailable || errors.Is(err, kind.NotExist) {
					t.Errorf("%s: call %d: %v", d.layout.name, i, err)
				}
			}
		}
	})
}
