package filestore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// op is one change of directories on its way through the committer.
type op struct {
	// apply evaluates the operation's conditions against working copies of
	// the directories and then changes them. It runs anew at every attempt,
	// so it must leave nothing behind but what it tells the batch; it must
	// not take the lock of an open file.
	apply func(ctx context.Context, b *batch) error

	// won, if set, is called once after the commit, under the lock of the
	// registry of open files and before anybody sees the new version.
	won func()

	through *Tree  // that it came through; nil: none
	root    slotID // that it makes, without a tree
	mixed   bool   // trees of several roots have brought it
	files   int64  // entries that the last attempt has made, less those removed
	bytes   int64  // of their files

	object   bool      // it knows of versions: what is locked may get a newer one
	alone    bool      // must not share a request
	tries    int       // attempts that lost
	attempts []attempt // attempts with an unknown outcome
	err      error
	done     chan struct{}
}

func (o *op) finish(err error) {
	o.err = err
	close(o.done)
}

// attempt is a request whose outcome is unknown, by one of its records:
// either all of them are in slotlog or none.
type attempt []Mark

// committer is the one place where directories change: it applies all queued
// operations, in the order in which they came, to working copies of their
// directories, and commits them by one call. While that is in flight more
// collect. The goroutine that finds it idle does the work itself, so that a
// lone operation waits for nobody.
type committer struct {
	fs *FS

	mu     sync.Mutex // guards the fields below
	queue  []*op
	busy   bool
	closed bool
	idle   sync.Cond // signalled when busy turns false
	late   int       // operations waiting for their next attempt
}

func newCommitter(fs *FS) *committer {
	c := &committer{fs: fs}
	c.idle.L = &c.mu
	return c
}

const (
	maxTries = 40 // attempts of one operation, about ten seconds
	// commitTimeout bounds one transaction, so that a metastore that hangs
	// can't hold every writer for ever.
	commitTimeout = time.Minute
)

// do runs one operation and returns when it is durable, or has failed. A
// context that ends takes it back as long as no attempt has begun.
func (c *committer) do(ctx context.Context, o *op) error { return c.doAll(ctx, []*op{o})[0] }

// doAll is do of several, which are queued at once; it gives an error for each.
func (c *committer) doAll(ctx context.Context, ops []*op) []error {
	errs := make([]error, len(ops))
	if len(ops) == 0 {
		return errs
	}
	lead, err := c.enqueue(ctx, ops)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	if lead {
		c.lead(ops[len(ops)-1])
	}
	for i, o := range ops {
		errs[i] = c.wait(ctx, o)
	}
	return errs
}

// enqueue queues operations, and tells whether the caller is to lead.
func (c *committer) enqueue(ctx context.Context, ops []*op) (lead bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for _, o := range ops {
		o.done = make(chan struct{})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, fmt.Errorf("commit: %w", kind.Closed)
	}
	c.queue = append(c.queue, ops...)
	lead = !c.busy
	c.busy = true
	return lead, nil
}

// wait returns when an operation is durable or has failed.
func (c *committer) wait(ctx context.Context, o *op) error {
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	if c.withdraw(o) {
		return ctx.Err()
	}
	<-o.done
	return o.err
}

// withdraw takes o out of the queue, if it still waits there for its first attempt.
func (c *committer) withdraw(o *op) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q == o && o.tries == 0 {
			c.queue = append(c.queue[:i:i], c.queue[i+1:]...)
			return true
		}
	}
	return false
}

// lead works until own is done, and leaves the rest to a goroutine.
func (c *committer) lead(own *op) {
	for c.step() {
		select {
		case <-own.done:
			go c.drain()
			return
		default:
		}
	}
}

func (c *committer) drain() {
	for c.step() {
	}
}

// step takes what is queued through one round. It reports false, and is idle
// then, if there was nothing.
func (c *committer) step() bool {
	c.mu.Lock()
	ops := c.queue
	c.queue = nil
	if len(ops) == 0 {
		c.busy = false
		c.idle.Broadcast()
		c.mu.Unlock()
		return false
	}
	c.mu.Unlock()
	again := c.round(ops)
	c.mu.Lock()
	c.queue = append(again, c.queue...)
	if len(c.queue) == 0 {
		c.busy = false
		c.idle.Broadcast()
		c.mu.Unlock()
		return false
	}
	c.mu.Unlock()
	return true
}

// close waits for the operations at hand and refuses others.
func (c *committer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.busy || c.late > 0 {
		c.idle.Wait()
	}
}

// slotID is short for the id of a slot.
type slotID = metastore.SlotID
