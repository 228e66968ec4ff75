package blockstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/internal/kind"
)

// BatchDeleter is an optional interface of a Store that deletes many blocks for
// less than as many Deletes. Callers use DeleteBatch, never the assertion.
type BatchDeleter interface {
	// DeleteBatch deletes blocks, absent ones too. nil means that all are gone;
	// after an error any of them may still be there.
	DeleteBatch(ctx context.Context, ids []ID) error
}

// BatchStater is an optional interface of a Store that tells about many blocks
// for less than as many Stats. Callers use StatBatch, never the assertion.
type BatchStater interface {
	// StatBatch returns what Stat would for every id, in their order: two
	// slices as long as ids.
	StatBatch(ctx context.Context, ids []ID) ([]Info, []error)
}

// atOnce is how many calls stand in for a batch at the same time.
const atOnce = 8

// DeleteBatch deletes blocks by the BatchDeleter that s is, or that it wraps;
// without one it deletes several at a time. nil means that all are gone. The
// error joins those of single blocks, the context's among them, and carries the
// kind of the first.
func DeleteBatch(ctx context.Context, s Store, ids []ID) error {
	if d, ok := As[BatchDeleter](s); ok {
		return d.DeleteBatch(ctx, ids)
	}
	errs := make([]error, len(ids))
	inParallel(len(ids), func(i int) { errs[i] = s.Delete(ctx, ids[i]) })
	return errors.Join(errs...)
}

// Batches deletes many blocks of a Store by requests that its server may not have.
// The zero value is ready for use.
type Batches struct{ lacking atomic.Bool }

// Delete deletes ids by batch, most at a time. Once batch is Unsupported it calls
// found, and deletes them by the store's Delete from then on.
func (b *Batches) Delete(ctx context.Context, s Store, ids []ID, most int, batch func(context.Context, []ID) error, found func()) error {
	for len(ids) > 0 {
		part := ids[:min(len(ids), most)]
		var err error
		if b.lacking.Load() {
			err = DeleteBatch(ctx, single{s}, part)
		} else if err = batch(ctx, part); kind.Of(err) == kind.Unsupported {
			found()
			b.lacking.Store(true)
			continue
		}
		if err != nil {
			return err
		}
		ids = ids[len(part):]
	}
	return nil
}

// single hides a store's optional interfaces.
type single struct{ Store }

// StatBatch tells about blocks by the BatchStater that s is, or that it wraps;
// without one it asks for several at a time.
func StatBatch(ctx context.Context, s Store, ids []ID) ([]Info, []error) {
	if b, ok := As[BatchStater](s); ok {
		return b.StatBatch(ctx, ids)
	}
	infos, errs := make([]Info, len(ids)), make([]error, len(ids))
	inParallel(len(ids), func(i int) { infos[i], errs[i] = s.Stat(ctx, ids[i]) })
	return infos, errs
}

// inParallel calls f for 0 to n-1, atOnce of them at a time.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for w := range min(n, atOnce) {
		wg.Go(func() {
			for i := w; i < n; i += atOnce {
				f(i)
			}
		})
	}
	wg.Wait()
}
