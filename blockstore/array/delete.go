package array

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// delete deletes blocks at every member, and reports success only if every
// member did: one that doesn't answer would show them again. Those that answer
// give the space back at once; whoever deletes comes again for the others.
func (a *Array) delete(ctx context.Context, ids []blockstore.ID) error {
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.WriteTimeout, errLate)
	defer cancel()
	unlock, err := a.locks.lock(ctx, ids...)
	if err != nil {
		return fmt.Errorf("%v: delete: %w", a.level, err)
	}
	defer unlock()
	errs := make([]error, len(a.members))
	var wg sync.WaitGroup
	for i, m := range a.members {
		wg.Go(func() {
			errs[i] = a.do(ctx, m, func(ctx context.Context, s blockstore.Store) error {
				if len(ids) == 1 {
					return s.Delete(ctx, ids[0])
				}
				return blockstore.DeleteBatch(ctx, s, ids)
			})
		})
	}
	wg.Wait()
	err = errors.Join(errs...)
	switch {
	case err == nil:
		return nil
	case outer.Err() != nil:
		return fmt.Errorf("%v: delete: %w", a.level, outer.Err())
	}
	result := kind.Unavailable
	for _, err := range errs {
		if kind.Of(err) == kind.Denied {
			result = kind.Denied
		}
	}
	return fmt.Errorf("%v: delete: %w: %w", a.level, result, because(err))
}
