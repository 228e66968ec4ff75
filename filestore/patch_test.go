package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// patches counts what is written over chunks and holes of a file.
func (t tree) patches(p string) (patches, extents int, bytes int64) {
	t.t.Helper()
	patches, extents, bytes, err := t.Patches(t.t.Context(), path(p))
	if err != nil {
		t.t.Fatal(err)
	}
	return patches, extents, bytes
}

// overwritten is a file beside the bytes that it should hold.
type overwritten struct {
	tree tree
	f    *filestore.File
	want []byte
}

func (t tree) overwriting(p string, size int) *overwritten {
	want := random(size, 1)
	t.put(p, want)
	return &overwritten{t, t.open(p, forWriting), want}
}

// at writes n bytes over the file.
func (o *overwritten) at(off, n int, with byte) {
	o.tree.t.Helper()
	p := random(n, with)
	write(o.tree.t, o.f, p, int64(off))
	copy(o.want[off:], p)
}

// A commit of pages of a large file stores them and the nodes above, and reads nothing
// of what they are written over.
func TestCostOfOverwrites(t *testing.T) {
	t.Parallel()
	const size, chunk, page = 36 << 20, 256 << 10, 4096 // two nodes of level 0
	tr, m := metered(t)
	o := tr.overwriting("f", size)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, pages := range []int{1, 2, 20, 200} {
		m.spent()
		changed := map[int]bool{}
		for i := range pages {
			at := rng.IntN(size/page) * page
			o.at(at, page, byte(i))
			changed[at/chunk] = true
		}
		sync(t, o.f)
		got := m.spent()
		// One path of nodes: two of level 0 with what patches there are, and their parent.
		nodes := 3 * 24 << 10
		before, _, _ := tr.patches("f")
		if most := pages*page + len(changed)*(6*page+200) + nodes; got.bytes > most {
			t.Errorf("%d pages in %d chunks, %d patches: %d bytes stored, want at most %d", pages, len(changed), before, got.bytes, most)
		}
		if most := len(changed) + 3 + 3; got.items > most || got.commits != 1 {
			t.Errorf("%d pages in %d chunks: %d blocks and nodes in %d commits, want at most %d", pages, len(changed), got.items, got.commits, most)
		}
	}
	closeFile(t, o.f)
	tr.expect("f", o.want)
}

// Written again and again, one chunk gets patches that grow, and is written anew at
// times; what is read is what was written.
func TestPatchesGrowUntilTheirChunkIsWrittenAnew(t *testing.T) {
	t.Parallel()
	const chunk = 256 << 10
	s := newStorage(t)
	fs := s.open(smallChunks)
	tr, root := newTree(t, fs)
	o := tr.overwriting("f", 3*chunk)
	expect := func(what string, patches, extents int, n int64) {
		t.Helper()
		sync(t, o.f)
		if p, x, b := tr.patches("f"); p != patches || x != extents || b != n {
			t.Errorf("%s: %d patches of %d extents and %d bytes, want %d, %d, %d", what, p, x, b, patches, extents, n)
		}
		tr.expect("f", o.want)
		mount(t, s.open(), root).expect("f", o.want) // nothing at hand
	}
	o.at(chunk+4096, 4096, 2)
	expect("a page", 1, 1, 4096)
	o.at(chunk+4096, 4096, 3)
	expect("the same page", 1, 1, 4096)
	o.at(chunk+8192, 4096, 4)
	expect("the page after it", 1, 1, 8192)
	o.at(chunk+20_000, 10, 5)
	o.at(chunk+4000, 200, 6)
	expect("a few bytes, and over its begin", 1, 2, 8192+96+10)
	o.at(chunk, 4000, 7)
	expect("up to it", 1, 2, 12_288+10)
	o.at(10, 10, 8)
	o.at(3*chunk-1, 1, 9)
	expect("the other chunks", 3, 4, 12_288+10+10+1)
	for i := range 31 {
		o.at(2*chunk+100*i, 50, byte(10+i))
	}
	expect("as many runs as may be", 3, 35, 12_288+10+10+1+31*50)
	o.at(2*chunk+50_000, 1, 50)
	expect("one more", 2, 3, 12_288+10+10)
	for i := range 60 {
		o.at(2*chunk+100*i, 50, byte(60+i))
	}
	expect("far more at once", 2, 3, 12_288+10+10)
	o.at(0, chunk/4-1, 51)
	expect("as many bytes as may be, over what was there", 2, 3, 12_288+10+chunk/4-1)
	o.at(chunk/4, 1, 52)
	expect("another run of one byte", 2, 4, 12_288+10+chunk/4)
	o.at(chunk/4-1, 1, 53)
	expect("too many bytes", 1, 2, 12_288+10)
	o.at(chunk+100, chunk-200, 54)
	expect("most of a chunk", 0, 0, 0)
	closeFile(t, o.f)
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
}

