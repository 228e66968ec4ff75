package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

func smallChunks(o *filestore.Options) { o.ChunkSize = 256 << 10 }

// deduping mounts a root with dedup = account.
func deduping(t testing.TB, fs *filestore.FS, root caps.Cap) tree {
	t.Helper()
	tr, err := fs.Mount(t.Context(), root, filestore.MountOptions{Source: "test", Dedup: true})
	if err != nil {
		t.Fatal(err)
	}
	return tree{t, tr}
}

func newDeduping(t testing.TB, fs *filestore.FS) (tree, caps.Write) {
	t.Helper()
	_, root := newTree(t, fs)
	return deduping(t, fs, root), root
}

func TestDedupStoresEqualChunksOnceInAnAccount(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.gateway(smallChunks)
	alice, root := newDeduping(t, fs)
	bob, _ := newDeduping(t, fs)
	plain, _ := newTree(t, fs)
	data := random(1<<20, 1)
	alice.put("a", data)
	if n := s.stored(); n != 4 {
		t.Fatalf("%d blocks of a file of 4 chunks", n)
	}
	alice.put("b", data)
	alice.put("c", append(bytes.Clone(data), random(300_000, 2)...))
	if n := s.stored(); n != 6 {
		t.Errorf("%d blocks after a copy and a longer copy, want 6", n)
	}
	again := deduping(t, s.gateway(smallChunks), root) // with nothing in memory
	again.put("d", data)
	if n := s.stored(); n != 6 {
		t.Errorf("%d blocks after a copy by another process, want 6", n)
	}
	bob.put("a", data)
	if n := s.stored(); n != 10 {
		t.Errorf("%d blocks: accounts share chunks", n)
	}
	plain.put("a", data)
	plain.put("b", data)
	if n := s.stored(); n != 18 {
		t.Errorf("%d blocks: random keys are the default", n)
	}
	for _, name := range []string{"a", "b", "d"} {
		alice.expect(name, data)
	}
	bob.expect("a", data)
	alice.put("same", bytes.Repeat(data[:256<<10], 4)) // one chunk, four times
	alice.expect("same", bytes.Repeat(data[:256<<10], 4))
	if n := s.stored(); n != 18 {
		t.Errorf("%d blocks: a file of the same chunk again and again", n)
	}
	expectWhole(t, fs, filestore.NamedTree{Name: "alice", Cap: root})
}

// Chunks that lie in the metastore are shared, too, also when many files that
// hold them are committed together.
func TestDedupOfSmallFiles(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newDeduping(t, fs)
	data := random(3000, 1)
	for i := range 3 {
		tr.mkdir(fmt.Sprint("d", i))
	}
	var g errgroup.Group
	for i := range 30 {
		g.Go(func() error {
			p := fmt.Sprintf("d%d/f%d", i%3, i)
			return put(t.Context(), tr.Tree, path(p), data)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		tr.put(fmt.Sprintf("d%d/f%d", i%3, i), data)
	}
	tr.expect("d1/f1", data)
	if r := expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root}); r.Blocks != 1 || r.Files != 30 {
		t.Errorf("%d files with the same contents have %d blocks", r.Files, r.Blocks)
	}
}

