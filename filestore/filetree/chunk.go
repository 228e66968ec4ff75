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
// some of its frames. Frames are added by one goroutine at a time, so that
// readers that want the same one ask the source once.
type chunk struct {
	ref   Ref
	limit int64 // chunk size of the tree

	lock   chan struct{} // one token; who holds it may write the fields below
	opener *opener       // nil before the head is at hand
	frames [][]byte      // plaintexts without padding, by number
	have   atomic.Uint64 // bit i: frames[i] is set, and won't change
}

// cost is what a chunk without plaintexts takes in memory, in bytes, roughly.
func (c *chunk) cost() int64 { return 1024 + 64*int64(len(c.frames)) }

func newChunk(ref Ref, limit int64) *chunk {
	return &chunk{ref: ref, limit: limit, lock: make(chan struct{}, 1), frames: make([][]byte, frameCount(int64(ref.Size)))}
}

// frameCount is the number of frames that hold n plaintext bytes, at most 64.
func frameCount(n int64) int { return int(ceilDiv(n, blockstore.FrameSize)) }

// frameMask has the bits of frames first to last.
func frameMask(first, last int) uint64 {
	return ^uint64(0) >> (63 - uint(last-first)) << uint(first)
}

func (c *chunk) holds(mask uint64) bool { return c.have.Load()&mask == mask }

// copyTo fills p from byte off; the frames that it touches are held.
func (c *chunk) copyTo(p []byte, off int64) {
	for len(p) > 0 {
		i, at := off/blockstore.FrameSize, off%blockstore.FrameSize
		n := copy(p, c.frames[i][at:])
		p, off = p[n:], off+int64(n)
	}
}

// load makes frames first to last available, and with ahead all that follow as
// far as they are sound, in one request. It returns how many bytes of memory
// that took for good.
func (c *chunk) load(ctx context.Context, src Source, first, last int, ahead bool) (int64, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return 0, fmt.Errorf("filetree: read chunk %v: %w", c.ref.ID, ctx.Err())
	}
	if c.holds(frameMask(first, last)) {
		return 0, nil
	}
	for c.have.Load()>>uint(first)&1 == 1 {
		first++
	}
	need := last
	if ahead {
		last = len(c.frames) - 1
	}
	for last > need && c.have.Load()>>uint(last)&1 == 1 {
		last--
	}
	sealed, from, err := c.fetch(ctx, src, first, last)
	if err != nil {
		return 0, err
	}
	return c.open(sealed, from, first, last, need)
}

// fetch gets the sealed frames first to last and, if it isn't at hand, the
// head. sealed begins at byte from of the block.
func (c *chunk) fetch(ctx context.Context, src Source, first, last int) (sealed []byte, from int64, err error) {
	if c.opener != nil {
		return c.fetchFrames(ctx, src, c.opener.h, first, last)
	}
	guess := blockstore.ChunkHeader(int(c.ref.Size)) // wrong only if the tail is padded
	if first == 0 {
		off, n := guess.Frame(last)
		sealed, err = readRange(ctx, src, c.ref.ID, guess.ChunkSize(), 0, off+n)
		if err != nil {
			return nil, 0, err
		}
		err = c.setHead(ctx, src, sealed)
	} else {
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() error {
			head, err := readRange(gctx, src, c.ref.ID, guess.ChunkSize(), 0, guess.HeadSize())
			if err != nil {
				return err
			}
			return c.setHead(gctx, src, head)
		})
		g.Go(func() (err error) {
			sealed, from, err = c.fetchFrames(gctx, src, guess, first, last)
			return err
		})
		err = g.Wait()
	}
	if err != nil {
		return nil, 0, err
	}
	if c.opener.h.Len1 != guess.Len1 { // padded: the frames lie elsewhere, or the last is longer
		return c.fetchFrames(ctx, src, c.opener.h, first, last)
	}
	return sealed, from, nil
}

func (c *chunk) fetchFrames(ctx context.Context, src Source, h blockstore.Header, first, last int) ([]byte, int64, error) {
	from, _ := h.Frame(first)
	off, n := h.Frame(last)
	sealed, err := readRange(ctx, src, c.ref.ID, h.ChunkSize(), from, off+n-from)
	return sealed, from, err
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

// open checks and decrypts frames first to last out of sealed, of which those
// up to need must be sound; one that isn't is an error when it is needed. Their
// plaintexts share one buffer, which counts as a whole if any is kept.
func (c *chunk) open(sealed []byte, from int64, first, last, need int) (added int64, err error) {
	h := c.opener.h
	begin := int64(first) * blockstore.FrameSize
	plain := make([]byte, min(int64(last+1)*blockstore.FrameSize, int64(h.Len1))-begin)
	for i := first; i <= last; i++ {
		if c.have.Load()>>uint(i)&1 == 1 {
			continue
		}
		off, n := h.Frame(i)
		lo := int64(i)*blockstore.FrameSize - begin
		hi := min(lo+blockstore.FrameSize, int64(len(plain)))
		_, err := c.opener.frame(i, plain[lo:lo:hi], sealed[off-from:off-from+n])
		if err != nil && i <= need {
			return added, err
		}
		if err == nil {
			c.frames[i] = plain[lo:min(hi, int64(c.ref.Size)-begin)]
			c.have.Store(c.have.Load() | 1<<uint(i))
			added = int64(len(plain))
		}
	}
	return added, nil
}

// readWhole checks and decrypts a whole chunk into p, which has its size, and
// keeps nothing.
func readWhole(ctx context.Context, src Source, ref Ref, limit int64, p []byte) error {
	c := newChunk(ref, limit)
	sealed, from, err := c.fetch(ctx, src, 0, len(c.frames)-1)
	if err != nil {
		return err
	}
	for i := range c.frames {
		lo := i * blockstore.FrameSize
		hi := min(lo+blockstore.FrameSize, len(p))
		off, n := c.opener.h.Frame(i)
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
	data, err := src.ChunkRange(ctx, id, total, off, n)
	if err != nil {
		return nil, sourceErr(id, err)
	}
	if int64(len(data)) != n {
		return nil, corruptf(id, "gave %d bytes of the %d from offset %d", len(data), n, off)
	}
	return data, nil
}

// sourceErr makes a block that is missing Corrupt: who reads a file must not be
// told that the file doesn't exist.
func sourceErr(id blockstore.ID, err error) error {
	if errors.Is(err, kind.NotExist) {
		return corruptf(id, "is missing (%v)", err)
	}
	return fmt.Errorf("filetree: block %v: %w", id, err)
}
