package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// writer stores the blocks of drafts: their rows first, then their bytes
// (formats 10, steps 1 and 2).
//
// The blocks of many open files belong to one draft of the metastore, a lease,
// so that files that are closed together can share a request. It is replaced
// from time to time, so that what was dropped is collected soon.
type writer struct {
	fs     *FS
	flight *semaphore.Weighted // sealed bytes on their way

	inFlight atomic.Int64 // how many those are
	sharing

	mu       sync.Mutex // guards the fields below
	current  *lease
	leases   map[*lease]bool
	rows     []*row // waiting to be registered
	register bool   // a goroutine is registering
}

// lease is a draft in the metastore's sense.
type lease struct {
	id         metastore.DraftID
	users      int
	born       time.Time
	registered bool
	lapsed     bool
}

// row is a block whose row is to be written before its bytes.
type row struct {
	lease *lease
	rows  []metastore.BlockRow
	done  chan struct{}
	err   error
}

func newWriter(fs *FS) *writer {
	return &writer{fs: fs, flight: semaphore.NewWeighted(fs.o.FlightBytes), leases: make(map[*lease]bool)}
}

// acquire returns the lease that a file's new blocks belong to.
func (w *writer) acquire() *lease {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.fs.now()
	if c := w.current; c == nil || c.lapsed || now.Sub(c.born) > w.fs.o.Lease {
		w.current = &lease{born: now}
		rand.Read(w.current.id[:])
		w.leases[w.current] = true
		if c != nil && c.users == 0 {
			w.end(c)
		}
	}
	w.current.users++
	return w.current
}

// release tells that a file has committed or dropped what it put under l.
func (w *writer) release(l *lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.users--
	if l.users == 0 && l != w.current {
		w.end(l)
	}
}

// end drops a lease that nobody uses any more, off the path of who noticed.
// Failing that, it lapses.
func (w *writer) end(l *lease) {
	delete(w.leases, l)
	if !l.registered {
		return
	}
	w.fs.work.Go(func() {
		ctx, cancel := context.WithTimeout(w.fs.ctx, commitTimeout)
		defer cancel()
		_ = w.fs.o.Meta.EndDraft(ctx, l.id)
	})
}

// lapse makes the leases at hand useless.
func (w *writer) lapse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.leases {
		l.lapsed = true
	}
	w.current = nil
}

// close ends all leases.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.leases {
		if l.registered {
			ctx, cancel := context.WithTimeout(w.fs.ctx, 5*time.Second)
			_ = w.fs.o.Meta.EndDraft(ctx, l.id)
			cancel()
		}
	}
	clear(w.leases)
}

// put registers a block under l and stores it. When it returns nil the block is
// durable.
func (w *writer) put(ctx context.Context, l *lease, owner slotID, b filetree.Block) error {
	rows := []metastore.BlockRow{{ID: metastore.ID(b.ID), Len: int64(len(b.Data)), Owner: owner}}
	if err := w.enter(ctx, l, rows); err != nil {
		return err
	}
	err := retry.Do(ctx, func() error { return blockstore.PutFresh(ctx, w.fs.o.Blocks, b.ID, b.Data) })
	if err != nil {
		return fmt.Errorf("store a block: %w", err)
	}
	return nil
}

// enter writes rows under l, together with those that others want to write at
// the same time. Without rows it makes sure that l is registered.
func (w *writer) enter(ctx context.Context, l *lease, rows []metastore.BlockRow) error {
	r := &row{lease: l, rows: rows, done: make(chan struct{})}
	w.mu.Lock()
	if l.lapsed {
		w.mu.Unlock()
		return errLapsed()
	}
	w.rows = append(w.rows, r)
	lead := !w.register
	w.register = true
	w.mu.Unlock()
	if lead {
		w.enterAll(r)
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("register a block: %w", ctx.Err())
	}
}

func errLapsed() error {
	return fmt.Errorf("the draft's lease has lapsed: %w", kind.Unavailable)
}

// enterAll registers what waits until own is done, and leaves the rest to a
// goroutine.
func (w *writer) enterAll(own *row) {
	for {
		w.mu.Lock()
		waiting := w.rows
		w.rows = nil
		if len(waiting) == 0 {
			w.register = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.enterBatch(waiting)
		select {
		case <-own.done:
			w.fs.work.Go(func() { w.enterAll(&row{done: make(chan struct{})}) })
			return
		default:
		}
	}
}

func (w *writer) enterBatch(waiting []*row) {
	ctx, cancel := context.WithTimeout(w.fs.ctx, commitTimeout)
	defer cancel()
	for len(waiting) > 0 {
		l := waiting[0].lease
		var mine, others []*row
		var rows []metastore.BlockRow
		for _, r := range waiting {
			if r.lease == l {
				mine, rows = append(mine, r), append(rows, r.rows...)
			} else {
				others = append(others, r)
			}
		}
		taken, err := w.registerRows(ctx, l, rows)
		w.mu.Lock()
		l.registered = true
		w.mu.Unlock()
		for _, r := range mine {
			r.err = err
			for _, row := range r.rows {
				if taken[row.ID] {
					r.err = fmt.Errorf("register a block: %w", kind.Conflict)
				}
			}
			close(r.done)
		}
		waiting = others
	}
}

// registerRows writes rows, trying again where the outcome is unknown, and tells
// which ids have a row of somebody else's: those of convergent blocks may.
func (w *writer) registerRows(ctx context.Context, l *lease, rows []metastore.BlockRow) (taken map[metastore.ID]bool, err error) {
	for try := 1; ; try++ {
		err := retry.Do(ctx, func() error { return w.fs.o.Meta.Register(ctx, w.fs.o.Gateway, l.id, rows) })
		if !errors.Is(err, kind.Conflict) || try > maxTries {
			if err != nil {
				err = fmt.Errorf("register blocks: %w", err)
			}
			return taken, err
		}
		left, others, err := w.unregistered(ctx, l, rows)
		if err != nil {
			return nil, err
		}
		if taken == nil {
			taken = others
		} else {
			maps.Copy(taken, others)
		}
		if len(left) == 0 && len(rows) > 0 {
			return taken, nil
		}
		rows = left
	}
}

// unregistered looks which of rows are there: what an attempt with an unknown
// outcome has written belongs to l, the rest is somebody else's.
func (w *writer) unregistered(ctx context.Context, l *lease, rows []metastore.BlockRow) (left []metastore.BlockRow, taken map[metastore.ID]bool, err error) {
	ids := make([]metastore.ID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	now, err := retry.Value(ctx, func() ([]metastore.Block, error) { return w.fs.o.Meta.Blocks(ctx, ids) })
	if err != nil {
		return nil, nil, fmt.Errorf("look up blocks: %w", err)
	}
	taken = make(map[metastore.ID]bool)
	for i, b := range now {
		switch {
		case b.State == 0:
			left = append(left, rows[i])
		case b.State != metastore.BlockNew || b.Draft != l.id:
			taken[b.ID] = true
		}
	}
	return left, taken, nil
}

// registered makes sure that l is known to the metastore.
func (w *writer) registered(ctx context.Context, l *lease) error {
	w.mu.Lock()
	is := l.registered
	w.mu.Unlock()
	if is {
		return nil
	}
	return w.enter(ctx, l, nil)
}
