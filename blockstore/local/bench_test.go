package local_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/local"
)

var sizes = []int{4 << 10, 64 << 10, 512<<10 + 400, 1<<20 + 800}

// spread runs f n times in as many goroutines as said.
func spread(b *testing.B, writers int, f func(i int64)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	b.StartTimer()
	for range writers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

func id(i int64) (id blockstore.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15+1)
	return id
}

func BenchmarkPut(b *testing.B) {
	for _, size := range sizes {
		for _, writers := range []int{1, 16} {
			b.Run(fmt.Sprintf("size=%d/writers=%d", size, writers), func(b *testing.B) {
				s, err := local.Open(b.TempDir(), local.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				data := make([]byte, size)
				rand.Read(data)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				spread(b, writers, func(i int64) {
					if err := s.Put(b.Context(), id(i), data); err != nil {
						b.Error(err)
					}
				})
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range sizes {
		for _, readers := range []int{1, 4} {
			b.Run(fmt.Sprintf("size=%d/readers=%d", size, readers), func(b *testing.B) {
				s, err := local.Open(b.TempDir(), local.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				data := make([]byte, size)
				rand.Read(data)
				const blocks = 256
				var wg sync.WaitGroup
				for w := range int64(16) {
					wg.Go(func() {
						for i := w; i < blocks; i += 16 {
							if err := s.Put(b.Context(), id(i), data); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.SetBytes(int64(size))
				b.ReportAllocs()
				spread(b, readers, func(i int64) {
					if _, err := s.Get(b.Context(), id(i%blocks)); err != nil {
						b.Error(err)
					}
				})
			})
		}
	}
}

func BenchmarkDelete(b *testing.B) {
	for _, size := range []int{4 << 10, 512 << 10} {
		b.Run(fmt.Sprintf("size=%d/writers=16", size), func(b *testing.B) {
			s, err := local.Open(b.TempDir(), local.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			data := make([]byte, size)
			spread(b, 16, func(i int64) {
				if err := s.Put(b.Context(), id(i), data); err != nil {
					b.Error(err)
				}
			})
			spread(b, 16, func(i int64) {
				if err := s.Delete(b.Context(), id(i)); err != nil {
					b.Error(err)
				}
			})
		})
	}
}
