package filetree

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Reader reads one file. It is safe for concurrent use and holds no more than
// its cache does.
type Reader struct {
	src   Source
	root  child
	cache *Cache

	last atomic.Pointer[place] // where the last read ended up
	next atomic.Int64          // the offset after the last read
}

// place is a leaf and what binds its block.
type place struct {
	Leaf
	limit int64
}

// privateCache is what a Reader without a shared cache uses for itself: a chunk
// of any size and the nodes above it.
const privateCache = 12 << 20

// NewReader returns a reader of the file that ref refers to. A nil cache means
// a small one of its own. Nothing is read, and nothing checked, before the
// first call.
func NewReader(src Source, ref Ref, cache *Cache) *Reader {
	if cache == nil {
		cache = NewCache(privateCache)
	}
	return &Reader{src: src, root: child{Ref: ref, limit: MaxChunkSize}, cache: cache}
}

// Ref is what the reader was made with.
func (r *Reader) Ref() Ref { return r.root.Ref }

// Size is the length of the file in bytes, as its reference says.
func (r *Reader) Size() int64 { return r.root.size() }

// ReadAt reads len(p) bytes from off, as io.ReaderAt: fewer only with an error,
// io.EOF at the end. The n bytes it gave have been verified; after them p may
// be overwritten too. Corrupt if a block isn't what the reference says;
// otherwise the errors of the source.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("filetree: read at %d: %w", off, kind.Invalid)
	}
	if err := r.checkRoot(); err != nil {
		return 0, err
	}
	want := p[:min(int64(len(p)), max(0, r.Size()-off))]
	sequential := r.sequential(off, len(want))
	n := 0
	for n < len(want) {
		pl, err := r.locate(ctx, off+int64(n))
		if err != nil {
			return n, err
		}
		at := off + int64(n) - pl.Off
		part := want[n:min(int64(len(want)), int64(n)+pl.Len-at)]
		if err := r.readLeaf(ctx, pl, part, at, sequential); err != nil {
			return n, err
		}
		n += len(part)
	}
	r.next.Store(off + int64(n))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// How reads are taken to be parts of a stream, for which whole chunks are
// fetched: they begin near the end of the last one, or they are long.
const (
	streamWindow = 512 << 10
	streamLength = 128 << 10
)

func (r *Reader) sequential(off int64, n int) bool {
	if n >= streamLength {
		return true
	}
	d := off - r.next.Load()
	return off > 0 && -streamWindow <= d && d <= streamWindow
}

// Prefetch brings the chunk that covers off into the cache, whole, so that a
// following ReadAt finds it there: the read-ahead of a stream, for a goroutine
// of the caller's. Past the end it does nothing.
func (r *Reader) Prefetch(ctx context.Context, off int64) error {
	if err := r.checkRoot(); err != nil || off < 0 || off >= r.Size() {
		return err
	}
	pl, err := r.locate(ctx, off)
	if err != nil {
		return err
	}
	if _, err := r.patchOf(ctx, pl, 0, pl.Len, true); err != nil || pl.Ref.IsHole() {
		return err
	}
	return r.loadChunk(ctx, r.chunkAt(pl), 0, cellCount(pl.Len)-1, true)
}

// LeafAt tells which chunk, or which hole, covers off, 0 <= off < Size; else
// Invalid. Neighbouring holes may come as several leaves.
func (r *Reader) LeafAt(ctx context.Context, off int64) (Leaf, error) {
	if err := r.checkRoot(); err != nil {
		return Leaf{}, err
	}
	if off < 0 || off >= r.Size() {
		return Leaf{}, fmt.Errorf("filetree: no leaf at %d of %d bytes: %w", off, r.Size(), kind.Invalid)
	}
	pl, err := r.locate(ctx, off)
	if err != nil {
		return Leaf{}, err
	}
	return pl.Leaf, nil
}

// checkRoot refuses references that no file has.
func (r *Reader) checkRoot() error {
	ref := &r.root.Ref
	switch {
	case ref.Size > MaxSize, ref.Size == 0 && !ref.ID.IsZero(), ref.IsHole():
		return corruptf(ref.ID, "can't be a file of %d bytes", ref.Size)
	case ref.Size > 0 && ref.Level != LevelChunk && ref.Level > MaxLevel:
		return corruptf(ref.ID, "can't be a file of level %d", ref.Level)
	case ref.Level == LevelChunk && ref.Size > MaxChunkSize:
		return corruptf(ref.ID, "can't be a chunk of %d bytes", ref.Size)
	}
	return nil
}

