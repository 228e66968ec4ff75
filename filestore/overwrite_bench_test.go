package filestore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkOverwriteAndSync is what a database does: a few pages here and there, and
// an fsync.
func BenchmarkOverwriteAndSync(b *testing.B) {
	for _, pages := range []int{1, 8} {
		b.Run(fmt.Sprint("pages=", pages), func(b *testing.B) {
			benchStores(b, func(b *testing.B, t tree) {
				const size = 64 << 20
				t.put("db", random(size, 1))
				f := t.open("db", forWriting)
				rng := rand.New(rand.NewPCG(1, 2))
				page := random(4096, 7)
				for b.Loop() {
					for range pages {
						write(b, f, page, rng.Int64N(size/4096)*4096)
					}
					sync(b, f)
				}
				b.StopTimer()
				closeFile(b, f)
			})
		})
	}
}
