package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// settle makes cells for what has to be written anew although nobody wrote it.
func (d *draft) settle(ctx context.Context) error {
	below := d.below()
	if below > 0 && d.base.reader == nil {
		// Inline contents become a part of the first chunk.
		return d.touch(ctx, 0)
	}
	if below == 0 || d.size <= below || !d.aligned || below%d.grid == 0 {
		return nil
	}
	// The base's last chunk is short and something follows it: filled up, the
	// tree stays aligned.
	leaf, err := d.base.reader.LeafAt(ctx, below-1)
	if err != nil {
		return fmt.Errorf("read a file: %w", err)
	}
	if leaf.IsHole() {
		return nil
	}
	return d.touch(ctx, below-1)
}

// touch makes the chunk that holds off a part of what is written anew.
func (d *draft) touch(ctx context.Context, off int64) error {
	_, err := d.cellAt(ctx, off)
	return err
}

// leafList collects the leaves of a draft with what becomes of them, or, of a leaf
// that gets a patch, of that: nil for a hole.
type leafList struct {
	leaves []filetree.Leaf
	parts  []*stored
	inline int64 // sealed bytes of patches that come with the commit's request
}

func (l *leafList) add(off, n int64, st *stored) {
	leaf := filetree.Leaf{Off: off, Len: n}
	if st == nil {
		leaf.Ref = filetree.Ref{Level: filetree.LevelChunk, Size: uint64(n)}
	}
	l.leaves, l.parts = append(l.leaves, leaf), append(l.parts, st)
}

// cut drops the leaves from off on.
func (l *leafList) cut(off int64) {
	n := len(l.leaves)
	for n > 0 && l.leaves[n-1].Off >= off {
		n--
	}
	l.leaves, l.parts = l.leaves[:n], l.parts[:n]
}

// leaves seals and sends what is not stored yet.
func (d *draft) leaves(ctx context.Context) (*leafList, error) {
	l, end := new(leafList), int64(0) // end of what leaves or the base provide so far
	gap := func(to int64) {
		// Where the base was cut, a hole takes its place.
		if from := max(end, d.below()); from < min(to, d.base.size) && d.cut > 0 {
			l.add(from, to-from, nil)
		}
	}
	for _, c := range d.cells {
		if c.off >= d.size {
			break
		}
		gap(c.off)
		end = min(c.off+c.span, d.size)
		begin, err := d.runOf(ctx, c, end)
		if err != nil {
			return nil, err
		}
		if begin < c.off {
			l.cut(begin)
		} else if tail := d.tail(c, end-c.off); tail > 0 {
			begin += tail
		}
		for off := begin; off < end; {
			n := min(end-off, max(d.grid, c.span))
			if err := d.leaf(ctx, l, c, off, n); err != nil {
				return nil, err
			}
			off += n
		}
	}
	gap(d.size)
	return l, nil
}

// leaf makes n bytes from off, which lie in c or begin before it, a leaf: what is there
// with a patch, or a chunk.
func (d *draft) leaf(ctx context.Context, l *leafList, c *cell, off, n int64) error {
	leaf, holds, err := d.patchOver(ctx, c, off, n)
	if err != nil {
		return err
	}
	if holds == nil {
		st, err := d.sealRange(ctx, c, off, n)
		if err == nil {
			l.add(off, n, st)
		}
		return err
	}
	st, err := d.sealPatch(ctx, c, leaf, holds, &l.inline)
	if err != nil {
		return err
	}
	leaf.Patch = holds.patch()
	l.leaves, l.parts = append(l.leaves, leaf), append(l.parts, st)
	return nil
}

// runOf tells where the short chunks begin that a file which grew in small steps
// ends in, if together with what is written now, which ends at end, they fill a
// chunk and become one; else where c begins.
func (d *draft) runOf(ctx context.Context, c *cell, end int64) (int64, error) {
	if d.aligned || c.own != nil || d.cut < d.base.size || c.off >= d.base.size || end <= d.base.size {
		return c.off, nil
	}
	begin := c.off
	for begin > 0 && end-begin < 2*d.grid {
		leaf, err := d.base.reader.LeafAt(ctx, begin-1)
		if err != nil {
			return 0, fmt.Errorf("read a file: %w", err)
		}
		if leaf.IsHole() || leaf.Len >= d.grid {
			break
		}
		begin = leaf.Off
	}
	if end-begin < d.grid {
		return c.off, nil
	}
	return begin, nil
}

