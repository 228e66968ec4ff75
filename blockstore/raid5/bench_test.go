package raid5_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

// stores are one local store, and the layouts over several on the same disk.
var stores = []struct {
	name string
	n    int
	open func(b *testing.B, locals []blockstore.Store) blockstore.Store
}{
	{"local", 1, func(_ *testing.B, ls []blockstore.Store) blockstore.Store { return ls[0] }},
	{"raid1x2", 2, func(b *testing.B, ls []blockstore.Store) blockstore.Store {
		s, err := raid1.Open(b.Context(), blockstoretest.Members(ls...), raid1.Options{Log: quiet})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}},
	{"raid5x3", 3, func(b *testing.B, ls []blockstore.Store) blockstore.Store { return open(b, raid5.Options{}, ls...) }},
}

func eachStore(b *testing.B, f func(b *testing.B, s blockstore.Store)) {
	for _, tt := range stores {
		b.Run(tt.name, func(b *testing.B) {
			var locals []blockstore.Store
			dir := b.TempDir()
			for i := range tt.n {
				l, err := local.Open(filepath.Join(dir, fmt.Sprint(i)), local.Options{})
				if err != nil {
					b.Fatal(err)
				}
				locals = append(locals, l)
			}
			s := tt.open(b, locals)
			defer s.Close()
			f(b, s)
		})
	}
}

type block struct {
	id   blockstore.ID
	data []byte
}

func blocks(n int) []block {
	bs := make([]block, n)
	for i := range bs {
		bs[i].id, bs[i].data = storecheck.Chunk(1 << 20)
	}
	return bs
}

// spread runs f n times, by 8 goroutines.
func spread(b *testing.B, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

func BenchmarkPut(b *testing.B) {
	bs := blocks(64)
	eachStore(b, func(b *testing.B, s blockstore.Store) {
		b.SetBytes(1 << 20)
		b.ReportAllocs()
		spread(b, func(i int) {
			bl := bs[i%len(bs)]
			bl.id[31], bl.id[30] = byte(i), byte(i>>8) // unread, so that no two are the same
			if err := s.Put(b.Context(), bl.id, bl.data); err != nil {
				b.Error(err)
			}
		})
	})
}

func BenchmarkGet(b *testing.B) {
	bs := blocks(64)
	for _, how := range []string{"whole", "range"} {
		b.Run(how, func(b *testing.B) {
			eachStore(b, func(b *testing.B, s blockstore.Store) {
				for _, bl := range bs {
					if err := s.Put(b.Context(), bl.id, bl.data); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(1 << 20)
				b.ReportAllocs()
				spread(b, func(i int) {
					var err error
					if how == "whole" {
						_, err = s.Get(b.Context(), bs[i%len(bs)].id)
					} else {
						_, err = blockstore.GetRange(b.Context(), s, bs[i%len(bs)].id, 0, 2<<20)
					}
					if err != nil {
						b.Error(err)
					}
				})
			})
		})
	}
}
