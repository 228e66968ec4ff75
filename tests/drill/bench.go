package drill

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// Bench measures puts and gets of blocks of a mebibyte, 1, 8 and 32 at a time,
// without and with 20 ms added to each round trip.
func Bench(b *testing.B, server string, open func(b *testing.B, addr string) blockstore.Store) {
	p, err := testbed.NewProxy(server)
	if err != nil {
		b.Fatal(err)
	}
	direct, proxied := open(b, server), open(b, p.Addr())
	p.Set(testbed.Faults{Latency: 20 * time.Millisecond})
	var ids []blockstore.ID
	for range 64 {
		id, block := storecheck.Chunk(1 << 20)
		ids = append(ids, id)
		if err := direct.Put(b.Context(), id, block); err != nil {
			b.Fatal(err)
		}
	}
	for _, way := range []struct {
		name  string
		store blockstore.Store
	}{{"direct", direct}, {"20ms", proxied}} {
		for _, n := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("Put/%s/%d", way.name, n), func(b *testing.B) {
				var made []blockstore.ID
				var blocks [][]byte
				for range b.N {
					id, block := storecheck.Chunk(1 << 20)
					made, blocks = append(made, id), append(blocks, block)
				}
				inParallel(b, n, func(i int) error { return way.store.Put(b.Context(), made[i], blocks[i]) })
				b.StopTimer()
				if err := blockstore.DeleteBatch(b.Context(), direct, made); err != nil {
					b.Error(err)
				}
			})
			b.Run(fmt.Sprintf("Get/%s/%d", way.name, n), func(b *testing.B) {
				inParallel(b, n, func(i int) error {
					_, err := way.store.Get(b.Context(), ids[i%len(ids)])
					return err
				})
			})
		}
	}
	for _, s := range []blockstore.Store{direct, proxied} {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}

// inParallel times b.N calls of f, n at a time.
func inParallel(b *testing.B, n int, f func(i int) error) {
	b.SetBytes(1 << 20)
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
