package filestore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// stored is a chunk of a draft that is on its way to the blockstore, or there.
type stored struct {
	ref   filetree.Ref    // valid after done
	block *filetree.Block // sealed, small enough to come with the commit's request
	err   error           // valid after done
	done  chan struct{}

	mu    sync.RWMutex // guards plain
	plain []byte       // until the block is durable; then nil
}

// readAt fills p from byte off of the chunk.
func (st *stored) readAt(ctx context.Context, fs *FS, p []byte, off int64) error {
	st.mu.RLock()
	if st.plain != nil {
		copy(p, st.plain[off:])
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
	st, err := d.send(ctx, c.span, func(plain []byte) error { return d.gather(c, plain) })
	if err != nil {
		return err
	}
	for _, fr := range c.frames {
		d.free(fr)
	}
	c.own, c.keep, c.filled, c.frames = st, c.span, 0, nil
	if len(d.frames) > 256 {
		d.frames = slices.DeleteFunc(d.frames, func(fr *frame) bool { return fr.buf == nil })
	}
	return nil
}

// send has n bytes, which fill gives, sealed and stored by another goroutine.
func (d *draft) send(ctx context.Context, n int64, fill func(plain []byte) error) (*stored, error) {
	w := d.fs.writer
	mine, all := min(n, d.room), min(n, d.fs.o.FlightBytes)
	if err := d.flight.Acquire(ctx, mine); err != nil {
		return nil, err
	}
	if err := w.flight.Acquire(ctx, all); err != nil {
		d.flight.Release(mine)
		return nil, err
	}
	free := func() {
		w.flight.Release(all)
		d.flight.Release(mine)
	}
	st := &stored{done: make(chan struct{}), plain: d.fs.buffers.chunk(n)}
	if err := fill(st.plain); err != nil {
		free()
		return nil, err
	}
	if d.lease == nil {
		d.lease = w.acquire()
	}
	l, owner := d.lease, d.f.owner
	d.flights.Add(1)
	go func() {
		defer d.flights.Done()
		defer free()
		st.err = st.store(d.ctx, w, l, owner)
		if st.err != nil {
			d.fail(st.err)
		}
		close(st.done)
		st.mu.Lock()
		plain := st.plain
		st.plain = nil
		st.mu.Unlock()
		d.fs.buffers.freeChunk(plain)
	}()
	return st, nil
}

func (st *stored) store(ctx context.Context, w *writer, l *lease, owner slotID) error {
	buf := w.fs.buffers.chunk(filetree.SealedLen(int64(len(st.plain))))
	defer w.fs.buffers.freeChunk(buf)
	b, key, err := filetree.SealChunk(buf, st.plain)
	if err != nil {
		return err
	}
	st.ref = filetree.Ref{ID: b.ID, Key: key, Level: filetree.LevelChunk, Size: uint64(len(st.plain))}
	return w.put(ctx, l, owner, b)
}

// sealHere seals a small chunk that will come with the commit's request.
func sealHere(plain []byte) (*stored, error) {
	b, key, err := filetree.SealChunk(nil, plain)
	if err != nil {
		return nil, err
	}
	st := &stored{block: &b, done: make(chan struct{})}
	st.ref = filetree.Ref{ID: b.ID, Key: key, Level: filetree.LevelChunk, Size: uint64(len(plain))}
	close(st.done)
	return st, nil
}

// gather copies what was written of a filled cell.
func (d *draft) gather(c *cell, plain []byte) error {
	for i, fr := range c.frames {
		part := plain[i*frameSize : min((i+1)*frameSize, len(plain))]
		if fr.spilled {
			if _, err := d.fs.spool.read(part, fr.at); err != nil {
				return err
			}
			continue
		}
		copy(part, fr.buf)
	}
	return nil
}
