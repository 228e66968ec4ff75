package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Memory that streams share shows none of them the bytes of another: many read
// objects of their own, from anywhere, in steps of any length; they are given up in
// the middle and cancelled, and the cache is read, filled and displaced beside them.
func TestStreamsSeeNobodyElsesBytes(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(func(o *filestore.Options) { o.ChunkSize, o.CacheBytes = 256<<10, 1<<20 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	objects := make([][]byte, 12)
	for i := range objects {
		objects[i] = random(1<<20+i*77_777, byte(i+1))
		b.put(fmt.Sprint(i), objects[i])
	}
	g, ctx := errgroup.WithContext(t.Context())
	for worker := range 2 * len(objects) {
		g.Go(func() error {
			rnd := rand.New(rand.NewPCG(uint64(worker), 1))
			for range 8 {
				i := (worker + rnd.IntN(2)) % len(objects)
				if err := readPart(ctx, b, fmt.Sprint(i), objects[i], rnd); err != nil {
					return fmt.Errorf("object %d: %w", i, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	noStreams(t, fs)
}

// readPart reads a part of an object, in one of several ways, and compares it.
func readPart(ctx context.Context, b bucket, key string, want []byte, rnd *rand.Rand) error {
	r, err := b.Open(ctx, key, filestore.VersionID{})
	if err != nil {
		return err
	}
	defer r.Close()
	off := rnd.Int64N(int64(len(want)))
	n := rnd.Int64N(int64(len(want))-off) + 1
	if rnd.IntN(3) == 0 {
		p := make([]byte, min(n, 300_000))
		if m, err := r.ReadAt(ctx, p, off); err != nil || !bytes.Equal(p[:m], want[off:off+int64(m)]) {
			return fmt.Errorf("ReadAt: %d bytes, or other ones: %w", m, err)
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := r.Stream(ctx, off, n)
	defer s.Close()
	stop := off + n + 1
	if rnd.IntN(2) == 0 {
		stop = off + rnd.Int64N(n)
	}
	p := make([]byte, 1+rnd.IntN(300_000))
	for at := off; ; {
		if at >= stop {
			if rnd.IntN(2) == 0 {
				cancel()
				_, _ = s.Read(ctx, p) // gives what is at hand, or nothing
			}
			return nil
		}
		m, err := s.Read(ctx, p)
		if err == io.EOF && at == off+n {
			return nil
		}
		if err != nil {
			return fmt.Errorf("at %d: %w", at, err)
		}
		if !bytes.Equal(p[:m], want[at:at+int64(m)]) {
			return fmt.Errorf("other bytes at %d", at)
		}
		at += int64(m)
	}
}

// Parts of objects of every size, also beyond their ends.
func TestStreamsGiveWhatIsThere(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	for _, size := range []int{0, 1, 55, 5000, 256 << 10, 256<<10 + 1, 1<<20 - 1, 3 << 20} {
		want := random(size, 1)
		b.put("o", want)
		r := b.open("o")
		for _, part := range [][2]int{{0, size}, {0, size + 100}, {1, size}, {size, 1}, {size + 5, 1}, {size / 2, 300_000}, {0, 256 << 10}} {
			off := min(part[0], size)
			end := min(off+part[1], size)
			got, err := readStream(t, r, int64(part[0]), int64(part[1]), 100_000)
			if err != nil || !bytes.Equal(got, want[off:end]) {
				t.Errorf("%d of %d bytes at %d: %d bytes, or other ones: %v", part[1], size, part[0], len(got), err)
			}
		}
		r.Close()
	}
}

// A stream ends with an error where a block is damaged or its store fails, whether it
// was read ahead or not, and what came before is right; nothing of it stays.
func TestStreamsEndAtFaults(t *testing.T) {
	t.Parallel()
	storage := newStorage(t)
	faulty := blockstoretest.NewFaulty(memory.New())
	storage.blocks = faulty
	fs := storage.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	want := random(2<<20, 1)
	b.put("o", want)
	r := b.open("o")
	defer r.Close()
	broken := errors.New("broken")
	for n := 1; n <= 8; n++ {
		faulty.FailFrom(n, errors.Join(broken, kind.Denied))
		got, err := readStream(t, r, 0, int64(len(want)), 100_000)
		if !errors.Is(err, broken) || !bytes.HasPrefix(want, got) || len(got) >= n<<18 {
			t.Errorf("with a store that fails from call %d on: %d bytes, %v", n, len(got), err)
		}
		faulty.Honest()
	}
	// What has failed goes on failing: the bytes that follow would be taken for those
	// that are missing.
	faulty.FailFrom(3, errors.Join(broken, kind.Denied))
	s := r.Stream(t.Context(), 0, int64(len(want)))
	p := make([]byte, 100_000)
	var err error
	for err == nil {
		_, err = s.Read(t.Context(), p)
	}
	faulty.Honest()
	for range 10 {
		if n, err := s.Read(t.Context(), p); n != 0 || !errors.Is(err, broken) {
			t.Errorf("a stream that has failed gives %d bytes, %v", n, err)
		}
	}
	s.Close()
	var ids []blockstore.ID
	for info, err := range faulty.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, info.ID)
	}
	for _, id := range ids {
		faulty.Lie(id, blockstoretest.Flip(200_000))
		got, err := readStream(t, r, 0, int64(len(want)), 100_000)
		if kind.Of(err) != kind.Corrupt || !bytes.HasPrefix(want, got) {
			t.Errorf("with a damaged block: %d bytes, %v", len(got), err)
		}
		faulty.Honest()
	}
	if got, err := readStream(t, r, 0, int64(len(want)), 100_000); err != nil || !bytes.Equal(got, want) {
		t.Errorf("after all: %d bytes, %v", len(got), err)
	}
	noStreams(t, fs)
}

// Streams whose clients take nothing hold no others up, and no more memory than what
// is read ahead for them.
func TestIdleStreamsLeaveRoom(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	want := random(4<<20, 1)
	b.put("o", want)
	r := b.open("o")
	defer r.Close()
	p := make([]byte, 256<<10)
	for range 200 {
		s := r.Stream(t.Context(), 0, int64(len(want)))
		defer s.Close()
		if n, err := s.Read(t.Context(), p); err != nil || !bytes.Equal(p[:n], want[:n]) {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	if open, ahead := fs.Streams(); open != 200 || ahead > 16<<20/(256<<10) {
		t.Errorf("%d chunks are read ahead for %d streams", ahead, open)
	}
	if got, err := readStream(t, r, 0, int64(len(want)), 256<<10); err != nil || !bytes.Equal(got, want) {
		t.Errorf("one more: %d bytes, %v", len(got), err)
	}
}

// A stream of a closed reader ends.
func TestStreamsEndWithTheirReader(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.put("o", random(4<<20, 1))
	r := b.open("o")
	s := r.Stream(t.Context(), 0, 4<<20)
	p := make([]byte, 256<<10)
	if _, err := s.Read(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	if n, err := s.Read(t.Context(), p); n != 0 || err != io.EOF {
		t.Errorf("a closed stream gives %d bytes, %v", n, err)
	}
	late := r.Stream(t.Context(), 0, 4<<20)
	defer late.Close()
	r.Close()
	if n, err := late.Read(t.Context(), p); n != 0 || kind.Of(err) != kind.Closed {
		t.Errorf("a stream of a closed reader gives %d bytes, %v", n, err)
	}
}

// The memory that uploads leave has room for what downloads of chunks read.
func TestUploadsAndDownloadsShareMemory(t *testing.T) {
	t.Parallel()
	if need := filetree.RunRoom(filetree.DefaultChunkSize); need > filestore.PooledChunk {
		t.Errorf("a run of a chunk needs %d bytes, what is shared has %d", need, filestore.PooledChunk)
	}
}