func (s *storage) rows(want func(metastore.Block) bool) (n int) {
	s.t.Helper()
	v, err := s.meta.Collector().Snapshot(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.Close()
	for row, err := range v.AllBlocks(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		if want(row) {
			n++
		}
	}
	return n
}

// No id comes back to life: what is condemned, deleted, or of somebody else's
// upload is not used.
func TestDedupUsesNoDyingBlock(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open(smallChunks, func(o *filestore.Options) { o.Lease = 1000 * time.Hour }) // whenever the next heartbeat is
	tr, _ := newDeduping(t, fs)
	data, small := random(256<<10, 1), random(3000, 1)
	put := func(name string) {
		tr.put(name, data)
		tr.put(name+" small", small)
	}
	drop := func(name string) {
		tr.remove(name)
		tr.remove(name + " small")
		clock.Add(int64(time.Hour))
	}
	put("first")
	drop("first")
	collect(t, fs, filestore.CollectOptions{}) // condemned
	put("second")
	if n := s.rows(func(b metastore.Block) bool { return !b.CondemnedAt.IsZero() }); n != 2 {
		t.Errorf("%d blocks are condemned, want both that were", n)
	}
	if s.stored() != 2 {
		t.Errorf("%d blocks, want the condemned one and another", s.stored())
	}
	clock.Add(int64(filestore.DefaultGrace + time.Hour))
	collect(t, fs, filestore.CollectOptions{Yes: true}) // the first are deleted
	drop("second")
	put("third")
	tr.expect("third", data)
	tr.expect("third small", small)
	if n := s.rows(func(b metastore.Block) bool { return b.State == metastore.BlockDeleted }); n != 2 {
		t.Errorf("%d tombstones, want 2: an id came back to life", n)
	}
	expectWhole(t, fs)
}

// What an upload has put that was given up is nobody's to use; an upload under
// way may still fail.
func TestDedupUsesNoUnfinishedUpload(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	a, b := s.gateway(smallChunks), s.gateway(smallChunks)
	first, root := newDeduping(t, a)
	second := deduping(t, b, root)
	data := random(512<<10, 1)
	f := first.open("f", toCreate)
	write(t, f, data, 0)
	for s.stored() < 2 { // it is on its way
		runtime.Gosched()
	}
	second.put("g", data)
	f.Discard()
	second.expect("g", data)
	if s.stored() != 4 {
		t.Errorf("%d blocks, want both uploads' own", s.stored())
	}
	a.Close()
	expectWhole(t, b)
}

// A block that the index has and the blockstore has lost is stored again.
func TestDedupAsksForOldBlocks(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	faulty := blockstoretest.NewFaulty(s.blocks)
	s.blocks = faulty
	now := time.Unix(1_000_000, 0)
	clock := func(o *filestore.Options) { o.Now = func() time.Time { return now } }
	fs := s.open(smallChunks, clock)
	tr, _ := newDeduping(t, fs)
	stats := 0
	faulty.Before(func(_ context.Context, op blockstoretest.Op, _ int, _ blockstore.ID) error {
		if op == blockstoretest.OpStat {
			stats++
		}
		return nil
	})
	data := random(256<<10, 1)
	tr.put("a", data)
	tr.put("b", data)
	if stats != 0 {
		t.Errorf("%d questions for what was just put", stats)
	}
	now = now.Add(25 * time.Hour)
	tr.put("c", data)
	tr.put("d", data)
	if stats != 1 {
		t.Errorf("%d questions a day later, want 1", stats)
	}
	now = now.Add(25 * time.Hour)
	for info, err := range s.blocks.List(t.Context(), blockstore.ID{}) {
		if err == nil {
			err = s.blocks.Delete(t.Context(), info.ID) // behind everybody's back
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tr.put("e", data)
	tr.expect("e", data)
	if s.stored() != 1 {
		t.Errorf("%d blocks, want the one that was put again", s.stored())
	}
}

// Two uploads of the same bytes on two gateways at once: each must get through,
// whoever registers an id first, also when the metastore loses replies.
func TestDedupRaces(t *testing.T) {
	t.Parallel()
	for _, sd := range seeds(2) {
		s := newStorage(t)
		_, root := newTree(t, s.gateway())
		data := random(600_000, byte(sd))
		var g errgroup.Group
		for i, tr := range faultyGatewaysOn(t, s, root, 3, sd) {
			d := tree{t, tr.Tree}
			for j := range 4 {
				g.Go(func() error {
					p := path(fmt.Sprintf("%d-%d", i, j))
					if err := put(t.Context(), d.Tree, p, data); err != nil {
						return err
					}
					return put(t.Context(), d.Tree, append(path("small "), p...)[:1], data[:2000])
				})
			}
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		last := s.gateway()
		tr := mount(t, last, root)
		for i := range 3 {
			for j := range 4 {
				tr.expect(fmt.Sprintf("%d-%d", i, j), data)
			}
		}
		expectWhole(t, last, filestore.NamedTree{Name: "test", Cap: root})
	}
}

func TestPaddingHidesLengths(t *testing.T) {
	t.Parallel()
	sealedAs := func(sealed int64, plain func(i int) int) bool { // for some i
		for i := range 65 {
			if n := plain(i); n > 0 && n <= 1<<20 && blockstore.ChunkHeader(n).ChunkSize() == sealed {
				return true
			}
		}
		return false
	}
	multiple := func(i int) int { return 4096 * i }
	power := func(i int) int { return 1 << min(i, 21) }
	sizes := []int{56, 100, 4095, 4096, 4097, 9000, 70_001, 256 << 10, 256<<10 + 1, 600_000}
	for _, pad := range []filestore.Padding{filestore.PadNone, filestore.Pad4096, filestore.PadPowerOfTwo} {
		for _, size := range sizes {
			s := newStorage(t)
			fs := s.open(func(o *filestore.Options) { o.ChunkSize, o.InlineBlock = 256<<10, -1 })
			_, root := newTree(t, fs)
			tr, err := fs.Mount(t.Context(), root, filestore.MountOptions{Pad: pad, Dedup: size%2 == 0})
			if err != nil {
				t.Fatal(err)
			}
			data := random(size, 1)
			tree{t, tr}.put("f", data)
			tree{t, tr}.put("g", data[:size-1])
			mounted := mount(t, s.open(smallChunks), root)
			mounted.expect("f", data)
			if i := mounted.stat("f"); i.Size != int64(size) {
				t.Errorf("stat shows %d bytes of %d", i.Size, size)
			}
			for info, err := range s.blocks.List(t.Context(), blockstore.ID{}) {
				if err != nil {
					t.Fatal(err)
				}
				if pad == filestore.Pad4096 && !sealedAs(info.Size, multiple) || pad == filestore.PadPowerOfTwo && !sealedAs(info.Size, power) {
					t.Errorf("padding %d of %d bytes: the store sees a block of %d", pad, size, info.Size)
				}
			}
			expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
		}
	}
}

// A file whose last chunk is padded grows, shrinks and is patched like others.
func TestPaddedFilesChange(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(smallChunks)
	_, root := newTree(t, fs)
	mounted, err := fs.Mount(t.Context(), root, filestore.MountOptions{Pad: filestore.PadPowerOfTwo, Dedup: true})
	if err != nil {
		t.Fatal(err)
	}
	tr := tree{t, mounted}
	want := random(300_000, 1)
	tr.put("f", want)
	for i := range 40 {
		f := tr.open("f", forWriting)
		switch i % 4 {
		case 0, 1: // append
			part := random(1000*(i+1), byte(i))
			write(t, f, part, int64(len(want)))
			want = append(want, part...)
		case 2:
			copy(want[len(want)/2:], "patch")
			write(t, f, []byte("patch"), int64(len(want)/2))
		case 3:
			want = want[:len(want)-1234]
			if err := f.Truncate(t.Context(), int64(len(want))); err != nil {
				t.Fatal(err)
			}
		}
		closeFile(t, f)
		tr.expect("f", want)
	}
	mount(t, s.open(), root).expect("f", want)
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
}

// A small chunk comes with the commit; if another gateway brings the same one
// between the look at the index and the commit, it comes under a random key.
func TestDedupLosesARaceWell(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	first, root := newDeduping(t, s.gateway())
	data := random(3000, 1)
	racing := &afterBlocks{Store: s.meta}
	fs := s.gateway(func(o *filestore.Options) { o.Meta = racing })
	second := deduping(t, fs, root)
	racing.hook = func() { first.put("theirs", data) }
	second.put("mine", data)
	first.expect("mine", data)
	second.expect("theirs", data)
	if r := expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root}); r.Blocks != 2 {
		t.Errorf("%d blocks", r.Blocks)
	}
}

// afterBlocks calls its hook once, after it has read the block index.
type afterBlocks struct {
	metastore.Store
	hook func()
}

func (a *afterBlocks) Blocks(ctx context.Context, ids []metastore.ID) ([]metastore.Block, error) {
	rows, err := a.Store.Blocks(ctx, ids)
	if h := a.hook; h != nil {
		a.hook = nil
		h()
	}
	return rows, err
}
