package filestore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
)

// change is one operation on a file's contents.
type change struct {
	size int64 // to cut or grow to; -1: a write
	off  int64 // of a write; -1: at the end
	data []byte
}

func (c change) of(b []byte) []byte {
	switch {
	case c.size >= 0:
		return append(b, make([]byte, max(0, c.size-int64(len(b))))...)[:c.size:c.size]
	case c.off < 0:
		return append(bytes.Clone(b), c.data...)
	}
	end := c.off + int64(len(c.data))
	b = append(bytes.Clone(b), make([]byte, max(0, end-int64(len(b))))...)
	copy(b[c.off:], c.data)
	return b
}

// TestDraftsReplayOnAnotherGatewaysCommit changes one file through two gateways
// at once, both having opened the same version: the close that comes second
// leaves what its operations, in order, make of the first one's contents.
func TestDraftsReplayOnAnotherGatewaysCommit(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(60) {
		t.Run(fmt.Sprint("seed=", sd), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(sd, 3))
			trees := gateways(t, 2, func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
			base := random(rng.IntN(600_000), 1)
			trees[0].put("f", base)
			appends := rng.IntN(3) == 0
			opts := filestore.OpenOptions{Read: true, Write: true, Append: appends}
			a, b := trees[0].open("f", opts), trees[1].open("f", forWriting)
			var ops []change
			for range 1 + rng.IntN(8) {
				c := change{size: -1, off: rng.Int64N(700_000), data: random(1+rng.IntN(120_000), byte(rng.Uint32()))}
				if appends {
					c.off = -1
				} else if rng.IntN(3) == 0 {
					// Cut to zero is another thing: it replaces all contents.
					c = change{size: 1 + rng.Int64N(700_000)}
				}
				ops = append(ops, c)
				perform(t, a, c)
			}
			now := base
			for range 1 + rng.IntN(3) {
				c := change{size: -1, off: rng.Int64N(500_000), data: random(1+rng.IntN(100_000), byte(rng.Uint32()))}
				if rng.IntN(3) == 0 {
					c = change{size: 1 + rng.Int64N(900_000)}
				}
				now = c.of(now)
				perform(t, b, c)
			}
			closeFile(t, b)
			trees[0].stat("f")
			for _, c := range ops {
				now = c.of(now)
			}
			closeFile(t, a)
			trees[1].expect("f", now)
		})
	}
}

func perform(t *testing.T, f *filestore.File, c change) {
	t.Helper()
	if c.size >= 0 {
		if err := f.Truncate(t.Context(), c.size); err != nil {
			t.Fatal(err)
		}
		return
	}
	write(t, f, c.data, max(c.off, 0))
}
