package filestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// round makes one attempt at each operation and returns those that must be
// tried again at once.
func (c *committer) round(ops []*op) (again []*op) {
	ctx, cancel := context.WithTimeout(c.fs.ctx, commitTimeout)
	defer cancel()
	b := newBatch(c.fs)
	if err := c.fs.buckets.current(ctx); err != nil {
		for _, o := range ops {
			c.retry(b, o, err)
		}
		return b.again
	}
	for _, o := range ops {
		if settled := c.settle(ctx, o); settled {
			continue
		}
		b.run(ctx, o)
	}
	groups, reqs := b.requests(ctx)
	if len(reqs) > 0 {
		began := time.Now()
		errs := c.fs.o.Meta.Commit(ctx, reqs...)
		c.tell(time.Since(began), groups, errs)
		for i, g := range groups {
			c.outcome(ctx, b, g, errs[i])
		}
	}
	return append(b.again, b.later...)
}

// tell reports a transaction to whoever watches.
func (c *committer) tell(took time.Duration, groups []*group, errs []error) {
	if c.fs.o.Committed == nil {
		return
	}
	changes, refused := 0, []kind.Kind(nil)
	for i, g := range groups {
		changes += len(g.ops)
		if errs[i] != nil {
			refused = append(refused, kind.Of(errs[i]))
		}
	}
	c.fs.o.Committed(took, changes, refused)
}

// outcome answers the operations of one request, or has them tried again.
func (c *committer) outcome(ctx context.Context, b *batch, g *group, err error) {
	if err == nil {
		c.publish(b, g)
		return
	}
	k := kind.Of(err)
	unknown := k == kind.Unavailable
	switch {
	case k == kind.Canceled: // nothing was applied
		g.finish(fmt.Errorf("commit: %w: %w", kind.Unavailable, err))
		return
	case unknown:
		a := g.attempt()
		for _, o := range g.ops {
			o.attempts = append(o.attempts, a)
		}
	case k == kind.NoSpace && len(g.all()) > 1:
		// Which of them has no room shows when each comes alone.
		for _, o := range g.all() {
			o.alone = true
			c.retry(b, o, err)
		}
		return
	case k != kind.Conflict || g.checkFailed:
		g.finish(err)
		return
	}
	changed := c.reload(ctx, g, unknown)
	for _, o := range g.all() {
		if !changed && !unknown {
			// Nobody changed the directories: something that one of the
			// operations brought was refused. Alone, only that one fails.
			if o.alone && o.tries > 3 {
				o.finish(err)
				continue
			}
			o.alone = true
		}
		c.retry(b, o, err)
	}
}

// reload reads the directories of a request that lost, and reports whether one
// of them is another now.
func (c *committer) reload(ctx context.Context, g *group, unknown bool) (changed bool) {
	for _, w := range g.works {
		if w.base == nil {
			continue
		}
		c.fs.slots.forget(w.base.rec.ID)
		if unknown {
			continue // settle looks first
		}
		v, err := c.fs.slots.load(ctx, w.base.read)
		if err != nil || v.rec.Hash != w.base.rec.Hash || v.rec.Owner != w.base.rec.Owner {
			changed = true
		}
	}
	return changed
}

// retry has o tried again: at once for the first times, then after a delay.
func (c *committer) retry(b *batch, o *op, err error) {
	o.tries++
	switch {
	case o.tries > maxTries:
		o.finish(err)
	case o.tries <= 3 && kind.Of(err) == kind.Conflict:
		b.again = append(b.again, o)
	default:
		delay := min(time.Millisecond<<min(o.tries, 10), 250*time.Millisecond)
		delay = delay/2 + rand.N(delay)
		c.mu.Lock()
		c.late++
		c.mu.Unlock()
		time.AfterFunc(delay, func() { c.requeue(o) })
	}
}

func (c *committer) requeue(o *op) {
	c.mu.Lock()
	c.late--
	c.queue = append(c.queue, o)
	lead := !c.busy
	c.busy = true
	c.mu.Unlock()
	if lead {
		c.drain()
	}
}

// settle looks up attempts of o with an unknown outcome before anything is
// applied again (formats 5). It reports whether o has been answered or put off.
func (c *committer) settle(ctx context.Context, o *op) bool {
	for _, a := range o.attempts {
		landed, err := c.landed(ctx, a)
		if err != nil {
			c.retryLater(o, err)
			return true
		}
		if landed {
			for _, m := range a {
				c.fs.slots.forget(m.Slot)
			}
			c.fs.open.mu.Lock()
			if o.won != nil {
				o.won()
			}
			c.fs.open.mu.Unlock()
			o.finish(nil)
			return true
		}
	}
	return false
}

func (c *committer) retryLater(o *op, err error) {
	var none batch
	c.retry(&none, o, fmt.Errorf("the outcome of a commit is unknown: %w: %w", kind.Unavailable, err))
}

// landed asks slotlog for the first record of an attempt.
func (c *committer) landed(ctx context.Context, a attempt) (bool, error) {
	for _, m := range a {
		recs, err := c.fs.o.Meta.Log(ctx, m.Slot, m.Version-1)
		if err != nil {
			return false, err
		}
		for _, rec := range recs {
			if rec.Hash == m.Hash {
				return true, nil
			}
		}
	}
	return false, nil
}

// publish makes a durable request known: versions to the slot cache, marks to
// the high-water file, places to the registry of open files; then answers.
func (c *committer) publish(b *batch, g *group) {
	c.fs.open.mu.Lock()
	for _, w := range g.works {
		if v := w.committed(c.fs); v != nil {
			c.fs.water.Raise(v.mark())
			c.fs.slots.keep(v)
		}
	}
	for _, o := range g.ops {
		if o.won != nil {
			o.won()
		}
	}
	c.fs.open.mu.Unlock()
	g.finish(nil)
}

// errLater makes an operation wait for the next round: it needs a request of
// its own, or a directory that such an operation holds.
var errLater = errors.New("later")

// slotID is short for the id of a slot.
type slotID = metastore.SlotID
