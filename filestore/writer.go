package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

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
	err := retry.Do(ctx, func() error { return w.fs.o.Blocks.Put(ctx, b.ID, b.Data) })
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
		err := w.registerRows(ctx, l, rows)
		w.mu.Lock()
		l.registered = true
		w.mu.Unlock()
		for _, r := range mine {
			r.err = err
			close(r.done)
		}
		waiting = others
	}
}

// registerRows writes rows, trying again where the outcome is unknown.
func (w *writer) registerRows(ctx context.Context, l *lease, rows []metastore.BlockRow) error {
	unknown := false
	err := retry.Do(ctx, func() error {
		err := w.fs.o.Meta.Register(ctx, w.fs.o.Gateway, l.id, rows)
		if unknown && errors.Is(err, kind.Conflict) {
			// The ids are hashes of blocks under random keys, nobody else has
			// them: the attempt before has written them.
			return nil
		}
		unknown = unknown || errors.Is(err, kind.Unavailable)
		return err
	})
	if err != nil {
		return fmt.Errorf("register blocks: %w", err)
	}
	return nil
}