// Files are cut, grow and are written to through patches.
func TestPatchesAreCutAndGrownOver(t *testing.T) {
	t.Parallel()
	const chunk = 256 << 10
	for _, size := range []int{2 * chunk, 2*chunk + 100_000, chunk, 100_000} {
		for _, to := range []int{-1, 0, 1, 4000, 4096, 6000, 8192, 8193, 70_000, 90_000} { // of the last chunk
			s := newStorage(t)
			fs := s.open(smallChunks)
			tr, root := newTree(t, fs)
			o := tr.overwriting("f", size)
			last := (size - 1) / chunk * chunk
			o.at(last+4096, 4096, 2)
			o.at(last+80_000, 1000, 3)
			sync(t, o.f)
			if p, x, _ := tr.patches("f"); p != 1 || x != 2 {
				t.Fatalf("%d patches of %d extents", p, x)
			}
			cut := max(0, last+to)
			if err := o.f.Truncate(t.Context(), int64(cut)); err != nil {
				t.Fatal(err)
			}
			o.want = o.want[:cut:cut]
			if got := readAll(t, o.f); !bytes.Equal(got, o.want) {
				t.Fatalf("%d bytes cut to %d: other bytes before the commit", size, cut)
			}
			sync(t, o.f)
			tr.expect("f", o.want)
			grown := size + 2*chunk
			if err := o.f.Truncate(t.Context(), int64(grown)); err != nil {
				t.Fatal(err)
			}
			o.want = append(o.want, make([]byte, grown-cut)...)
			o.at(cut, 10, 4)
			o.at(grown-5000, 20, 5)
			sync(t, o.f)
			if got := readAll(t, o.f); !bytes.Equal(got, o.want) {
				t.Fatalf("%d bytes cut to %d and grown: other bytes", size, cut)
			}
			closeFile(t, o.f)
			mount(t, s.open(), root).expect("f", o.want)
			expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
		}
	}
}

// What grows bit by bit goes on from an end that is written over.
func TestAppendsToAPatchedEnd(t *testing.T) {
	t.Parallel()
	tr, _ := newTree(t, newStorage(t).open(smallChunks))
	o := tr.overwriting("f", 3*256<<10-50_000)
	for i := range 20 {
		o.at(len(o.want)-60_000-i*100, 30, byte(i))
		sync(t, o.f)
		if i%3 > 0 {
			part := random(1+7000*(i%3), byte(i))
			write(t, o.f, part, int64(len(o.want)))
			o.want = append(o.want, part...)
			sync(t, o.f)
		}
		tr.expect("f", o.want)
	}
	closeFile(t, o.f)
}