// locate walks down to the leaf that covers off, which lies inside the file.
// Levels fall by one at each step, so the walk ends.
func (r *Reader) locate(ctx context.Context, off int64) (*place, error) {
	if pl := r.last.Load(); pl != nil && pl.Off <= off && off < pl.End() {
		return pl, nil
	}
	c, base := r.root, int64(0)
	for !c.IsHole() && c.Level != LevelChunk {
		n, err := r.node(ctx, &c)
		if err != nil {
			return nil, err
		}
		i := n.find(off - base)
		begin, _ := n.span(i)
		base += begin
		c = n.child(i)
	}
	if !c.IsHole() && c.size() > c.limit {
		return nil, corruptf(c.ID, "can't be a chunk of %d bytes", c.Size)
	}
	pl := &place{Leaf{Off: base, Len: c.size(), Ref: c.Ref, Patch: c.patch}, c.limit}
	r.last.Store(pl)
	return pl, nil
}

// node returns the node that c refers to, checked against all that c says.
func (r *Reader) node(ctx context.Context, c *child) (*node, error) {
	k := keyOf(&c.Ref)
	if n, ok := r.cache.nodes.get(k); ok && n.key.Equal(c.Key) {
		r.cache.nodes.count(true)
		return n, c.binds(n)
	}
	r.cache.nodes.count(false)
	block, err := r.src.Node(ctx, c.ID)
	if err != nil {
		return nil, sourceErr(c.ID, err)
	}
	n, err := openNode(c, block)
	if err != nil {
		return nil, err
	}
	r.cache.nodes.add(k, n, n.cost())
	return n, nil
}

// readLeaf fills p from byte at of the leaf: from what lies below, as far as that
// shows, and from what is written over it.
func (r *Reader) readLeaf(ctx context.Context, pl *place, p []byte, at int64, sequential bool) error {
	if pl.Patch == nil {
		return r.readBase(ctx, pl, p, at, sequential)
	}
	end := at + int64(len(p))
	from, to := pl.Patch.uncovered(at, end)
	if from < to {
		if int64(len(p)) == pl.Len {
			from, to = at, end // a whole chunk goes past the cache
		}
		if err := r.readBase(ctx, pl, p[from-at:to-at], from, sequential); err != nil {
			return err
		}
	}
	over, err := r.patchOf(ctx, pl, at, end, sequential)
	if err != nil {
		return err
	}
	pl.Patch.overlay(over, p, at)
	return nil
}

// readBase fills p from byte at of what lies below the leaf's patch.
func (r *Reader) readBase(ctx context.Context, pl *place, p []byte, at int64, sequential bool) error {
	if pl.Ref.IsHole() {
		clear(p)
		return nil
	}
	if int64(len(p)) == pl.Len && len(p) >= wholeLength {
		if c, ok := r.cache.chunks.get(keyOf(&pl.Ref)); !ok || !pl.binds(c) {
			r.cache.chunks.count(false)
			return readWhole(ctx, r.src, pl.Ref, pl.limit, p)
		}
	}
	c, err := r.cells(ctx, pl, at, at+int64(len(p)), sequential)
	if err != nil {
		return err
	}
	c.copyTo(p, at)
	return nil
}

// cells is the cached chunk of a leaf, in which the cells of bytes at to end are held.
func (r *Reader) cells(ctx context.Context, pl *place, at, end int64, ahead bool) (*chunk, error) {
	first, last := int(at/blockstore.FrameSize), int((end-1)/blockstore.FrameSize)
	c := r.chunkAt(pl)
	held := c.holds(first, last)
	r.cache.chunks.count(held)
	if held {
		return c, nil
	}
	return c, r.loadChunk(ctx, c, first, last, ahead)
}

// wholeLength is from which length on a chunk that is asked for as a whole goes
// straight into the caller's buffer: what streams by like that isn't kept.
const wholeLength = 256 << 10

// binds reports whether c was made by the same claims and key as pl.
func (pl *place) binds(c *chunk) bool { return c.limit == pl.limit && c.ref.Key.Equal(pl.Ref.Key) }

// chunkAt is the cached chunk of a leaf, empty if it is new.
func (r *Reader) chunkAt(pl *place) *chunk {
	return r.cache.chunks.getOr(keyOf(&pl.Ref), pl.binds,
		func() (*chunk, int64) {
			c := newChunk(pl.Ref, pl.limit)
			return c, c.cost()
		})
}

// loadChunk adds frames to c. What it holds stays sound whatever fails here, so
// that the next try may find another copy of the block.
func (r *Reader) loadChunk(ctx context.Context, c *chunk, first, last int, ahead bool) error {
	added, err := c.load(ctx, r.src, first, last, ahead)
	if added > 0 {
		r.cache.chunks.charge(keyOf(&c.ref), c, added)
	}
	return err
}
