package collect

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

// Options say how Collect goes about it.
type Options struct {
	// DryRun changes nothing and reports what would be done.
	DryRun bool

	// Yes lets a sweep delete more than a tenth of what is stored.
	Yes bool

	// Adopt takes the blockstore over from another metastore, or for one that
	// was restored from a backup: see Claim.
	Adopt bool

	// Grace is how long a block stays after the first mark that missed it.
	// Zero means DefaultGrace; use NoGrace for none.
	Grace time.Duration

	// KeepLog is how long replaced slot records are kept, by which other gateways
	// follow a slot's history, and with them the directory nodes that they
	// refer to. Zero means DefaultKeepLog.
	KeepLog time.Duration

	// Pace is how many nodes are read and rows changed a second at most, so that
	// clients don't notice. Zero: no bound.
	Pace int64
}

// Times of Options.
const (
	DefaultGrace   = 7 * 24 * time.Hour
	DefaultKeepLog = 24 * time.Hour
	NoGrace        = time.Nanosecond
)

// Report is what Collect found and did, or with DryRun would have done.
// Every block that the index has is in one of Reachable, Drafts, Waiting, Held,
// Denied, Undone and Deleted; the bytes are those of sealed blocks.
type Report struct {
	Began  time.Time
	Took   time.Duration
	DryRun bool

	Reachable, ReachableBytes int64 // something leads to them
	Drafts, DraftBytes        int64 // of uploads under way
	Waiting, WaitingBytes     int64 // nothing leads to them: within their grace, or an open file or a pin may need them
	Held, HeldBytes           int64 // nothing leads to them: kept because of damage under their root
	Denied, DeniedBytes       int64 // their grace is over, but the credentials don't allow to delete them
	Undone, UndoneBytes       int64 // being deleted: a part of the blockstore didn't answer, and the next run goes on
	Deleted, DeletedBytes     int64 // their space was given back

	Shared    int64 // blocks and directories that a second root was found to lead to
	Nodes     int   // replaced directory nodes dropped
	NodeBytes int64
	LogRows   int // old slot records dropped
	Damage    []Damage
	NeedsYes  bool   // more than a tenth would be deleted: nothing was
	Foreign   string // of a dry run: why a collection would be refused, see Claim
}

// Collect gives back the space of what nothing leads to any more, by the rules
// of formats 11: it marks from all roots, live drafts and pins in one read
// transaction, condemns what the mark did not reach, deletes what an earlier
// mark had condemned a grace time ago, and drops replaced directory nodes. Damage
// stops the sweep of its root. Clients go on meanwhile. Only one collection runs
// at a time, over all gateways: another call gets Conflict. Denied: the
// blockstore belongs to another metastore, see Claim.
//
// A run that ends early has done a part of its work; the next one goes on.
func (k *Collector) Collect(ctx context.Context, o Options) (Report, error) {
	if !k.running.TryLock() {
		return Report{}, fmt.Errorf("collect: another collection is running: %w", kind.Conflict)
	}
	defer k.running.Unlock()
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.KeepLog == 0 {
		o.KeepLog = DefaultKeepLog
	}
	ctx, done, err := k.env.lead(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("collect: %w", err)
	}
	defer done()
	c := &collection{
		env: &k.env, o: o, meta: k.env.Meta.Collector(), stopped: make(map[metastore.SlotID]bool), pace: pace.New(o.Pace),
		report: Report{Began: k.env.Now(), DryRun: o.DryRun},
	}
	err = c.run(ctx)
	c.report.Took = k.env.Now().Sub(c.report.Began)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			err = cause
		}
		return c.report, fmt.Errorf("collect: %w", err)
	}
	if !o.DryRun {
		report := c.report
		k.last.Store(&report)
	}
	return c.report, nil
}

// LastCollection returns the report of the newest collection that this Collector has
// carried through; false if there was none.
func (k *Collector) LastCollection() (Report, bool) {
	if r := k.last.Load(); r != nil {
		return *r, true
	}
	return Report{}, false
}

