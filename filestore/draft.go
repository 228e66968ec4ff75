package filestore

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// draft is what has been written to an open file since its last commit. It is
// guarded by the file's mu.
//
// Dirty bytes lie in cells, which are the units that a commit writes: chunks of
// the base, or, past its end, chunks of the same grid. In a cell, frames of 64
// KiB hold what was written; the rest shows what lies below. A cell that a
// stream has filled is sealed and stored at once.
type draft struct {
	f     *openFile // that it belongs to; nil: an object's, which is no open file
	fs    *FS
	owner slotID // of the blocks that it makes
	payer *Tree  // whose quota counts; nil: none

	replaces bool // an object's: it may take the place of one as large

	base base

	size    int64
	cut     int64 // bytes of the base from here on are gone
	least   int64 // the smallest size that was set
	sized   bool  // a size was set: a commit gives this one, whatever the base's has become
	grid    int64 // size of a cell
	aligned bool  // cells lie at multiples of grid; else where the base's leaves are
	cells   []*cell
	appends spans // what was written at the then end, wherever that was

	folded spans          // what was written and is a part of the base now, see fold
	links  []metastore.ID // the blocks that those are, and the nodes above them

	unshared bool // every key is random, whatever the tree's policy
	hopes    bool // the contents made last bring chunks that somebody else may bring first

	frames []*frame // in memory, the oldest first; some may have been freed
	mem    int64    // bytes of those

	lease   *lease
	room    int64               // of flight
	flight  *semaphore.Weighted // plaintext bytes being stored
	flights sync.WaitGroup
	filling sync.WaitGroup        // of those, the ones that still read the draft for a commit
	failure atomic.Pointer[error] // of a block that could not be stored
	ctx     context.Context
	cancel  context.CancelFunc
}

// cell is one unit of a draft.
type cell struct {
	off, span int64
	own       *stored // what a stream filled it with; nil: the base is below
	keep      int64   // bytes of own that count; past them zeros
	frames    []*frame
	filled    int64 // bytes in the frames' spans
}

// noCut is the cut of a draft whose size was never set.
const noCut = math.MaxInt64

// leastRoom is how many bytes of sealed blocks one file may always have on their way
// to the blockstore, as far as all together may.
const leastRoom = 6 << 20

// maxSize is the largest file, in bytes.
const maxSize = math.MaxInt64 / 2

// newDraft begins a draft over the file's base.
func (f *openFile) newDraft(ctx context.Context) (*draft, error) {
	d := f.fs.emptyDraft(f.owner)
	d.f, d.base, d.size = f, f.base, f.base.size
	if f.base.reader != nil {
		var err error
		if d.grid, d.aligned, err = f.base.reader.Grid(ctx, f.fs.o.ChunkSize); err != nil {
			d.cancel()
			return nil, fmt.Errorf("read a file: %w", err)
		}
	}
	f.fs.open.mu.Lock()
	d.payer = f.tree
	f.fs.open.mu.Unlock()
	d.room = max(f.fs.o.FlightBytes/3, leastRoom, 2*d.grid)
	d.flight = semaphore.NewWeighted(d.room)
	return d, nil
}

// emptyDraft begins a draft over nothing.
func (fs *FS) emptyDraft(owner slotID) *draft {
	d := &draft{fs: fs, owner: owner, cut: noCut, least: noCut, grid: int64(fs.o.ChunkSize), aligned: true}
	d.room = max(fs.o.FlightBytes/3, leastRoom, 2*d.grid)
	d.flight = semaphore.NewWeighted(d.room)
	d.ctx, d.cancel = context.WithCancel(fs.ctx)
	return d
}

// below is how many bytes of the base show.
func (d *draft) below() int64 { return min(d.base.size, d.cut) }

// find returns the position of the first cell that ends after off.
func (d *draft) find(off int64) int {
	i, _ := slices.BinarySearchFunc(d.cells, off, func(c *cell, off int64) int {
		if c.off+c.span <= off {
			return -1
		}
		return 1
	})
	return i
}

// cellAt returns the cell that holds off, a new one if need be.
func (d *draft) cellAt(ctx context.Context, off int64) (*cell, error) {
	i := d.find(off)
	if i < len(d.cells) && d.cells[i].off <= off {
		return d.cells[i], nil
	}
	begin, n, err := d.unit(ctx, off)
	if err != nil {
		return nil, err
	}
	c := &cell{off: begin, span: n}
	i, _ = slices.BinarySearchFunc(d.cells, begin, func(c *cell, off int64) int { return cmp.Compare(c.off, off) })
	d.cells = slices.Insert(d.cells, i, c)
	return c, nil
}

