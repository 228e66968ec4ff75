package filetree

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// chunk is what is at hand of one chunk: its checked head and the plaintexts of
// some of its cells. A cell is what a frame of FrameSize holds; a wide frame
// fills several. Cells are added by one goroutine at a time, so that readers
// that want the same one ask the source once.
type chunk struct {
	ref   Ref
	limit int64 // chunk size of the tree

	lock   chan struct{} // one token; who holds it may write the fields below
	opener *opener       // nil before the head is at hand
	cells  [][]byte      // plaintexts without padding, by number
	have   cellSet       // i is in it: cells[i] is set, and won't change
}

// cost is what a chunk without plaintexts takes in memory, in bytes, roughly.
func (c *chunk) cost() int64 { return 1024 + 64*int64(len(c.cells)) }

func newChunk(ref Ref, limit int64) *chunk {
	return &chunk{ref: ref, limit: limit, lock: make(chan struct{}, 1), cells: make([][]byte, cellCount(int64(ref.Size)))}
}

// cellCount is the number of cells that hold n plaintext bytes, at most maxFrames.
func cellCount(n int64) int { return int(ceilDiv(n, blockstore.FrameSize)) }

// cellSet is a set of cell numbers that grows. One goroutine at a time adds.
type cellSet [maxFrames / 64]atomic.Uint64

func (s *cellSet) has(i int) bool { return s[i/64].Load()>>(i%64)&1 == 1 }

func (s *cellSet) add(i int) { s[i/64].Store(s[i/64].Load() | 1<<(i%64)) }

// holds reports whether cells first to last are there.
func (c *chunk) holds(first, last int) bool {
	for i := first; i <= last; i++ {
		if !c.have.has(i) {
			return false
		}
	}
	return true
}

// copyTo fills p from byte off; the cells that it touches are held.
func (c *chunk) copyTo(p []byte, off int64) {
	for len(p) > 0 {
		i, at := off/blockstore.FrameSize, off%blockstore.FrameSize
		n := copy(p, c.cells[i][at:])
		p, off = p[n:], off+int64(n)
	}
}

// load makes cells first to last available, and with ahead all that follow as
// far as they are sound, in one request. It returns how many bytes of memory
// that took for good.
func (c *chunk) load(ctx context.Context, src Source, first, last int, ahead bool) (int64, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return 0, fmt.Errorf("filetree: read chunk %v: %w", c.ref.ID, ctx.Err())
	}
	if c.holds(first, last) {
		return 0, nil
	}
	for c.have.has(first) {
		first++
	}
	need := last
	if ahead {
		last = len(c.cells) - 1
	}
	for last > need && c.have.has(last) {
		last--
	}
	added, err := c.loadFrom(ctx, src, first, last, need)
	if again := reread(ctx, src, &c.ref, err); again != nil {
		var more int64
		more, err = c.loadFrom(ctx, again, first, last, need)
		added += more
	}
	return added, err
}

// loadFrom is load from one copy of the chunk.
func (c *chunk) loadFrom(ctx context.Context, src Source, first, last, need int) (int64, error) {
	sealed, from, err := c.fetch(ctx, src, first, last)
	if err != nil {
		return 0, err
	}
	return c.open(sealed, from, first, last, need)
}

// fetch gets the sealed frames of cells first to last and, if it isn't at hand,
// the head. sealed begins at byte from of the block.
func (c *chunk) fetch(ctx context.Context, src Source, first, last int) (sealed []byte, from int64, err error) {
	if c.opener != nil {
		return c.fetchFrames(ctx, src, first, last)
	}
	// Wrong only if the tail is padded or the frames are wide. Then the frames
	// lie elsewhere, and what the guess asked for may lie past the end.
	guess := blockstore.ChunkHeader(int(c.ref.Size))
	from, n := frameRange(guess, first, last)
	if first == 0 {
		from, n = 0, from+n
		if sealed, err = readUpTo(ctx, src, c.ref.ID, guess.ChunkSize(), from, n); err == nil {
			err = c.setHead(ctx, src, sealed)
		}
	} else {
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() error {
			head, err := readUpTo(gctx, src, c.ref.ID, guess.ChunkSize(), 0, guess.HeadSize())
			if err != nil {
				return err
			}
			return c.setHead(gctx, src, head)
		})
		g.Go(func() (err error) {
			sealed, err = readUpTo(gctx, src, c.ref.ID, guess.ChunkSize(), from, n)
			return err
		})
		err = g.Wait()
	}
	if err != nil {
		return nil, 0, err
	}
	if h := c.opener.h; h.Len1 != guess.Len1 || h.FrameLog != guess.FrameLog {
		return c.fetchFrames(ctx, src, first, last)
	}
	return sealed, from, checkRead(c.ref.ID, sealed, from, n)
}

// fetchFrames gets the sealed frames of cells first to last of a chunk whose
// head is at hand.
func (c *chunk) fetchFrames(ctx context.Context, src Source, first, last int) ([]byte, int64, error) {
	from, n := frameRange(c.opener.h, first, last)
	sealed, err := readRange(ctx, src, c.ref.ID, c.opener.h.ChunkSize(), from, n)
	return sealed, from, err
}

