package filestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

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
			if errs[i] == nil {
				c.fs.charges.commit(reqs[i].Charges)
			}
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