// unit tells which bytes make the cell that holds off.
func (d *draft) unit(ctx context.Context, off int64) (begin, n int64, err error) {
	if d.aligned {
		return off - off%d.grid, d.grid, nil
	}
	unit, err := d.base.reader.UnitAt(ctx, d.fs.o.ChunkSize, off)
	if err == nil && off < d.base.size && unit.End() == d.base.size {
		// The last chunk may grow to a whole cell.
		var grown filetree.Leaf
		grown, err = d.base.reader.UnitAt(ctx, d.fs.o.ChunkSize, d.base.size)
		if grown.Off <= off {
			unit = grown
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read a file: %w", err)
	}
	return unit.Off, unit.Len, nil
}

// write copies p to off.
func (d *draft) write(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 || off > maxSize-int64(len(p)) {
		return 0, fmt.Errorf("write at %d: %w", off, kind.TooLarge)
	}
	if err := d.grow(ctx, off+int64(len(p))); err != nil {
		return 0, err
	}
	done := 0
	for done < len(p) {
		if err := d.failed(); err != nil {
			return done, err
		}
		// A spool that is full refuses more before memory takes it.
		if err := d.shrink(); err != nil {
			return done, err
		}
		c, err := d.cellAt(ctx, off)
		if err != nil {
			return done, err
		}
		at := off - c.off
		n := int(min(int64(len(p)-done), c.span-at))
		if err := d.writeCell(ctx, c, p[done:done+n], at); err != nil {
			return done, err
		}
		done += n
		off += int64(n)
		d.size = max(d.size, off)
		if c.filled == c.span && at+int64(n) == c.span {
			if err := d.stream(ctx, c); err != nil {
				return done, err
			}
		}
		if err := d.shrink(); err != nil {
			return done, err
		}
	}
	return done, nil
}

// setSize cuts or grows the file.
func (d *draft) setSize(ctx context.Context, n int64) error {
	if n < 0 || n > maxSize {
		return fmt.Errorf("a size of %d bytes: %w", n, kind.TooLarge)
	}
	if err := d.grow(ctx, n); err != nil {
		return err
	}
	if n < d.below() && n > 0 {
		// The chunk that the new end cuts has to be written anew.
		begin, _, err := d.unit(ctx, n)
		if err != nil {
			return err
		}
		if begin < n {
			if _, err := d.cellAt(ctx, n); err != nil {
				return err
			}
		}
	}
	i := d.find(n)
	for _, c := range d.cells[i:] {
		d.cutCell(c, n-c.off)
	}
	keep := d.cells[:i]
	if i < len(d.cells) && d.cells[i].off < n {
		keep = d.cells[:i+1]
	}
	clear(d.cells[len(keep):])
	d.cells = keep
	d.appends, _ = d.appends.cut(n)
	d.folded, _ = d.folded.cut(n)
	d.size, d.sized, d.cut, d.least = n, true, min(d.cut, n), min(d.least, n)
	if n == 0 {
		d.grid, d.aligned = int64(d.fs.o.ChunkSize), true
		if d.f != nil {
			d.f.replaces = true
		}
	}
	return nil
}

// cutCell drops what lies at byte n of c and after.
func (d *draft) cutCell(c *cell, n int64) {
	n = max(n, 0)
	c.keep = min(c.keep, n)
	for i, fr := range c.frames {
		if fr == nil {
			continue
		}
		in := n - int64(i)*frameSize
		if in <= 0 {
			for _, s := range fr.spans {
				c.filled -= s.end - s.off
			}
			d.free(fr)
			c.frames[i] = nil
			continue
		}
		var lost int64
		fr.spans, lost = fr.spans.cut(in)
		c.filled -= lost
	}
}

// drop gives everything back that the draft holds.
func (d *draft) drop() {
	d.cancel()
	for _, c := range d.cells {
		for _, fr := range c.frames {
			d.free(fr)
		}
	}
	d.cells, d.frames = nil, nil
	if l := d.lease; l != nil {
		d.lease = nil
		d.fs.work.Go(func() {
			d.flights.Wait()
			d.fs.writer.release(l)
		})
	}
}

// fail keeps the first error of a block that could not be stored: every later
// write and the commit answer it.
func (d *draft) fail(err error) { d.failure.CompareAndSwap(nil, &err) }

func (d *draft) failed() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}