// tail tells how many bytes of a cell's beginning can stay as they are in the
// base: where a file only grew, its last short chunk is not written again but
// followed by another, as long as both don't fill a chunk (law 7).
func (d *draft) tail(c *cell, n int64) int64 {
	old := d.base.size - c.off
	if c.own != nil || d.base.reader == nil || d.cut < d.base.size || old < frameSize || old >= n || n == c.span {
		return 0
	}
	for i, fr := range c.frames {
		if fr != nil && len(fr.spans) > 0 {
			if int64(i)*frameSize+fr.spans[0].off < old {
				return 0
			}
			return old
		}
	}
	return 0
}

// sealRange returns n bytes from off as a chunk, nil if they are all zeros. They
// lie in c, or begin before it.
func (d *draft) sealRange(ctx context.Context, c *cell, off, n int64) (*stored, error) {
	if c.own != nil && c.filled == 0 && off == c.off && c.keep == n && c.own.size() == n {
		return c.own, nil
	}
	seal := d.sealer(off+n == d.size)
	if filetree.SealedLen(seal.PaddedLen(n)) <= int64(d.fs.o.InlineBlock) {
		plain := make([]byte, n)
		if err := d.read(ctx, plain, off); err != nil {
			return nil, err
		}
		if isZero(plain) {
			return nil, nil
		}
		return d.sealHere(ctx, seal, plain)
	}
	if hole, err := d.isHole(ctx, c, off, n); err != nil || hole {
		return nil, err
	}
	room, err := d.reserve(ctx, n)
	if err != nil {
		return nil, err
	}
	st := &stored{done: make(chan struct{})}
	d.filling.Add(1)
	d.send(n, st, seal, func() ([][]byte, func(), error) {
		defer d.filling.Done()
		return d.fill(ctx, c, off, n)
	}, room)
	return st, nil
}

// fill reads n bytes from off, and gives what takes their memory back. It runs
// beside others of its kind, as long as a commit holds the file's lock.
func (d *draft) fill(ctx context.Context, c *cell, off, n int64) (plain [][]byte, free func(), err error) {
	switch is, err := d.changes(ctx, c, off, n); {
	case err != nil:
		return nil, nil, err
	case is:
		buf := d.fs.buffers.chunk(filetree.RunRoom(n))
		room := filetree.NewRoom(buf)
		plain, err := d.change(ctx, c, n, room)
		return plain, func() {
			if !room.Lost() {
				d.fs.buffers.freeChunk(buf)
			}
		}, err
	}
	plain, err = d.fillFrames(ctx, off, n)
	return plain, func() { d.fs.buffers.freeFrames(plain) }, err
}

// fillFrames reads n bytes from off into frames.
func (d *draft) fillFrames(ctx context.Context, off, n int64) ([][]byte, error) {
	plain := make([][]byte, 0, (n+frameSize-1)/frameSize)
	for end := off + n; off < end; off += frameSize {
		fr := d.fs.buffers.frame(int(min(frameSize, end-off)))[:min(frameSize, end-off)]
		plain = append(plain, fr)
		if err := d.read(ctx, fr, off); err != nil {
			return plain, err
		}
	}
	return plain, nil
}

// changes reports whether n bytes from off are one chunk of the base of which c
// changes less than half.
func (d *draft) changes(ctx context.Context, c *cell, off, n int64) (bool, error) {
	if c.own != nil || off != c.off || c.filled > n/2 || d.base.reader == nil || off+n > d.below() {
		return false, nil
	}
	leaf, err := d.base.reader.LeafAt(ctx, off)
	if err != nil {
		return false, fmt.Errorf("read a file: %w", err)
	}
	return leaf.Off == off && leaf.Len == n && !leaf.Ref.IsHole(), nil
}

// change reads the chunk of n bytes below c, into room if that can be, and puts over
// it what was written.
func (d *draft) change(ctx context.Context, c *cell, n int64, room *filetree.Room) ([][]byte, error) {
	plain, err := d.base.reader.Take(ctx, c.off, room)
	if err != nil {
		return nil, fmt.Errorf("read a file: %w", err)
	}
	size := int64(len(plain[0]))
	err = d.each(c, 0, n, func(off int64, b []byte) {
		for len(b) > 0 {
			m := copy(plain[off/size][off%size:], b)
			b, off = b[m:], off+int64(m)
		}
	})
	return plain, err
}

// isHole reports whether a cell that nobody wrote to shows nothing but a hole,
// so that it needs no chunk.
func (d *draft) isHole(ctx context.Context, c *cell, off, n int64) (bool, error) {
	if c.filled > 0 || off < c.off || c.own != nil && c.keep > off-c.off {
		return false, nil
	}
	if c.own != nil || off >= d.below() {
		return true, nil
	}
	if d.base.reader == nil {
		return false, nil
	}
	leaf, err := d.base.reader.LeafAt(ctx, off)
	if err != nil {
		return false, fmt.Errorf("read a file: %w", err)
	}
	return leaf.IsHole() && leaf.End() >= min(off+n, d.below()), nil
}
