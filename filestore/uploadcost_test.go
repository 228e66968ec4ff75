package filestore_test

import (
	"context"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
)

// filled begins an upload of n parts that each are the object "from".
func (b multi) filled(key string, n int) (id string, parts []filestore.CompletePart) {
	b.t.Helper()
	id = b.create(key)
	parts = make([]filestore.CompletePart, n)
	r, err := b.Open(b.t.Context(), "from", filestore.VersionID{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	var g errgroup.Group
	g.SetLimit(64)
	for i := range n {
		g.Go(func() error {
			m := filestore.PartMeta{
				MD5: md5.Sum([]byte{byte(i)}), HasMD5: true,
				Checksums: []filestore.Checksum{{Algorithm: "CRC64NVME", Value: []byte("12345678")}},
			}
			p, err := b.CopyPart(b.t.Context(), key, id, i+1, filestore.ObjectRange{From: r, N: r.Object().Size}, m)
			parts[i] = filestore.CompletePart{Number: i + 1, ETag: p.ETag}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.t.Fatal(err)
	}
	return id, parts
}

// TestACompletionMovesNoData: it is one commit, and what it writes grows with the
// number of parts, not with their bytes.
func TestACompletionMovesNoData(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	m := &meter{}
	s.blocks, s.meta = meteredBlocks{s.blocks, m}, meteredMeta{s.meta, m}
	b := newMulti(t, s.open(smallChunks))
	b.object("from", random(5<<20, 1))
	for _, n := range []int{2, 20, 200} {
		key := fmt.Sprint("k", n)
		id, parts := b.filled(key, n)
		m.spent()
		o := b.complete(key, id, parts...)
		// A node's child takes 104 bytes, what is kept of a part 40; and a few
		// nodes of directories.
		if c := m.spent(); c.commits != 1 || c.bytes > 200*n+20_000 {
			t.Errorf("%d parts: %+v", n, c)
		}
		if o.Size != int64(n)*5<<20 {
			t.Errorf("%d parts: %d bytes", n, o.Size)
		}
	}
}

// void is a blockstore that keeps nothing.
type void struct{ blockstore.Store }

func (void) Put(context.Context, blockstore.ID, []byte) error { return nil }

// TestPartsTakeBoundedMemory: a part streams; what it holds doesn't grow with it. It
// runs alone, since it measures the heap.
func TestPartsTakeBoundedMemory(t *testing.T) {
	s := newStorage(t)
	s.blocks = void{s.blocks}
	b := newMulti(t, s.open(func(o *filestore.Options) { o.FlightBytes, o.DraftBytes = 4<<20, 2<<20 }))
	id := b.create("k")
	w, err := b.NewPart(t.Context(), "k", id, 1)
	must(t, err)
	defer w.Abort()
	buf := make([]byte, 1<<20)
	rng := rand.NewChaCha8([32]byte{1})
	inUse := func() int64 {
		var ms runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&ms)
		return int64(ms.HeapAlloc)
	}
	runtime.GC() // what tests before left needs two
	before, peak := inUse(), int64(0)
	for i := range 128 {
		rng.Read(buf[:1000])
		_, err := w.Write(buf)
		must(t, err)
		if i%16 == 15 {
			peak = max(peak, inUse()-before)
		}
	}
	if peak > 40<<20 {
		t.Errorf("%d MiB more are in use", peak>>20)
	}
}

// BenchmarkComplete completes uploads of parts of 5 MiB.
func BenchmarkComplete(b *testing.B) {
	for _, n := range []int{128, 10_000} {
		b.Run(fmt.Sprint(n, " parts"), func(b *testing.B) {
			s := newStorage(b)
			m := newMulti(b, s.open())
			m.object("from", random(5<<20, 1))
			for b.Loop() {
				b.StopTimer()
				id, parts := m.filled("k", n)
				b.StartTimer()
				m.complete("k", id, parts...)
			}
		})
	}
}
