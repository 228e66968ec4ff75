package filestore

import (
	"context"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// A commit that changes a little of a chunk doesn't write the chunk anew: it stores
// what is written over it since it was sealed, as a patch (formats.md 3). The patch
// grows with each commit, until it has too much; then the chunk is written anew, and
// the patch is gone. What is written into a hole here and there is a patch, too.
const (
	// patchShare is the part of a chunk that may be a patch: to read what is written
	// over costs as much again, and to write it for each commit.
	patchShare = 4
	// patchLeast is the length up to which a chunk is written anew: it costs little
	// more than a patch and the longer node do.
	patchLeast = 64 << 10
	// patchesKept is how many patches a commit may have that are kept at hand: where
	// few chunks change, the next commit often changes them again.
	patchesKept = 16
	// patchesInline is how many bytes of patches one commit's request brings at most,
	// in memory until then. The others are stored before it, however small.
	patchesInline = 1 << 20
)

// patchOver tells which leaf a patch goes over that makes n bytes from off what the
// draft has there, and which bytes of the leaf it holds; none: there is no such patch,
// or the chunk had better be written anew.
func (d *draft) patchOver(ctx context.Context, c *cell, off, n int64) (leaf filetree.Leaf, holds spans, err error) {
	most := min(n/patchShare, filetree.MaxPatch)
	if c.own != nil || off != c.off || n <= patchLeast || n > filetree.MaxChunkSize || c.filled == 0 || c.filled > most || convergent(d.sealer(false)) {
		return leaf, nil, nil
	}
	leaf, fits, err := d.leafUnder(ctx, off, n)
	if err != nil || !fits {
		return leaf, nil, err
	}
	if holds = c.written(filetree.MaxExtents); holds == nil {
		return leaf, nil, nil
	}
	if leaf.Patch != nil {
		for _, x := range leaf.Patch.Extents {
			holds, _ = holds.add(int64(x.Off), x.End())
		}
	}
	if len(holds) > filetree.MaxExtents || holds.len() > most {
		return leaf, nil, nil
	}
	return leaf, holds, nil
}

// leafUnder is the chunk or hole of n bytes from off that a draft shows where nothing
// was written, and whether there is such a one.
func (d *draft) leafUnder(ctx context.Context, off, n int64) (filetree.Leaf, bool, error) {
	hole := filetree.Leaf{Off: off, Len: n, Ref: filetree.Ref{Level: filetree.LevelChunk, Size: uint64(n)}}
	switch below := d.below(); {
	case off >= below:
		return hole, true, nil
	case d.base.reader == nil || off+n > below:
		return hole, false, nil
	}
	leaf, err := d.base.reader.LeafAt(ctx, off)
	switch {
	case err != nil:
		return hole, false, fmt.Errorf("read a file: %w", err)
	case leaf.IsHole():
		return hole, leaf.End() >= off+n, nil
	}
	return leaf, leaf.Off == off && leaf.Len == n, nil
}

// written lists what was written to a cell; nil: more runs than most.
func (c *cell) written(most int) spans {
	runs := 0
	for _, fr := range c.frames {
		if fr != nil {
			runs += len(fr.spans)
		}
	}
	if runs > most+len(c.frames) { // those of neighbouring frames may touch
		return nil
	}
	all := make(spans, 0, runs)
	for i, fr := range c.frames {
		if fr == nil {
			continue
		}
		begin := int64(i) * frameSize
		for _, s := range fr.spans {
			all, _ = all.add(begin+s.off, begin+s.end)
		}
	}
	return all
}

// len is how many bytes are in s.
func (s spans) len() (n int64) {
	for _, x := range s {
		n += x.end - x.off
	}
	return n
}

// sealPatch seals and sends the bytes of c, and of the patch that leaf has already,
// that a patch over leaf holds. Inline is how many bytes of patches the commit's
// request brings so far.
func (d *draft) sealPatch(ctx context.Context, c *cell, leaf filetree.Leaf, holds spans, inline *int64) (*stored, error) {
	n := holds.len()
	if sealed := filetree.SealedLen(n); sealed <= int64(d.fs.o.InlineBlock) && *inline+sealed <= patchesInline {
		*inline += sealed
		plain := make([]byte, n)
		if err := d.fillPatch(ctx, c, leaf, holds, [][]byte{plain}); err != nil {
			return nil, err
		}
		return d.sealHere(ctx, filetree.Sealer{}, plain)
	}
	// Small ones count as a frame, whose memory they take: and a store isn't given
	// thousands of them at a time.
	room, err := d.reserve(ctx, max(n, frameSize))
	if err != nil {
		return nil, err
	}
	st := &stored{done: make(chan struct{})}
	if len(d.cells) <= patchesKept {
		st.here = make([]byte, n)
	}
	d.filling.Add(1)
	d.send(n, st, filetree.Sealer{}, func() ([][]byte, func(), error) {
		defer d.filling.Done()
		plain, free := d.patchRoom(st.here, n)
		return plain, free, d.fillPatch(ctx, c, leaf, holds, plain)
	}, room)
	return st, nil
}

// patchRoom is memory for n bytes in pieces of frameSize, in here if that is not nil,
// and what gives it back.
func (d *draft) patchRoom(here []byte, n int64) (plain [][]byte, free func()) {
	if here != nil {
		return slices.Collect(slices.Chunk(here, frameSize)), func() {}
	}
	for ; n > 0; n -= frameSize {
		piece := min(n, frameSize)
		plain = append(plain, d.fs.buffers.frame(int(piece))[:piece])
	}
	return plain, func() { d.fs.buffers.freeFrames(plain) }
}

// fillPatch puts into plain, which lies in pieces of frameSize, what a patch over leaf
// holds. Of what lies below, only the patch that is there is read.
func (d *draft) fillPatch(ctx context.Context, c *cell, leaf filetree.Leaf, holds spans, plain [][]byte) error {
	put := func(off int64, b []byte) {
		for at := holds.before(off); len(b) > 0; {
			n := copy(plain[at/frameSize][at%frameSize:], b)
			b, at = b[n:], at+int64(n)
		}
	}
	if leaf.Patch != nil {
		for _, x := range leaf.Patch.Extents {
			if c.covers(int64(x.Off), x.End()) {
				continue
			}
			old := make([]byte, x.Len)
			if _, err := d.base.reader.ReadAt(ctx, old, leaf.Off+int64(x.Off)); err != nil {
				return fmt.Errorf("read a file: %w", err)
			}
			put(int64(x.Off), old)
		}
	}
	return d.each(c, 0, leaf.Len, put)
}

// before is how many bytes of s lie before off.
func (s spans) before(off int64) (n int64) {
	for _, x := range s {
		if x.off >= off {
			break
		}
		n += min(x.end, off) - x.off
	}
	return n
}

// patch makes the patch of which holds are the extents; its block is known later.
func (s spans) patch() *filetree.Patch {
	p := &filetree.Patch{Len: s.len(), Extents: make([]filetree.Extent, len(s))}
	for i, x := range s {
		p.Extents[i] = filetree.Extent{Off: uint32(x.off), Len: uint32(x.end - x.off)}
	}
	return p
}
