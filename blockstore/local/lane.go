package local

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	// batchSize is what one write takes at most: a record of the largest size.
	batchSize = (maxRecord + page - 1) / page * page

	// batchShare is what several records may take together: two blocks of 1 MiB and
	// some small ones. Of the buffers, only so much is ever touched, and is memory in
	// use, as long as there are no larger blocks.
	batchShare = 2<<20 + 128<<10
)

// lane is one active segment and the goroutine that writes to it. While one
// batch is written and flushed, the next is filled by the callers.
type lane struct {
	store   *Store
	pending atomic.Int64 // bytes given to append and not yet durable

	mu      sync.Mutex // guards the fields below
	changed sync.Cond  // on mu: whatever a waiter may wait for has happened
	open    *batch     // is being filled
	spare   []byte     // the buffer that isn't
	roll    bool       // a block is waiting for another segment
	rolls   uint64     // how often another segment was sought
	rollErr error      // why the last of these found none
	closing bool
	done    chan struct{} // closed when the goroutine has ended
}

// batch is what one write and one flush make durable.
type batch struct {
	seg     *segment
	base    int64 // where it goes in the segment, a multiple of page
	buf     []byte
	n       int64
	entries []entry
	filling sync.WaitGroup
	done    chan struct{} // closed when the fields below are final
	err     error
	dead    map[int]place // by entry: the record that a tombstone deleted
}

// newLane starts a lane on a segment that has room.
func newLane(s *Store, seg *segment) (*lane, error) {
	l := &lane{store: s, done: make(chan struct{})}
	l.changed.L = &l.mu
	var bufs [2][]byte
	for i := range bufs {
		b, err := unix.Mmap(-1, 0, batchSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return nil, fmt.Errorf("local: memory for writing: %w: %w", kind.Unavailable, err)
		}
		bufs[i] = b
	}
	l.spare = bufs[1]
	l.open = &batch{seg: seg, base: seg.end, buf: bufs[0], done: make(chan struct{})}
	go l.run()
	return l, nil
}

// append makes a record durable and applies it to the index; of a tombstone it
// gives the record that it deleted. Before it has a place in a batch, it gives
// up when ctx ends; after that it stays.
func (l *lane) append(ctx context.Context, e entry, body []byte) (dead place, err error) {
	l.pending.Add(e.size())
	defer l.pending.Add(-e.size())
	b, i, err := l.reserve(ctx, &e)
	if err != nil {
		return place{}, err
	}
	at := e.offset() - b.base
	l.store.sums.encode(b.buf[at:at+e.size()], b.seg.num, e, body)
	b.filling.Done()
	<-b.done
	return b.dead[i], b.err
}

// reserve finds e a place in the open batch, as its entry i.
func (l *lane) reserve(ctx context.Context, e *entry) (b *batch, i int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var stop func() bool
	for rolls := l.rolls; !l.fits(*e); {
		switch {
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case l.rolls > rolls && l.rollErr != nil:
			return nil, 0, l.rollErr
		case stop == nil:
			stop = context.AfterFunc(ctx, l.wake)
			defer stop()
		}
		if e.n != tombstone && !l.below(*e) {
			l.roll = true
			l.changed.Broadcast()
		}
		l.changed.Wait()
	}
	b, i = l.open, len(l.open.entries)
	e.off = uint32((b.base + b.n) / unit)
	b.n += e.size()
	b.entries = append(b.entries, *e)
	b.filling.Add(1)
	if i == 0 {
		l.changed.Broadcast()
	}
	return b, i, nil
}

func (l *lane) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// fits reports whether e can go to the open batch.
func (l *lane) fits(e entry) bool {
	room := l.open.n == 0 || l.open.n+e.size() <= batchShare
	return room && (e.n == tombstone || l.below(e))
}

// below reports whether e would end where the segment may hold blocks.
func (l *lane) below(e entry) bool {
	return l.open.base+l.open.n+e.size() <= l.open.seg.limit
}

// run writes one batch after the other until the lane is closed and empty.
func (l *lane) run() {
	defer close(l.done)
	for {
		b := l.next()
		if b == nil {
			return
		}
		if b.n > 0 {
			l.write(b)
		}
		l.mu.Lock()
		l.spare = b.buf
		retired := l.open.seg != b.seg
		l.changed.Broadcast()
		l.mu.Unlock()
		if retired {
			l.store.keeper.seal(b.seg)
		}
	}
}

// next waits until there is something to write, or another segment is wanted,
// and opens a new batch in place of the one it returns, which is empty in the
// second case; nil if the lane is closed.
func (l *lane) next() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open.n == 0 && !l.roll {
		if l.closing {
			return nil
		}
		l.changed.Wait()
	}
	var fresh *segment
	if l.roll {
		l.mu.Unlock()
		seg, err := l.store.newSegment()
		l.mu.Lock()
		fresh, l.roll, l.rollErr = seg, false, nil
		l.rolls++
		if err != nil {
			l.rollErr = fmt.Errorf("no new segment: %w: %w", kindOfWrite(err), err)
		}
	}
	b := l.open
	following := &batch{seg: b.seg, base: b.base + roundUp(b.n, page), buf: l.spare, done: make(chan struct{})}
	if fresh != nil {
		following.seg, following.base = fresh, fresh.end
	}
	l.open, l.spare = following, nil
	l.changed.Broadcast()
	return b
}

// write makes b durable and applies it, or fails all of it. What follows a
// failure goes to another segment.
func (l *lane) write(b *batch) {
	b.filling.Wait()
	size := roundUp(b.n, page)
	clear(b.buf[b.n:size])
	err := l.store.disk.write(b.seg.f, b.buf[:size], b.base)
	if err == nil {
		err = l.store.disk.sync(b.seg.f)
	}
	if err == nil {
		err = l.store.keeps(b.seg)
	}
	if err != nil {
		l.fail(b, err)
	} else {
		l.apply(b)
	}
	close(b.done)
}

func (l *lane) apply(b *batch) {
	for i, e := range b.entries {
		b.seg.add(e)
		if dead, ok := l.store.index.apply(b.seg.num, e); ok {
			if b.dead == nil {
				b.dead = map[int]place{}
			}
			b.dead[i] = dead
		}
	}
}

func (l *lane) fail(b *batch, err error) {
	for _, e := range b.entries {
		l.store.index.failed(e)
	}
	b.err = fmt.Errorf("write: %w: %w", kindOfWrite(err), err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roll = true
}

// retire moves on to another segment, so that the active one gets sealed.
func (l *lane) retire(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer context.AfterFunc(ctx, l.wake)()
	for rolls := l.rolls; l.rolls == rolls; l.changed.Wait() {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.roll = true
		l.changed.Broadcast()
	}
	return l.rollErr
}

// active gives the segment that is written to now.
func (l *lane) active() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open.seg
}

// close writes what is left, ends the goroutine, and gives the active segment.
// No append may be under way or follow.
func (l *lane) close() *segment {
	l.mu.Lock()
	l.closing = true
	l.roll = false
	l.changed.Broadcast()
	l.mu.Unlock()
	<-l.done
	seg := l.open.seg
	_ = unix.Munmap(l.open.buf)
	_ = unix.Munmap(l.spare)
	return seg
}
