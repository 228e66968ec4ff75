package filestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// stored is a chunk of a draft that is on its way to the blockstore, or there.
type stored struct {
	ref   filetree.Ref    // valid after done
	block *filetree.Block // sealed, small enough to come with the commit's request
	here  []byte          // its plaintext, if it is to be kept at hand; of a patch valid after done
	err   error           // valid after done
	done  chan struct{}

	mu    sync.RWMutex // guards plain
	plain [][]byte     // frame by frame, until the block is durable; then nil
}

// readAt fills p from byte off of the chunk.
func (st *stored) readAt(ctx context.Context, fs *FS, p []byte, off int64) error {
	st.mu.RLock()
	if st.plain != nil {
		for len(p) > 0 {
			n := copy(p, st.plain[off/frameSize][off%frameSize:])
			p, off = p[n:], off+int64(n)
		}
		st.mu.RUnlock()
		return nil
	}
	st.mu.RUnlock()
	<-st.done // closed before plain went
	if st.err != nil {
		return st.err
	}
	r := filetree.NewReader(blocks{fs.source}, st.ref, fs.fileCache)
	if _, err := r.ReadAt(ctx, p, off); err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	return nil
}

// wait returns when the chunk is durable, or why it isn't.
func (st *stored) wait(ctx context.Context) error {
	select {
	case <-st.done:
		return st.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stream seals a cell that was filled from its begin to its end, and stores it
// while the client goes on sending. It waits only while too many bytes of this
// file, or of all, are on their way.
func (d *draft) stream(ctx context.Context, c *cell) error {
	room, err := d.reserve(ctx, c.span)
	if err != nil {
		return err // the frames stay: a commit will store them
	}
	plain, err := d.take(c)
	if err != nil {
		room()
		return err
	}
	c.own = &stored{done: make(chan struct{}), plain: plain}
	d.send(c.span, c.own, d.sealer(false), func() ([][]byte, func(), error) {
		return plain, func() { d.fs.buffers.freeFrames(plain) }, nil
	}, room)
	c.keep, c.filled, c.frames = c.span, 0, nil
	if len(d.frames) > 256 {
		d.frames = slices.DeleteFunc(d.frames, func(fr *frame) bool { return fr.bytes() == 0 })
	}
	return d.fold(ctx)
}

// reserve waits until n more bytes may be on their way to the blockstore, and
// returns what gives that room back.
func (d *draft) reserve(ctx context.Context, n int64) (room func(), err error) {
	all := d.fs.writer.flight
	mine, ours := min(n, d.room), min(n, d.fs.o.FlightBytes)
	if err := d.flight.Acquire(ctx, mine); err != nil {
		return nil, err
	}
	if err := all.Acquire(ctx, ours); err != nil {
		d.flight.Release(mine)
		return nil, err
	}
	d.fs.writer.inFlight.Add(n)
	return func() {
		d.fs.writer.inFlight.Add(-n)
		all.Release(ours)
		d.flight.Release(mine)
	}, nil
}

// take takes the frames of a filled cell out of the draft.
func (d *draft) take(c *cell) ([][]byte, error) {
	for i, fr := range c.frames {
		if err := d.hold(fr, 0, min(frameSize, c.span-int64(i)*frameSize), true); err != nil {
			return nil, err
		}
	}
	plain := make([][]byte, len(c.frames))
	for i, fr := range c.frames {
		plain[i] = fr.buf[:min(frameSize, c.span-int64(i)*frameSize)]
		d.account(-len(fr.buf))
		fr.buf, fr.spans = nil, nil
	}
	return plain, nil
}

// send has n bytes sealed and stored by another goroutine, which owns the pieces
// that fill gives, has their memory freed, and gives the room back.
func (d *draft) send(n int64, st *stored, seal filetree.Sealer, fill func() (plain [][]byte, free func(), err error), room func()) {
	w := d.fs.writer
	if d.lease == nil {
		d.lease = w.acquire()
	}
	l, owner, streamed := d.lease, d.owner, st.plain != nil
	d.flights.Add(1)
	d.fs.work.Go(func() {
		defer d.flights.Done()
		defer room()
		plain, free, err := fill()
		if free == nil {
			free = func() {}
		}
		done := sync.OnceFunc(free)
		sealed := done
		if streamed {
			sealed = func() {} // they are read until the block is durable
		}
		if err == nil {
			err = st.store(d.ctx, w, l, owner, seal, plain, n, sealed)
		}
		if st.err = err; err != nil && streamed {
			d.fail(err) // the draft hasn't these bytes any more
		}
		close(st.done)
		st.mu.Lock()
		st.plain = nil
		st.mu.Unlock()
		done()
	})
}

// store seals n bytes and stores them; sealed is told when plain isn't needed any more.
func (st *stored) store(ctx context.Context, w *writer, l *lease, owner slotID, seal filetree.Sealer, plain [][]byte, n int64, sealed func()) error {
	buf := w.fs.buffers.chunk(filetree.SealedLen(seal.PaddedLen(n)))
	defer w.fs.buffers.freeChunk(buf)
	b, key, err := seal.SealPieces(buf, plain)
	if err == nil && convergent(seal) {
		if err = w.share(ctx, l, owner, b); !errors.Is(err, errTaken) {
			st.ref = chunkRef(b.ID, key, n)
			return err
		}
		b, key, err = unshared(seal).SealPieces(buf, plain)
	}
	if err != nil {
		return err
	}
	sealed()
	st.ref = chunkRef(b.ID, key, n)
	return w.put(ctx, l, owner, b)
}

// sealHere seals a small chunk that will come with the commit's request, unless
// it is there already.
func (d *draft) sealHere(ctx context.Context, seal filetree.Sealer, plain []byte) (*stored, error) {
	st := &stored{done: make(chan struct{})}
	close(st.done)
	b, key, err := seal.Seal(nil, plain)
	if err == nil && convergent(seal) {
		var there bool
		switch there, err = d.fs.writer.shared(ctx, b); {
		case err == nil && there:
			st.ref = chunkRef(b.ID, key, int64(len(plain)))
			return st, nil
		case err == nil:
			d.hopes = true // that nobody else brings it before the commit does
		case errors.Is(err, errTaken):
			b, key, err = unshared(seal).Seal(nil, plain)
		}
	}
	if err != nil {
		return nil, err
	}
	st.block, st.here, st.ref = &b, plain, chunkRef(b.ID, key, int64(len(plain)))
	return st, nil
}
