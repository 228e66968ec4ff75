package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// readOn reads up to n bytes of f from off, which must be those of want.
func readOn(t *testing.T, f *filestore.File, want []byte, off, n int) {
	t.Helper()
	p := make([]byte, n)
	m, err := f.ReadAt(t.Context(), p, int64(off))
	end := min(off+n, len(want))
	if err != nil && (err != io.EOF || off+n <= len(want)) || m != max(0, end-off) || !bytes.Equal(p[:m], want[min(off, end):end]) {
		t.Fatalf("%d bytes at %d: %d bytes, or other ones, %v", n, off, m, err)
	}
}

// readFrom reads f from off to end in pieces of n bytes, which must be those of want.
func readFrom(t *testing.T, f *filestore.File, want []byte, off, end, n int) {
	t.Helper()
	for ; off < end; off += n {
		readOn(t, f, want, off, n)
	}
}

// noStreams says that all streams are closed, and waits until the store has let go
// what was read ahead for them.
func noStreams(t *testing.T, fs *filestore.FS) {
	t.Helper()
	open, ahead := fs.Streams()
	if open != 0 {
		t.Errorf("%d streams are left", open)
	}
	for ; ahead != 0; _, ahead = fs.Streams() {
		runtime.Gosched()
	}
}

// However a handle is read, in sequence and not, by several at a time, each read gives
// the bytes that are there.
func TestHandlesReadWhatIsThere(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(smallChunks)
	tr, _ := newTree(t, fs)
	contents := make([][]byte, 4)
	for i := range contents {
		contents[i] = random(3<<20+i*77_777, byte(i+1))
		tr.put(fmt.Sprint(i), contents[i])
	}
	var g errgroup.Group
	for i, want := range contents {
		for handle := range 3 {
			f := tr.open(fmt.Sprint(i), forReading)
			for reader := range 1 + handle { // by one, by two, by three
				g.Go(func() error {
					return readAnyhow(t, f, want, rand.New(rand.NewPCG(uint64(i), uint64(10*handle+reader))))
				})
			}
			t.Cleanup(f.Discard)
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// readAnyhow reads f from anywhere on, for a while in sequence, now and then over the
// end.
func readAnyhow(t *testing.T, f *filestore.File, want []byte, rnd *rand.Rand) error {
	p := make([]byte, 300_000)
	for range 12 {
		off, step := rnd.IntN(len(want)), 1+rnd.IntN(len(p))
		if rnd.IntN(2) == 0 {
			off -= off % step
		}
		for range 1 + rnd.IntN(16) {
			n, err := f.ReadAt(t.Context(), p[:step], int64(off))
			if end := min(off+step, len(want)); n != max(0, end-off) || !bytes.Equal(p[:n], want[min(off, end):end]) {
				return fmt.Errorf("%d bytes at %d: %d, or other ones, %w", step, off, n, err)
			}
			off += n
			if err == io.EOF {
				break
			}
		}
	}
	return nil
}

// What is read in sequence goes past the cache, until it ends or the handle does.
func TestHandlesStreamPastTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where a loaded machine makes no pauses
		fs := newStorage(t).open(smallChunks)
		tr, _ := newTree(t, fs)
		want := random(4<<20, 1)
		tr.put("f", want)
		streaming := func(f *filestore.File, from, to int) {
			t.Helper()
			readFrom(t, f, want, from, to, 128<<10)
			if open, _ := fs.Streams(); open != 1 {
				t.Fatalf("%d streams are open, want 1", open)
			}
		}
		f := tr.open("f", forReading)
		streaming(f, 0, 2<<20)
		readOn(t, f, want, 2<<20, 3<<20)
		noStreams(t, fs)
		readOn(t, f, want, 0, 100) // from its beginning again: there was nothing wrong with it
		streaming(f, 100, 2<<20)
		f.Discard()
		noStreams(t, fs)
		if n := fs.Unread(); n != 0 {
			t.Errorf("%d chunks were brought into the cache ahead", n)
		}
		if _, err := f.ReadAt(t.Context(), make([]byte, 10), 2<<20+100); kind.Of(err) != kind.Closed {
			t.Errorf("a closed handle reads: %v", err)
		}
	})
}

