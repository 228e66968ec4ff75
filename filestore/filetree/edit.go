package filetree

import (
	"context"
	"fmt"
	"math/bits"
	"sort"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Edit makes the file of size bytes that equals the reader's, its base, except
// where leaves, which ascend and don't overlap, replace it. It returns its reference
// and the nodes that are new: those on the paths to what changed, one a level;
// everything else is shared with base. Nodes of base are read through the reader's
// cache.
//
// A chunk of base that a leaf overlaps, or that size cuts, is replaced as a
// whole: leaves cover all of it that lies below size. Holes may be cut anywhere,
// those that are written over as chunks only. A leaf may be what base has there
// with another patch. What neither base nor a leaf provides is a hole.
//
// Leaves on the grid of chunks (Reader.Grid) keep the tree aligned. Others are
// as right, a leaf at base's very end although the chunk before it is short for
// one: they give a ragged tree, whose nodes are a little longer. chunkSize, a
// power of two from MinChunkSize to MaxChunkSize, is the grid where base has none.
//
// A file of one chunk has no node unless the chunk has a patch, the empty file is
// the zero Ref. Errors: Invalid for leaves that break these rules, TooLarge for
// more than the format holds, Corrupt and the source's own for nodes of base.
func (r *Reader) Edit(ctx context.Context, chunkSize int, size int64, leaves []Leaf) (Ref, []Block, error) {
	if err := r.checkRoot(); err != nil {
		return Ref{}, nil, err
	}
	if err := checkEdit(chunkSize, size, leaves); err != nil {
		return Ref{}, nil, err
	}
	switch {
	case size == 0:
		return Ref{}, nil, nil
	case len(leaves) == 0 && size == r.Size():
		return r.Ref(), nil, nil
	}
	grid, aligned, err := r.gridFor(ctx, chunkSize, size, leaves)
	if err != nil {
		return Ref{}, nil, err
	}
	e := &editor{Reader: r, base: r.root, grid: grid, size: size, leaves: leaves}
	if r.Size() > 0 && r.root.Level != LevelChunk {
		e.base.kv = verifyKey(r.root.Key) // base may become a child
	}
	var root child
	if aligned {
		root, err = e.aligned(ctx)
	} else {
		root, err = e.ragged(ctx)
	}
	if err != nil {
		return Ref{}, nil, err
	}
	return root.Ref, e.blocks, nil
}

// editor is one call of Edit.
type editor struct {
	*Reader // of the base

	base   child
	grid   uint8 // log2 chunk size
	size   int64 // of the new file
	leaves []Leaf
	blocks []Block // the new nodes
}

func checkEdit(chunkSize int, size int64, leaves []Leaf) error {
	if !validChunkSize(chunkSize) {
		return fmt.Errorf("filetree: chunk size %d: %w", chunkSize, kind.Invalid)
	}
	if size < 0 {
		return fmt.Errorf("filetree: size %d: %w", size, kind.Invalid)
	}
	end := int64(0)
	for i := range leaves {
		l := &leaves[i]
		if l.Off < end || l.Len <= 0 || l.Len > size-l.Off {
			return fmt.Errorf("filetree: leaf %d, %d bytes from %d, overlaps another or the end: %w", i, l.Len, l.Off, kind.Invalid)
		}
		hole := l.Ref.IsHole()
		if l.Ref.Size != uint64(l.Len) || !hole && (l.Ref.Level != LevelChunk || l.Len > MaxChunkSize || l.Ref.Key.IsZero()) {
			return fmt.Errorf("filetree: leaf %d is neither a chunk nor a hole of %d bytes: %w", i, l.Len, kind.Invalid)
		}
		if fault := l.Patch.fault(l.Len); fault != "" {
			return fmt.Errorf("filetree: leaf %d has a patch %s: %w", i, fault, kind.Invalid)
		}
		end = l.End()
	}
	return nil
}

func validChunkSize(n int) bool {
	return n >= MinChunkSize && n <= MaxChunkSize && n&(n-1) == 0
}

// Grid tells where new leaves should lie: at multiples of the chunk size that
// it returns, for which it returns true; or, in a ragged file, where there is
// no grid, at the leaves that exist, not longer than chunkSize, and false. An
// aligned file keeps the chunk size that it has; one of a single chunk, or
// none, takes chunkSize, or more if the chunk is longer.
func (r *Reader) Grid(ctx context.Context, chunkSize int) (int64, bool, error) {
	if !validChunkSize(chunkSize) {
		return 0, false, fmt.Errorf("filetree: chunk size %d: %w", chunkSize, kind.Invalid)
	}
	if err := r.checkRoot(); err != nil {
		return 0, false, err
	}
	grid, aligned, err := r.baseGrid(ctx, chunkSize)
	return 1 << grid, aligned, err
}

func (r *Reader) baseGrid(ctx context.Context, chunkSize int) (uint8, bool, error) {
	grid := uint8(bits.TrailingZeros(uint(chunkSize)))
	if r.Size() == 0 {
		return grid, true, nil
	}
	if r.root.Level == LevelChunk {
		return max(grid, gridOf(r.Size())), true, nil
	}
	n, err := r.node(ctx, &r.root)
	if err != nil {
		return 0, false, err
	}
	if n.ragged() {
		return grid, false, nil
	}
	return n.grid, true, nil
}

// gridFor decides whether the edited file can be aligned, and to which chunk
// size.
func (r *Reader) gridFor(ctx context.Context, chunkSize int, size int64, leaves []Leaf) (uint8, bool, error) {
	grid, aligned, err := r.baseGrid(ctx, chunkSize)
	if err != nil || !aligned {
		return grid, false, err
	}
	width := int64(1) << grid
	for i := range leaves {
		l := &leaves[i]
		whole := l.Len == width || l.IsHole() && l.Len%width == 0
		short := l.End() == size && (l.Len < width || l.IsHole())
		if l.Off%width != 0 || !whole && !short {
			return grid, false, nil
		}
	}
	tail := r.Size() % width
	if size <= r.Size() || tail == 0 || len(overlapping(leaves, r.Size()-1, r.Size())) > 0 {
		return grid, true, nil
	}
	leaf, err := r.LeafAt(ctx, r.Size()-1) // a short chunk that has to stay as it is?
	return grid, leaf.IsHole(), err
}

// overlapping is the part of leaves that overlaps off to end.
func overlapping(leaves []Leaf, off, end int64) []Leaf {
	i := sort.Search(len(leaves), func(i int) bool { return leaves[i].End() > off })
	n := sort.Search(len(leaves)-i, func(n int) bool { return leaves[i+n].Off >= end })
	return leaves[i : i+n]
}

// hole stands for n bytes of zeros at that level, chunks being at -1.
func hole(level int, n int64) child {
	c := child{Ref: Ref{Level: LevelChunk, Size: uint64(n)}}
	if level >= 0 {
		c.Level = uint8(level)
	}
	return c
}

// seal makes a node over kids and keeps its block. The node goes into the cache:
// whoever reads the file next, or changes it again, begins with it.
func (e *editor) seal(level int, grid uint8, ragged bool, kids []child) (child, error) {
	if level > MaxLevel {
		return child{}, fmt.Errorf("filetree: a tree of more than %d levels: %w", MaxLevel+1, kind.TooLarge)
	}
	b, c, s, err := sealSections(randomKey(), uint8(level), grid, ragged, kids)
	if err != nil {
		return child{}, err
	}
	n, err := nodeOf(&c, s)
	if err != nil {
		return child{}, err
	}
	if e.Reader != nil { // not in Join
		e.cache.nodes.add(keyOf(&c.Ref), n, n.cost())
	}
	e.blocks = append(e.blocks, b)
	return c, nil
}

// holeFile is a file of nothing but zeros: one node.
func (e *editor) holeFile(size int64) (child, error) {
	level := max(0, rootLevel(e.grid, size))
	width := coverage(e.grid, level-1)
	var kids []child
	for off := int64(0); off < size; off = satAdd(off, width) {
		kids = append(kids, hole(level-1, min(width, size-off)))
	}
	return e.seal(level, e.grid, false, kids)
}

// rootLevel is the lowest level whose node holds size bytes, -1 if a chunk does.
func rootLevel(grid uint8, size int64) int {
	level := -1
	for coverage(grid, level) < size {
		level++
	}
	return level
}