// frameOf is the number of the frame that holds a cell.
func frameOf(h blockstore.Header, cell int) int {
	return cell >> (h.FrameLog - blockstore.FrameLog)
}

// frameRange is where the frames that hold cells first to last lie in a block.
func frameRange(h blockstore.Header, first, last int) (from, n int64) {
	from, _ = h.Frame(frameOf(h, first))
	off, n := h.Frame(frameOf(h, last))
	return from, off + n - from
}

// setHead checks the head that begins block and keeps it. A padded chunk may
// have a longer head than its reference lets expect.
func (c *chunk) setHead(ctx context.Context, src Source, block []byte) error {
	h, err := blockstore.ParseHeader(block)
	if err != nil {
		return fmt.Errorf("block %v: %w", c.ref.ID, err)
	}
	if err := checkLength(c.ref, c.limit, h); err != nil {
		return err
	}
	if int64(len(block)) < h.HeadSize() {
		if block, err = readRange(ctx, src, c.ref.ID, h.ChunkSize(), 0, h.HeadSize()); err != nil {
			return err
		}
	}
	c.opener, err = newOpener(c.ref, c.limit, block)
	return err
}

// open checks and decrypts the frames of cells first to last where they lie in
// sealed, of which those up to cell need must be sound; one that isn't is an
// error when it is needed. sealed counts as a whole if anything in it is kept.
func (c *chunk) open(sealed []byte, from int64, first, last, need int) (added int64, err error) {
	h := c.opener.h
	for i := frameOf(h, first); i <= frameOf(h, last); i++ {
		begin := int64(i) * h.FrameSize()
		end := min(begin+h.FrameSize(), int64(c.ref.Size))
		cell := int(begin / blockstore.FrameSize)
		if c.holds(cell, int((end-1)/blockstore.FrameSize)) {
			continue
		}
		off, n := h.Frame(i)
		frame := sealed[off-from : off-from+n]
		plain, err := c.opener.frame(i, frame[:0], frame)
		if err != nil && cell <= need {
			return added, err
		}
		if err == nil {
			c.keep(plain[:end-begin], cell)
			added = int64(cap(sealed))
		}
	}
	return added, nil
}

// keep adds the plaintext of one frame, which begins with the cell of that number.
func (c *chunk) keep(plain []byte, cell int) {
	for ; len(plain) > 0; cell++ {
		n := min(len(plain), blockstore.FrameSize)
		if !c.have.has(cell) {
			c.cells[cell] = plain[:n]
			c.have.add(cell)
		}
		plain = plain[n:]
	}
}

// readWhole checks and decrypts a whole chunk into p, which has its size, and
// keeps nothing.
func readWhole(ctx context.Context, src Source, ref Ref, limit int64, p []byte) error {
	err := readWholeFrom(ctx, src, ref, limit, p)
	if again := reread(ctx, src, &ref, err); again != nil {
		return readWholeFrom(ctx, again, ref, limit, p)
	}
	return err
}

// readWholeFrom is readWhole from one copy of the chunk.
func readWholeFrom(ctx context.Context, src Source, ref Ref, limit int64, p []byte) error {
	c := newChunk(ref, limit)
	sealed, from, err := c.fetch(ctx, src, 0, len(c.cells)-1)
	if err != nil {
		return err
	}
	h := c.opener.h
	for i := range frameOf(h, len(c.cells)-1) + 1 {
		lo := i * int(h.FrameSize())
		hi := min(lo+int(h.FrameSize()), len(p))
		off, n := h.Frame(i)
		out, err := c.opener.frame(i, p[lo:lo:hi], sealed[off-from:off-from+n])
		if err != nil {
			return err
		}
		copy(p[lo:hi], out) // no move, unless padding made the frame longer than p
	}
	return nil
}

// readRange gets exactly n bytes of a block.
func readRange(ctx context.Context, src Source, id blockstore.ID, total, off, n int64) ([]byte, error) {
	data, err := readUpTo(ctx, src, id, total, off, n)
	if err != nil {
		return nil, err
	}
	return data, checkRead(id, data, off, n)
}

// readUpTo gets n bytes of a block, fewer if it ends earlier.
func readUpTo(ctx context.Context, src Source, id blockstore.ID, total, off, n int64) ([]byte, error) {
	data, err := src.ChunkRange(ctx, id, total, off, n)
	if err != nil {
		return nil, sourceErr(id, err)
	}
	return data, nil
}

func checkRead(id blockstore.ID, data []byte, off, n int64) error {
	if int64(len(data)) != n {
		return corruptf(id, "gave %d bytes of the %d from offset %d", len(data), n, off)
	}
	return nil
}

// sourceErr makes a block that is missing Corrupt: who reads a file must not be
// told that the file doesn't exist.
func sourceErr(id blockstore.ID, err error) error {
	if errors.Is(err, kind.NotExist) {
		return corruptf(id, "is missing (%v)", err)
	}
	return fmt.Errorf("filetree: block %v: %w", id, err)
}