// Pages written here and there into holes are stored alone.
func TestPatchesOverHoles(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	m := new(meter)
	fs := s.open(func(o *filestore.Options) {
		o.Meta, o.Blocks, o.ChunkSize = meteredMeta{o.Meta, m}, meteredBlocks{o.Blocks, m}, 256<<10
	})
	tr, root := newTree(t, fs)
	const size = 32 << 20
	o := &overwritten{tr, tr.open("f", toCreate), make([]byte, size)}
	if err := o.f.Truncate(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	m.spent()
	for i := range 60 {
		o.at(rng.IntN(size/4096)*4096, 4096, byte(i+1))
		if i%20 == 19 {
			sync(t, o.f)
			if got := m.spent(); got.bytes > 20*4096+20*4096+40<<10 {
				t.Errorf("%d bytes for 20 pages", got.bytes)
			}
		}
	}
	tr.expect("f", o.want)
	if err := o.f.Truncate(t.Context(), size/2+1000); err != nil {
		t.Fatal(err)
	}
	if err := o.f.Truncate(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	clear(o.want[size/2+1000:])
	o.at(size/2+500, 3000, 99)
	closeFile(t, o.f)
	tr.expect("f", o.want)
	mount(t, s.open(), root).expect("f", o.want)
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
}

// Which files get no patches: small ones, and those of accounts whose equal chunks are
// stored once. Padding goes with them.
func TestWhoGetsPatches(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size  int
		mount filestore.MountOptions
		want  int
	}{
		"a large file":   {1 << 20, filestore.MountOptions{}, 1},
		"one chunk":      {200_000, filestore.MountOptions{}, 1},
		"a small file":   {64 << 10, filestore.MountOptions{}, 0},
		"dedup":          {1 << 20, filestore.MountOptions{Dedup: true}, 0},
		"padded":         {200_000, filestore.MountOptions{Pad: filestore.PadPowerOfTwo}, 1},
		"padded, larger": {600_000, filestore.MountOptions{Pad: filestore.Pad4096}, 1},
	} {
		fs := newStorage(t).open(smallChunks)
		_, root := newTree(t, fs)
		mounted, err := fs.Mount(t.Context(), root, tt.mount)
		if err != nil {
			t.Fatal(err)
		}
		tr := tree{t, mounted}
		o := tr.overwriting("f", tt.size)
		o.at(tt.size-3000, 1000, 2)
		closeFile(t, o.f)
		if p, _, _ := tr.patches("f"); p != tt.want {
			t.Errorf("%s: %d patches, want %d", name, p, tt.want)
		}
		tr.expect("f", o.want)
		expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
	}
}

// A patched file is copied in every way, and the copies outlive it.
func TestCopiesOfPatchedFiles(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open(smallChunks)
	b := newMulti(t, fs)
	tr := b.tree
	const chunk = 256 << 10
	o := tr.overwriting("bucket/f", 5*chunk+1000)
	for i := range 4 {
		o.at(i*chunk+5000, 4096, byte(i+2))
		o.at(i*chunk+70_000, 100, byte(i+2))
	}
	closeFile(t, o.f)
	if p, _, _ := tr.patches("bucket/f"); p != 4 {
		t.Fatalf("%d patches", p)
	}
	if err := tr.Link(t.Context(), path("bucket/f"), path("link")); err != nil {
		t.Fatal(err)
	}
	tr.mkdir("d")
	if err := tr.Link(t.Context(), path("link"), path("d/f")); err != nil {
		t.Fatal(err)
	}
	tr.freeze("d", "frozen")
	r, err := b.Open(t.Context(), "f", filestore.VersionID{})
	if err != nil {
		t.Fatal(err)
	}
	bucket{t, b.Bucket}.copy(r, "copy", filestore.ObjectMeta{})
	r.Close()
	id := b.create("parts")
	var parts []filestore.CompletePart
	var want []byte
	for i, g := range [][2]int64{{0, int64(len(o.want))}, {6000, 2*chunk + 7000}, {chunk, 3 * chunk}, {5000, 10}, {chunk + 1, chunk - 1}} {
		p, err := b.copyPart("parts", id, i+1, "f", g[0], g[1])
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, filestore.CompletePart{Number: p.Number, ETag: p.ETag})
		want = append(want, o.want[g[0]:g[0]+g[1]]...)
	}
	b.complete("parts", id, parts...)
	tr.remove("bucket/f")
	tr.remove("link")
	tr.remove("d/f")
	collectAllDue(t, fs, now)
	last := s.open(smallChunks)
	after := mount(t, last, b.root)
	after.expect("bucket/copy", o.want)
	after.expect("bucket/parts", want)
	after.expect("frozen/f", o.want)
	expectWhole(t, last, filestore.NamedTree{Name: "test", Cap: b.root})
}

// Patches that were replaced, and chunks that were written anew, are given back, and
// nothing else.
func TestCollectionOfPatches(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize, o.InlineBlock = 256<<10, -1 })
	tr, root := newTree(t, fs)
	o := tr.overwriting("f", 2<<20)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 120 {
		o.at(rng.IntN(len(o.want)-3000), 3000, byte(i))
		closeFile(t, o.f)
		now.Add(int64(6 * time.Hour))
		if err := fs.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.f = tr.open("f", forWriting)
		if i%10 == 0 {
			collect(t, fs, filestore.CollectOptions{Yes: true, Grace: 24 * time.Hour})
		}
	}
	closeFile(t, o.f)
	collectAllDue(t, fs, now)
	last := s.open(smallChunks)
	mount(t, last, root).expect("f", o.want)
	whole := expectWhole(t, last, filestore.NamedTree{Name: "test", Cap: root})
	if patches, _, _ := tr.patches("f"); patches < 2 || int64(s.stored()) > whole.Blocks {
		t.Errorf("%d patches, %d blocks stored, %d reachable", patches, s.stored(), whole.Blocks)
	}
}

