package filestore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
)

// distant is a store that takes blocks as fast as they come, each a round trip later.
type distant struct {
	blockstore.Store
	trip      time.Duration
	now, most atomic.Int64 // puts under way
}

func (d *distant) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	n := d.now.Add(1)
	defer d.now.Add(-1)
	for most := d.most.Load(); n > most && !d.most.CompareAndSwap(most, n); most = d.most.Load() {
	}
	time.Sleep(d.trip)
	return d.Store.Put(ctx, id, data)
}

// One file keeps so many blocks on their way that a store whose round trips are long
// takes it at no less than 0.8 of the rate of 32 parallel puts, the last blocks and
// the end of the file included.
func TestAPutHidesRoundTrips(t *testing.T) {
	t.Parallel()
	const chunk, chunks, parallel = 256 << 10, 128, 32
	synctest.Test(t, func(t *testing.T) { // whose clock counts round trips, and nothing else
		storage := newStorage(t)
		store := &distant{Store: storage.blocks, trip: 20 * time.Millisecond}
		storage.blocks = store
		fs := storage.open(func(o *filestore.Options) { o.ChunkSize, o.FlightBytes = chunk, 96*chunk })
		tr, _ := newTree(t, fs)
		begin := time.Now()
		tr.put("f", random(chunks*chunk, 1))
		took, bare := time.Since(begin), chunks/parallel*store.trip
		if rate := bare.Seconds() / took.Seconds(); rate < 0.8 {
			t.Errorf("%v for %d blocks, %v by %d at a time: %.2f of the rate", took, chunks, bare, parallel, rate)
		}
		if most := store.most.Load(); most > parallel {
			t.Errorf("%d blocks of one file were on their way", most)
		}
	})
}
