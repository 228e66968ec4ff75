package filestore

import (
	"context"
	"fmt"
)

// read fills p from off, all of which lies in the file.
func (d *draft) read(ctx context.Context, p []byte, off int64) error {
	i := d.find(off)
	for len(p) > 0 {
		n := int64(len(p))
		switch {
		case i == len(d.cells) || d.cells[i].off >= off+n:
			return d.readBelow(ctx, p, off)
		case d.cells[i].off > off:
			n = d.cells[i].off - off
			if err := d.readBelow(ctx, p[:n], off); err != nil {
				return err
			}
		default:
			c := d.cells[i]
			n = min(n, c.off+c.span-off)
			if err := d.readCell(ctx, c, p[:n], off-c.off); err != nil {
				return err
			}
			i++
		}
		p, off = p[n:], off+n
	}
	return nil
}

// readBelow fills p from the base as far as it shows, and with zeros.
func (d *draft) readBelow(ctx context.Context, p []byte, off int64) error {
	n := min(int64(len(p)), max(0, d.below()-off))
	clear(p[n:])
	if n == 0 {
		return nil
	}
	if err := d.base.readAt(ctx, p[:n], off); err != nil {
		return fmt.Errorf("read a file: %w", err)
	}
	return nil
}

// readCell fills p from byte at of a cell.
func (d *draft) readCell(ctx context.Context, c *cell, p []byte, at int64) error {
	if !c.covers(at, at+int64(len(p))) {
		if err := d.readUnder(ctx, c, p, at); err != nil {
			return err
		}
	}
	return d.each(c, at, at+int64(len(p)), func(off int64, b []byte) { copy(p[off-at:], b) })
}

// each gives what was written to c from byte at to end, piece by piece.
func (d *draft) each(c *cell, at, end int64, f func(off int64, b []byte)) error {
	for i := at / frameSize; i < int64(len(c.frames)) && i*frameSize < end; i++ {
		fr := c.frames[i]
		if fr == nil || len(fr.spans) == 0 {
			continue
		}
		begin := i * frameSize
		give := func(off int64, b []byte) {
			if lo, hi := max(off, at-begin), min(off+int64(len(b)), end-begin); lo < hi {
				f(begin+lo, b[lo-off:hi-off])
			}
		}
		if fr.spilled {
			if err := d.eachSpilled(fr, give); err != nil {
				return err
			}
			continue
		}
		for _, s := range fr.spans {
			fr.each(s.off, s.end, give)
		}
	}
	return nil
}

// eachSpilled gives the spans of a frame that lies in the spool.
func (d *draft) eachSpilled(fr *frame, f func(off int64, b []byte)) error {
	room := d.fs.buffers.frame(fr.at.n)
	defer d.fs.buffers.freeFrame(room)
	packed, err := d.fs.spool.read(room, fr.at)
	if err != nil {
		return err
	}
	for _, s := range fr.spans {
		f(s.off, packed[:s.end-s.off])
		packed = packed[s.end-s.off:]
	}
	return nil
}

// covers reports whether all of c from byte at to end was written.
func (c *cell) covers(at, end int64) bool {
	if c.filled == c.span {
		return true
	}
	for at < end {
		i := at / frameSize
		if i >= int64(len(c.frames)) || c.frames[i] == nil {
			return false
		}
		stop := min(end, (i+1)*frameSize)
		if !c.frames[i].spans.covers(at-i*frameSize, stop-i*frameSize) {
			return false
		}
		at = stop
	}
	return true
}

// readUnder fills p from what lies below a cell's frames.
func (d *draft) readUnder(ctx context.Context, c *cell, p []byte, at int64) error {
	if c.own == nil {
		return d.readBelow(ctx, p, c.off+at)
	}
	n := min(int64(len(p)), max(0, c.keep-at))
	clear(p[n:])
	if n == 0 {
		return nil
	}
	return c.own.readAt(ctx, d.fs, p[:n], at)
}