// Gateways that write over the same file by turns see each other's pages.
func TestGatewaysPatchOneFile(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	a := s.gateway(smallChunks)
	ta, root := newTree(t, a)
	tb := mount(t, s.gateway(smallChunks), root)
	const size = 1 << 20
	want := random(size, 1)
	ta.put("f", want)
	files := []*filestore.File{ta.open("f", forWriting), tb.open("f", forWriting)}
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		for g, f := range files { // both before either commits
			at := rng.IntN(size/2/4096)*8192 + g*4096
			p := random(4096, byte(2*i+g))
			write(t, f, p, int64(at))
			copy(want[at:], p)
		}
		for _, f := range files {
			sync(t, f)
		}
	}
	for _, f := range files {
		closeFile(t, f)
	}
	ta.expect("f", want)
	tb.expect("f", want)
	mount(t, s.gateway(smallChunks), root).expect("f", want)
	expectWhole(t, a, filestore.NamedTree{Name: "test", Cap: root})
}

// A patch that is lost or damaged is an error of who reads its bytes, and found by a
// check; what lies beside it is read.
func TestDamagedPatches(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	lying := blockstoretest.NewFaulty(s.blocks)
	s.blocks = lying
	fs := s.open(func(o *filestore.Options) { o.ChunkSize, o.InlineBlock = 256<<10, -1 })
	tr, root := newTree(t, fs)
	o := tr.overwriting("f", 1<<20)
	before := s.ids()
	o.at(300_000, 4096, 2)
	closeFile(t, o.f)
	for id := range s.ids() {
		if before[id] {
			continue
		}
		for what, lie := range map[string]blockstoretest.Lie{"damaged": blockstoretest.Flip(-1), "lost": blockstoretest.Drop} {
			lying.Lie(id, lie)
			fresh := s.open(smallChunks)
			f := mount(t, fresh, root).open("f", forReading)
			buf := make([]byte, 100)
			if _, err := f.ReadAt(t.Context(), buf, 300_000); kind.Of(err) != kind.Corrupt {
				t.Errorf("%s: %v, want Corrupt", what, err)
			}
			if _, err := f.ReadAt(t.Context(), buf, 310_000); err != nil || !bytes.Equal(buf, o.want[310_000:310_100]) {
				t.Errorf("%s: beside the patch: %v", what, err)
			}
			f.Discard()
			if r, err := fresh.Check(t.Context(), filestore.CheckOptions{Deep: true, Trees: []filestore.NamedTree{{Name: "test", Cap: root}}}); err != nil || r.Whole() {
				t.Errorf("%s: the check finds nothing, %v", what, err)
			}
		}
	}
}

// ids are those of the blocks in the blockstore.
func (s *storage) ids() map[blockstore.ID]bool {
	ids := make(map[blockstore.ID]bool)
	for info, err := range s.blocks.List(s.t.Context(), blockstore.ID{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		ids[info.ID] = true
	}
	return ids
}

// Streams out of objects give what was written over them.
func TestStreamsOfPatchedObjects(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open(func(o *filestore.Options) { o.ChunkSize, o.CacheBytes = 256<<10, 1<<20 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	o := tr.overwriting("b/o", 3<<20+77_777)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		o.at(rnd.IntN(len(o.want)-5000), 1+rnd.IntN(5000), byte(i))
		if i%7 == 0 {
			sync(t, o.f)
		}
	}
	closeFile(t, o.f)
	if p, _, _ := tr.patches("b/o"); p < 5 {
		t.Fatalf("%d patches", p)
	}
	for range 60 {
		if err := readPart(t.Context(), b, "o", o.want, rnd); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkReadPatched is a stream through a file, as it was stored and with patches
// over each of its chunks.
func BenchmarkReadPatched(b *testing.B) {
	for _, pages := range []int{0, 4, 16} {
		b.Run(fmt.Sprint("pages=", pages), func(b *testing.B) {
			t, _ := newTree(b, newStorage(b).open())
			const size = 64 << 20
			t.put("f", random(size, 1))
			f := t.open("f", forWriting)
			for at := 0; at < size; at += 1 << 20 {
				for i := range pages {
					write(b, f, random(4096, byte(i)), int64(at+i*60_000))
				}
			}
			closeFile(b, f)
			f = t.open("f", forReading)
			buf := make([]byte, 256<<10)
			b.SetBytes(size)
			for b.Loop() {
				for at := int64(0); ; {
					n, err := f.ReadAt(context.Background(), buf, at)
					if at += int64(n); err == io.EOF || n == 0 {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			closeFile(b, f)
		})
	}
}
