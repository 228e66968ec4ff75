package filestore

import (
	"context"
	"math/bits"
	"slices"
)

// writeCell copies p, which lies in c wholly, to byte at of it.
func (d *draft) writeCell(ctx context.Context, c *cell, p []byte, at int64) error {
	if c.frames == nil {
		c.frames = make([]*frame, (c.span+frameSize-1)/frameSize)
	}
	for len(p) > 0 {
		i, in := at/frameSize, at%frameSize
		n := min(int64(len(p)), frameSize-in)
		fr := c.frames[i]
		if fr == nil {
			fr = new(frame)
			c.frames[i] = fr
		}
		if err := d.hold(fr, in, in+n, false); err != nil {
			return err
		}
		fr.put(p[:n], in)
		var added int64
		fr.spans, added = fr.spans.add(in, in+n)
		c.filled += added
		if len(fr.spans) > maxSpans {
			if err := d.mend(ctx, c, int(i)); err != nil {
				return err
			}
		}
		p, at = p[n:], at+n
	}
	return nil
}

// mend fills the gaps between the runs of a frame from below.
func (d *draft) mend(ctx context.Context, c *cell, i int) error {
	fr := c.frames[i]
	begin, end := fr.spans[0].off, fr.end()
	whole := make([]byte, end-begin)
	if err := d.readCell(ctx, c, whole, int64(i)*frameSize+begin); err != nil {
		return err
	}
	if err := d.hold(fr, begin, end, false); err != nil {
		return err
	}
	fr.put(whole, begin)
	var added int64
	fr.spans, added = fr.spans.add(begin, end)
	c.filled += added
	return nil
}

// hold brings what was written to a frame into memory, with room for the bytes
// from off to end: in one piece if they go on from its begin, if more than half
// of its pages are needed, or if whole says so.
func (d *draft) hold(fr *frame, off, end int64, whole bool) error {
	if !fr.spilled && fr.has(off, end) && (fr.pages == nil || !whole) {
		return nil
	}
	need := fr.pagesFor(off, end)
	whole = whole || fr.pages == nil && off <= fr.end() || bits.OnesCount16(need) > framePages/2
	if fr.pages != nil && !whole {
		n := fr.bytes()
		d.fs.buffers.addPages(fr, need)
		d.account(fr.bytes() - n)
		return nil
	}
	next := frame{spans: fr.spans}
	if whole {
		next.buf = d.fs.buffers.frame(int(max(end, fr.end())))
	} else {
		d.fs.buffers.addPages(&next, need)
	}
	if err := d.move(&next, fr); err != nil {
		d.fs.buffers.free(&next)
		return err
	}
	if fr.bytes() == 0 {
		d.remember(fr)
	}
	d.account(next.bytes() - fr.bytes())
	d.fs.buffers.free(fr)
	*fr = next
	return nil
}

// remember adds a frame to those in memory. Who writes and cuts in turn leaves many
// behind that are not: they go when the list would have to grow.
func (d *draft) remember(fr *frame) {
	if len(d.frames) == cap(d.frames) {
		d.frames = slices.DeleteFunc(d.frames, func(fr *frame) bool { return fr.bytes() == 0 })
	}
	d.frames = append(d.frames, fr)
}

// move copies what was written to fr into the memory of next, and gives its room
// in the spool back.
func (d *draft) move(next, fr *frame) error {
	if !fr.spilled {
		for _, s := range fr.spans {
			fr.each(s.off, s.end, func(off int64, b []byte) { next.put(b, off) })
		}
		return nil
	}
	if err := d.eachSpilled(fr, func(off int64, b []byte) { next.put(b, off) }); err != nil {
		return err
	}
	d.fs.spool.release(fr.at)
	return nil
}

func (d *draft) account(n int) {
	d.mem += int64(n)
	d.fs.dirty.Add(int64(n))
}

// free gives the room of a frame back.
func (d *draft) free(fr *frame) {
	if fr == nil {
		return
	}
	d.account(-fr.bytes())
	d.fs.buffers.free(fr)
	if fr.spilled {
		d.fs.spool.release(fr.at)
	}
	*fr = frame{}
}

// shrink spills frames, the oldest first, while the draft or all drafts
// together hold too many bytes.
func (d *draft) shrink() error {
	for d.mem > d.fs.o.DraftBytes || d.mem > 0 && d.fs.dirty.Load() > d.fs.o.DirtyBytes {
		var fr *frame
		for fr == nil || fr.bytes() == 0 {
			if len(d.frames) == 0 {
				return nil
			}
			fr, d.frames = d.frames[0], d.frames[1:]
		}
		if err := d.spill(fr); err != nil {
			d.frames = append(d.frames, fr)
			return err
		}
	}
	return nil
}

// spill moves what was written to a frame to the spool.
func (d *draft) spill(fr *frame) error {
	n := int64(0)
	for _, s := range fr.spans {
		n += s.end - s.off
	}
	room := d.fs.buffers.frame(int(n))
	defer d.fs.buffers.freeFrame(room)
	packed := room[:0]
	for _, s := range fr.spans {
		fr.each(s.off, s.end, func(_ int64, b []byte) { packed = append(packed, b...) })
	}
	at, err := d.fs.spool.write(packed)
	if err != nil {
		return err
	}
	d.account(-fr.bytes())
	d.fs.buffers.free(fr)
	fr.at, fr.spilled = at, true
	return nil
}
