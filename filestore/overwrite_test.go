package filestore_test

import (
	"context"
	"math/rand/v2"
	gosync "sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
)

// rangeMeter counts what is read of each block.
type rangeMeter struct {
	blockstore.Store
	mu    gosync.Mutex // guards the fields below
	bytes map[blockstore.ID]int64
	calls int
}

func (m *rangeMeter) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	m.mu.Lock()
	m.bytes[id] += n
	m.calls++
	m.mu.Unlock()
	return blockstore.GetRange(ctx, m.Store, id, off, n)
}

// A few bytes here and there take the memory of their pages, and a commit reads
// nothing for them; what are too many of them for a chunk has it read once, with what
// was written over it before.
func TestScatteredOverwritesTakeLittle(t *testing.T) {
	t.Parallel()
	const chunk, size, writes = 256 << 10, 16 << 20, 400
	m := &rangeMeter{bytes: make(map[blockstore.ID]int64)}
	fs := newStorage(t).open(func(o *filestore.Options) {
		m.Store = o.Blocks
		o.Blocks, o.ChunkSize = m, chunk
	})
	tr, _ := newTree(t, fs)
	want := random(size, 1)
	tr.put("f", want)
	f := tr.open("f", forWriting)
	rng := rand.New(rand.NewPCG(1, 2))
	changed := make(map[int64]bool)
	m.mu.Lock()
	m.calls = 0
	clear(m.bytes)
	m.mu.Unlock()
	for i := range writes {
		at := rng.Int64N(size/4096) * 4096
		page := random(4096, byte(i))
		write(t, f, page, at)
		copy(want[at:], page)
		changed[at/chunk] = true
	}
	if got, most := fs.Dirty(), int64(2*writes*4096); got > most {
		t.Errorf("%d writes of 4 KiB take %d bytes of memory, want at most %d", writes, got, most)
	}
	m.mu.Lock()
	if m.calls > 0 {
		t.Errorf("the writes read %d times", m.calls)
	}
	m.mu.Unlock()
	sync(t, f)
	m.mu.Lock()
	if m.calls > 0 {
		t.Errorf("%d reads to write over %d chunks", m.calls, len(changed))
	}
	m.mu.Unlock()
	clear(changed)
	for i := range 4 * writes { // too much for patches
		at := rng.Int64N(size/4096) * 4096
		page := random(4096, byte(i))
		write(t, f, page, at)
		copy(want[at:], page)
		changed[at/chunk] = true
	}
	sync(t, f)
	m.mu.Lock()
	if m.calls > 2*len(changed) {
		t.Errorf("%d reads to write %d chunks anew", m.calls, len(changed))
	}
	for id, n := range m.bytes {
		if n > chunk+8<<10 {
			t.Errorf("%d bytes were read of block %v", n, id)
		}
	}
	m.mu.Unlock()
	closeFile(t, f)
	tr.expect("f", want)
	if got := fs.Dirty(); got != 0 {
		t.Errorf("%d bytes of memory are held after the commit", got)
	}
}

// However a frame fills, from its begin, from its end, here and there, across
// pages, in memory or by way of the spool, it holds what was written.
func TestFramesFillInAnyOrder(t *testing.T) {
	t.Parallel()
	type step struct{ off, n int64 }
	orders := map[string][]step{
		"backwards":        {{60_000, 5_000}, {50_000, 10_000}, {30_000, 20_000}, {0, 30_000}},
		"from the end":     {{65_535, 1}, {0, 1}, {32_768, 1}},
		"across pages":     {{4095, 2}, {8190, 5000}, {16_383, 1}},
		"begin, then gap":  {{0, 100}, {40_000, 100}, {100, 100}, {200, 39_900}},
		"gap, then whole":  {{20_000, 10}, {0, 65_536}},
		"every other page": {{4096, 4096}, {12_288, 4096}, {20_480, 4096}, {28_672, 4096}, {36_864, 4096}, {45_056, 4096}, {53_248, 4096}, {61_440, 4096}, {0, 4096}},
		"over itself":      {{10_000, 3000}, {9_000, 3000}, {11_000, 3000}, {10_500, 10}},
	}
	for name, order := range orders {
		for _, spilling := range []bool{false, true} {
			fs := newStorage(t).open(func(o *filestore.Options) {
				o.ChunkSize = 256 << 10
				if spilling {
					o.DraftBytes = 1 // each write goes to the spool at once
				}
			})
			tr, _ := newTree(t, fs)
			const begin = 64 << 10
			want := random(200_000, 9)
			tr.put("f", want)
			f := tr.open("f", forWriting)
			for i, s := range order {
				p := random(int(s.n), byte(i+1))
				write(t, f, p, begin+s.off)
				copy(want[begin+s.off:], p)
				if got := readAll(t, f); string(got) != string(want) {
					t.Fatalf("%s, spilling %v: other bytes after step %d", name, spilling, i)
				}
			}
			if err := f.Truncate(t.Context(), begin+33_000); err != nil {
				t.Fatal(err)
			}
			write(t, f, []byte("end"), begin+50_000)
			want = append(want[:begin+33_000], make([]byte, 17_000)...)
			want = append(want, "end"...)
			if got := readAll(t, f); string(got) != string(want) {
				t.Fatalf("%s, spilling %v: other bytes after the cut", name, spilling)
			}
			closeFile(t, f)
			tr.expect("f", want)
			if fs.Dirty() != 0 || fs.Figures().SpoolBytes != 0 {
				t.Errorf("%s, spilling %v: %d bytes of memory and %d of the spool are held", name, spilling, fs.Dirty(), fs.Figures().SpoolBytes)
			}
		}
	}
}

// Who writes and cuts in turn, without end, takes no more memory for it.
func TestWritingAndCuttingTakesNothing(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	tr, _ := newTree(t, fs)
	f := tr.open("f", toCreate)
	for range 5000 {
		write(t, f, []byte("x"), 70_000)
		if err := f.Truncate(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.Frames(); n > 100 {
		t.Errorf("%d frames are remembered", n)
	}
	closeFile(t, f)
}