// errDeposed ends a collection whose gateway has lost the lease to collect.
var errDeposed = fmt.Errorf("another gateway has taken over the collection: %w", kind.Conflict)

// giveBackTime bounds how long the lease to collect is tried to be given back.
const giveBackTime = time.Minute

// lead takes the lease to collect and renews it until done is called. The
// context that it returns ends when the lease is lost.
func (e *Env) lead(ctx context.Context) (_ context.Context, done func(), err error) {
	meta, ttl := e.Meta.Collector(), e.Lease
	ok, err := meta.Lead(ctx, e.Gateway, ttl)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, fmt.Errorf("another gateway is collecting: %w", kind.Conflict)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(ttl / 3)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			ok, err := meta.Lead(ctx, e.Gateway, ttl)
			switch {
			case err == nil && ok:
				last = time.Now()
			case err == nil, time.Since(last) > ttl:
				cancel(errDeposed)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
		giveBack, stop := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
		defer stop()
		if _, err := meta.Lead(giveBack, e.Gateway, 0); err != nil {
			e.Log.Warn("the lease to collect couldn't be given back; it lapses", slog.Any("error", err))
		}
	}, nil
}

// collection is one run of Collect.
type collection struct {
	env      *Env
	o        Options
	meta     metastore.Collector
	pace     *pace.Pace
	view     metastore.View
	reach    *reach
	drafts   map[metastore.DraftID]bool
	stopped  map[metastore.SlotID]bool // owners whose sweep damage has stopped
	readOnly bool                      // the credentials don't allow to delete
	pins     []heldPin                 // commits that are pinned
	gone     []metastore.SlotID        // rows of the root table of which nothing is left
	missed   int                       // steps in a row that the blockstore didn't carry out
	report   Report

	stored                   int64 // rows in state new and live
	condemn, absolve, shared []metastore.ID
	deletable, finish        []metastore.ID
}

func (c *collection) run(ctx context.Context) error {
	if err := c.claim(ctx); err != nil {
		return err
	}
	// What this gateway has open counts as of now, not as of its last heartbeat.
	if err := c.env.Beat(ctx); err != nil {
		return err
	}
	if err := c.survey(ctx); err != nil {
		return err
	}
	if !c.o.DryRun {
		if err := c.sentence(ctx); err != nil {
			return err
		}
	}
	if err := c.sweep(ctx); err != nil {
		return err
	}
	if !c.o.DryRun {
		if err := c.forget(ctx); err != nil {
			return err
		}
	}
	reaped, err := c.meta.Reap(ctx, c.o.KeepLog, c.o.DryRun)
	c.report.Nodes, c.report.NodeBytes, c.report.LogRows = reaped.Nodes, reaped.NodeBytes, reaped.LogRows
	return err
}

// claim sees that the blockstore is this metastore's, and whether the credentials
// allow to delete from it.
func (c *collection) claim(ctx context.Context) error {
	if c.o.DryRun {
		claim, err := c.env.claim(ctx)
		if err == nil && claim.refuses() != nil {
			c.report.Foreign = claim.refuses().Error()
		}
		return err
	}
	marked, err := c.env.turn(ctx, c.o.Adopt)
	if err != nil {
		return err
	}
	if !marked {
		c.readOnly = true
		return nil
	}
	return c.probe(ctx)
}

// survey marks, and decides each row's lot. The read transaction ends with it.
func (c *collection) survey(ctx context.Context) error {
	err := c.mark(ctx)
	if c.view != nil {
		defer c.view.Close()
	}
	if err != nil {
		return err
	}
	return c.sort(ctx)
}

// Quiet reports whether nothing needs an operator's eye.
func (r *Report) Quiet() bool {
	return len(r.Damage) == 0 && !r.NeedsYes && r.Foreign == "" && r.Denied == 0
}