// A handle that jumps, or pauses, gives up what was read ahead for it, and has no
// other stream for a long while.
func TestStreamsOfHandlesAreGivenUp(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, f *filestore.File, want []byte){
		"reads elsewhere": func(t *testing.T, f *filestore.File, want []byte) { readOn(t, f, want, 3<<20, 1000) },
		"reads in turn":   func(t *testing.T, f *filestore.File, want []byte) { readOn(t, f, want, 1<<20+4096, 4096) },
		"a pause":         func(*testing.T, *filestore.File, []byte) { time.Sleep(2 * time.Second); synctest.Wait() },
	}
	for name, interrupt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fs := newStorage(t).open(smallChunks)
				tr, _ := newTree(t, fs)
				want := random(4<<20, 1)
				tr.put("f", want)
				f := tr.open("f", forReading)
				defer f.Discard()
				for off := 0; off < 1<<20; off += 64 << 10 {
					readOn(t, f, want, off, 64<<10)
					time.Sleep(900 * time.Millisecond) // no pause yet
				}
				if open, _ := fs.Streams(); open != 1 {
					t.Fatalf("%d streams are open, want 1", open)
				}
				interrupt(t, f, want)
				noStreams(t, fs)
				for off := 1 << 20; off < 4<<20; off += 64 << 10 {
					readOn(t, f, want, off, 64<<10)
					noStreams(t, fs)
				}
			})
		})
	}
}

// A handle that reads in sequence sees what another writes, before and after it is
// committed.
func TestStreamingHandlesSeeWrites(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(smallChunks)
	tr, _ := newTree(t, fs)
	want := random(4<<20, 1)
	tr.put("f", want)
	f := tr.open("f", forReading)
	defer f.Discard()
	off := 0
	for round := range 6 {
		for range 4 {
			readOn(t, f, want, off, 128<<10)
			off += 128 << 10
		}
		w := tr.open("f", forWriting)
		at := off + 1000
		copy(want[at:], fmt.Sprint("written in round ", round))
		if _, err := w.WriteAt(t.Context(), want[at:at+100], int64(at)); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			readOn(t, f, want, off, 128<<10)
			off += 128 << 10
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	readOn(t, f, want, off, len(want))
}

// A fault in what is read ahead is told by the read that wants it, and no more once
// the store is sound again.
func TestStreamingHandlesTellFaults(t *testing.T) {
	t.Parallel()
	storage := newStorage(t)
	faulty := blockstoretest.NewFaulty(memory.New())
	storage.blocks = faulty
	fs := storage.open(func(o *filestore.Options) { o.ChunkSize, o.CacheBytes = 256<<10, 256<<10 })
	tr, _ := newTree(t, fs)
	want := random(3<<20, 1)
	tr.put("f", want)
	var ids []blockstore.ID
	for info, err := range faulty.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, info.ID)
	}
	p := make([]byte, 100_000)
	for _, id := range ids {
		f := tr.open("f", forReading)
		faulty.Lie(id, blockstoretest.Flip(200_000))
		off, failed := 0, false
		for off < len(want) {
			n, err := f.ReadAt(t.Context(), p, int64(off))
			if !bytes.Equal(p[:n], want[off:off+n]) {
				t.Fatalf("other bytes at %d", off)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				if kind.Of(err) != kind.Corrupt || failed {
					t.Fatalf("at %d: %v", off, err)
				}
				failed = true
				faulty.Honest()
				continue
			}
			off += n
		}
		if !failed {
			t.Error("a damaged block wasn't noticed")
		}
		f.Discard()
	}
	noStreams(t, fs)
}
