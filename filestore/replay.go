package filestore

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// replay writes what was written to old over d, which has another base: ranges
// to where they were, what was appended to the end that there is now, and a
// size that was set.
func (d *draft) replay(ctx context.Context, old *draft) error {
	if old.least < d.size {
		if err := d.setSize(ctx, old.least); err != nil {
			return err
		}
	}
	d.cut, d.least, d.sized = min(d.cut, old.least), old.least, old.sized
	appended := old.appends
	if old.sized {
		appended = nil // the end was set, so appends are where they are
	}
	var last int64 // the end of what was written in place
	for _, run := range old.written() {
		for _, part := range run.without(appended) {
			if err := d.copyFrom(ctx, old, part, part.off); err != nil {
				return err
			}
			last = max(last, part.end)
		}
	}
	for _, run := range appended {
		if err := d.copyFrom(ctx, old, run, d.size); err != nil {
			return err
		}
		d.appends, _ = d.appends.add(d.size-(run.end-run.off), d.size)
	}
	if old.sized && d.size != old.size {
		return d.setSize(ctx, old.size)
	}
	return nil
}

// copyFrom writes the bytes that old has in a run to off.
func (d *draft) copyFrom(ctx context.Context, old *draft, run span, off int64) error {
	buf := make([]byte, min(run.end-run.off, 256<<10))
	for at := run.off; at < run.end; {
		n := min(int64(len(buf)), run.end-at)
		if err := old.read(ctx, buf[:n], at); err != nil {
			return err
		}
		if _, err := d.write(ctx, buf[:n], off); err != nil {
			return err
		}
		at, off = at+n, off+n
	}
	return nil
}

// written lists what was written and not cut off since, ascending.
func (d *draft) written() spans {
	all := slices.Clone(d.folded)
	for _, c := range d.cells {
		if c.own != nil && c.keep > 0 {
			all, _ = all.add(c.off, c.off+c.keep)
		}
		for i, fr := range c.frames {
			if fr == nil {
				continue
			}
			begin := c.off + int64(i)*frameSize
			for _, s := range fr.spans {
				all, _ = all.add(begin+s.off, begin+s.end)
			}
		}
	}
	return all
}

// without is what of s lies outside of cuts.
func (s span) without(cuts spans) spans {
	var out spans
	at := s.off
	for _, c := range cuts {
		if c.end <= at || c.off >= s.end {
			continue
		}
		if c.off > at {
			out = append(out, span{at, c.off})
		}
		at = c.end
	}
	if at < s.end {
		out = append(out, span{at, s.end})
	}
	return out
}

// rebase puts the draft over another base: what was written, in place, on the
// current version (formats 8). It is called with mu held.
func (f *openFile) rebase(ctx context.Context, e *dirtree.Entry) error {
	old := f.draft
	f.setBase(e)
	if old == nil {
		return nil
	}
	d, err := f.newDraft(ctx)
	if err != nil {
		return err
	}
	if err := d.replay(ctx, old); err != nil {
		d.drop()
		return err
	}
	old.drop()
	f.draft = d
	f.size.Store(d.size)
	return nil
}
