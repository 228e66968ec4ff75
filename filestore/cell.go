package filestore

import "context"

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
		if err := d.hold(fr, int(in+n)); err != nil {
			return err
		}
		copy(fr.buf[in:], p[:n])
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
	begin, end := fr.spans[0].off, fr.spans[len(fr.spans)-1].end
	whole := make([]byte, end-begin)
	if err := d.readCell(ctx, c, whole, int64(i)*frameSize+begin); err != nil {
		return err
	}
	copy(fr.buf[begin:], whole)
	var added int64
	fr.spans, added = fr.spans.add(begin, end)
	c.filled += added
	return nil
}

// hold brings a frame into memory, with room for n bytes.
func (d *draft) hold(fr *frame, n int) error {
	if fr.spilled {
		n = max(n, fr.at.n)
	}
	if fr.buf != nil && len(fr.buf) >= n {
		return nil
	}
	buf := d.fs.buffers.frame(n)
	switch {
	case fr.spilled:
		if _, err := d.fs.spool.read(buf, fr.at); err != nil {
			d.fs.buffers.freeFrame(buf)
			return err
		}
		d.fs.spool.release(fr.at)
		fr.spilled = false
		d.frames = append(d.frames, fr)
	case fr.buf != nil:
		copy(buf, fr.buf)
		d.account(-len(fr.buf))
	default:
		d.frames = append(d.frames, fr)
	}
	fr.buf = buf
	d.account(len(buf))
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
	if fr.buf != nil {
		d.account(-len(fr.buf))
		d.fs.buffers.freeFrame(fr.buf)
		fr.buf = nil
	}
	if fr.spilled {
		d.fs.spool.release(fr.at)
		fr.spilled = false
	}
	fr.spans = nil
}

// shrink spills frames, the oldest first, while the draft or all drafts
// together hold too many bytes.
func (d *draft) shrink(ctx context.Context) error {
	for d.mem > d.fs.o.DraftBytes || d.mem > 0 && d.fs.dirty.Load() > d.fs.o.DirtyBytes {
		var fr *frame
		for fr == nil || fr.buf == nil {
			if len(d.frames) == 0 {
				return nil
			}
			fr, d.frames = d.frames[0], d.frames[1:]
		}
		n := 0
		for _, s := range fr.spans {
			n = int(s.end)
		}
		at, err := d.fs.spool.write(fr.buf[:n])
		if err != nil {
			d.frames = append(d.frames, fr)
			return err
		}
		d.account(-len(fr.buf))
		d.fs.buffers.freeFrame(fr.buf)
		fr.buf, fr.at, fr.spilled = nil, at, true
	}
	return nil
}
