package filestore

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// bucketsAge is how often other gateways' changes are asked for.
const bucketsAge = 500 * time.Millisecond

// bucketPage is how many rows are read at a time.
const bucketPage = 64

// begin reads the registry, and goes on renewing it if others write to it.
func (t *bucketTable) begin(ctx context.Context) error {
	if err := t.renew(ctx); err != nil {
		return fmt.Errorf("read the registry of buckets: %w", err)
	}
	if t.fs.slots.authoritative {
		return nil
	}
	t.fs.beats.Add(1)
	go func() {
		defer t.fs.beats.Done()
		tick := time.NewTicker(bucketsAge)
		defer tick.Stop()
		for {
			select {
			case <-t.fs.ctx.Done():
				return
			case <-tick.C:
			}
			ctx, cancel := context.WithTimeout(t.fs.ctx, 10*time.Second)
			if err := t.look(ctx); err != nil && t.fs.ctx.Err() == nil {
				t.expire() // whoever asks next hears why
				t.fs.log.Debug("the registry of buckets couldn't be renewed", slog.Any("error", err))
			}
			cancel()
		}
	}()
	return nil
}

// expire has the next renew ask for what changed until now.
func (t *bucketTable) expire() { t.wanted.Add(1) }

// renew brings the table up to what was committed before the last expire.
func (t *bucketTable) renew(ctx context.Context) error {
	if t.seen.Load() >= t.wanted.Load() {
		return nil
	}
	t.renewing.Lock()
	defer t.renewing.Unlock()
	wanted := t.wanted.Load()
	if t.seen.Load() >= wanted {
		return nil // by whom we have waited for
	}
	return t.update(ctx, wanted)
}

// current brings the table up to what any gateway had committed when it was called: for
// who is about to replace or remove something, and would lose it by a registry that
// doesn't know yet what is to be kept. It costs nothing where no other gateway is, and
// one query that isn't repeated where some are: that is for the caller. Of a bucket
// that is gone it may not hear, since to ask for that takes as long as there are
// buckets: its directory went with it, and there is nothing left to keep.
func (t *bucketTable) current(ctx context.Context) error {
	if t.fs.slots.authoritative {
		return nil
	}
	newest, loaded := t.newest()
	rows, err := t.fs.o.Meta.SealedRows(ctx, kindBucket, metastore.SealedPlace{Rev: newest, Key: lastKey}, 1)
	if err == nil && (!loaded || len(rows) > 0) {
		t.expire()
		err = t.renew(ctx)
	}
	if err != nil {
		return fmt.Errorf("read the registry of buckets: %w", err)
	}
	return nil
}

// newest is the rev of the newest row that the table knows, if it was read.
func (t *bucketTable) newest() (rev uint64, loaded bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.state.Newest, t.loaded
}

// look brings the table up to now, without anybody having to wait for it.
func (t *bucketTable) look(ctx context.Context) error {
	t.renewing.Lock()
	defer t.renewing.Unlock()
	return t.update(ctx, t.wanted.Load())
}

// update brings the table up to what was committed before wanted was raised to what
// it is. It is called with renewing held.
func (t *bucketTable) update(ctx context.Context, wanted uint64) error {
	for range 4 {
		st, err := t.sealedState(ctx)
		if err != nil {
			return err
		}
		if t.loaded && st == t.state {
			t.seen.Store(wanted)
			return nil
		}
		if err := t.read(ctx, st); err != nil {
			return err
		}
	}
	return nil // it changes all the time: what was read is newer than what was asked for
}

func (t *bucketTable) sealedState(ctx context.Context) (metastore.SealedState, error) {
	return retry.Value(ctx, func() (metastore.SealedState, error) { return t.fs.o.Meta.SealedState(ctx, kindBucket) })
}

// read reads what was written since the table's state; all of it, if rows went.
func (t *bucketTable) read(ctx context.Context, now metastore.SealedState) error {
	next := t.copy()
	from := metastore.SealedPlace{}
	if t.loaded {
		from.Rev = t.state.Newest
		from.Key = lastKey
	}
	st, err := next.add(ctx, t.fs, from)
	if err != nil {
		return err
	}
	st.Newest = max(st.Newest, t.state.Newest)
	if st != now {
		next = newBucketTable(t.fs)
		if st, err = next.add(ctx, t.fs, metastore.SealedPlace{}); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byName, t.bySlot, t.damaged = next.byName, next.bySlot, next.damaged
	t.state, t.loaded = st, true
	return nil
}

// lastKey is no key's successor.
var lastKey = [32]byte(slices.Repeat([]byte{0xff}, 32))

func (t *bucketTable) copy() *bucketTable {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return &bucketTable{fs: t.fs, byName: maps.Clone(t.byName), bySlot: maps.Clone(t.bySlot), damaged: maps.Clone(t.damaged)}
}

// add reads the rows after a place, and gives the state that it finds so.
func (t *bucketTable) add(ctx context.Context, fs *FS, at metastore.SealedPlace) (st metastore.SealedState, err error) {
	for {
		page, err := retry.Value(ctx, func() ([]metastore.SealedRow, error) {
			return fs.o.Meta.SealedRows(ctx, kindBucket, at, bucketPage)
		})
		if err != nil {
			return st, err
		}
		for i := range page {
			row := &page[i]
			t.put(fs, row)
			st.Newest = max(st.Newest, row.Rev)
			at = metastore.SealedPlace{Rev: row.Rev, Key: row.Key}
		}
		if len(page) < bucketPage {
			st.Rows = int64(len(t.byName) + len(t.damaged))
			return st, nil
		}
	}
}
