package filestore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// CollectOptions say how Collect goes about it.
type CollectOptions struct {
	// DryRun changes nothing and reports what would be done.
	DryRun bool

	// Yes lets a sweep delete more than a tenth of what is stored.
	Yes bool

	// Grace is how long a block stays after the first mark that missed it.
	// Zero means DefaultGrace; use NoGrace for none.
	Grace time.Duration

	// KeepLog is how long replaced slot records are kept, by which other gateways
	// follow a slot's history, and with them the directory nodes that they
	// refer to. Zero means DefaultKeepLog.
	KeepLog time.Duration
}

// Times of CollectOptions.
const (
	DefaultGrace   = 7 * 24 * time.Hour
	DefaultKeepLog = 24 * time.Hour
	NoGrace        = time.Nanosecond
)

// CollectReport is what Collect found and did, or with DryRun would have done.
type CollectReport struct {
	Reachable    int64 // blocks that something leads to
	Waiting      int   // blocks that nothing leads to, within their grace
	WaitingBytes int64
	Deleted      int // blocks whose space was given back
	DeletedBytes int64
	Held         int // blocks that nothing leads to, kept because of damage under their root
	Nodes        int // replaced directory nodes dropped
	NodeBytes    int64
	LogRows      int // old slot records dropped
	Damage       []Damage
	NeedsYes     bool // more than a tenth would be deleted: nothing was
}

// Collect gives back the space of what nothing leads to any more, by the rules
// of formats 11: it marks from all roots, live drafts and pins in one read
// transaction, condemns what the mark did not reach, deletes what an earlier
// mark had condemned a grace time ago, and drops replaced directory nodes. Damage
// stops the sweep of its root. Only one collection runs at a time; another call
// gets Conflict.
func (fs *FS) Collect(ctx context.Context, o CollectOptions) (CollectReport, error) {
	if !fs.collecting.TryLock() {
		return CollectReport{}, fmt.Errorf("collect: another collection is running: %w", kind.Conflict)
	}
	defer fs.collecting.Unlock()
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.KeepLog == 0 {
		o.KeepLog = DefaultKeepLog
	}
	// What this gateway has open counts as of now, not as of its last heartbeat.
	if err := fs.beat(ctx); err != nil {
		return CollectReport{}, fmt.Errorf("collect: %w", err)
	}
	c := &collection{fs: fs, o: o, meta: fs.o.Meta.Collector(), stopped: make(map[slotID]bool)}
	if err := c.run(ctx); err != nil {
		return c.report, fmt.Errorf("collect: %w", err)
	}
	return c.report, nil
}

// collection is one run of Collect.
type collection struct {
	fs      *FS
	o       CollectOptions
	meta    metastore.Collector
	view    metastore.View
	reach   *reach
	drafts  map[metastore.DraftID]bool
	stopped map[slotID]bool // owners whose sweep damage has stopped
	report  CollectReport

	stored            int64 // rows in state new and live
	condemn, absolve  []metastore.ID
	deletable, finish []metastore.Block
}

func (c *collection) run(ctx context.Context) error {
	if err := c.mark(ctx); err != nil {
		return err
	}
	defer c.view.Close()
	if err := c.sort(ctx); err != nil {
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
	reaped, err := c.meta.Reap(ctx, c.o.KeepLog, c.o.DryRun)
	c.report.Nodes, c.report.NodeBytes, c.report.LogRows = reaped.Nodes, reaped.NodeBytes, reaped.LogRows
	return err
}

// mark walks everything that a root, or a pin of an older tree, leads to.
func (c *collection) mark(ctx context.Context) error {
	view, err := c.meta.Snapshot(ctx)
	if err != nil {
		return err
	}
	c.view = view
	c.reach = newReach(c.fs, view)
	c.reach.damaged = c.damaged
	err = c.markAll(ctx)
	if err != nil {
		view.Close()
		return err
	}
	c.report.Reachable = int64(len(c.reach.blocks))
	return nil
}

func (c *collection) markAll(ctx context.Context) (err error) {
	if c.drafts, err = c.view.LiveDrafts(ctx); err != nil {
		return err
	}
	if err := c.markRoots(ctx); err != nil {
		return err
	}
	pins, err := c.view.Pins(ctx)
	if err != nil {
		return err
	}
	for _, p := range pins {
		if err := c.markPin(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// markPin marks the tree as of a pinned commit. Which slots were visited is
// forgotten first: then they had other contents.
func (c *collection) markPin(ctx context.Context, p metastore.Pin) error {
	records := make(map[slotID]metastore.Record)
	for rec, err := range c.view.SlotsAt(ctx, p.Seq) {
		if err != nil {
			return err
		}
		records[rec.ID] = rec
	}
	c.reach.past = true
	c.reach.visited = make(map[short]struct{})
	c.reach.record = func(_ context.Context, id slotID) (metastore.Record, error) { return records[id], nil }
	defer func() {
		c.reach.past, c.reach.record = false, c.reach.current
	}()
	return c.markRootsIn(ctx, func(id slotID) bool { _, then := records[id]; return then })
}

func (c *collection) markRoots(ctx context.Context) error {
	return c.markRootsIn(ctx, func(slotID) bool { return true })
}

func (c *collection) markRootsIn(ctx context.Context, wanted func(slotID) bool) error {
	for root, err := range c.view.AllRoots(ctx) {
		if err != nil {
			return err
		}
		if !wanted(root.ID) {
			continue // made after the pinned commit
		}
		verify, err := c.fs.openRoot(root.ID, root.Sealed)
		if err != nil {
			if err := c.damaged(site{root: root.ID, slot: root.ID}, "its row in the root table doesn't open under this node's master key"); err != nil {
				return err
			}
			continue
		}
		if err := c.reach.from(ctx, visit{verify: verify, at: site{root: root.ID}}); err != nil {
			return err
		}
	}
	return nil
}

// damaged stops the sweep of what was made through the damaged root, and of what
// is shared: what can't be walked can't be told from what is garbage.
func (c *collection) damaged(at site, what string) error {
	c.stopped[at.root] = true
	c.stopped[slotID{}] = true
	c.fs.log.Error("damage found: nothing of this root is collected",
		slog.String("root", at.root.String()), slog.String("slot", at.slot.String()), slog.String("what", what))
	if len(c.report.Damage) < maxDamage {
		c.report.Damage = append(c.report.Damage, Damage{Path: "directory " + at.slot.String(), What: what})
	}
	return nil
}

// sort goes over the block index and decides each row's lot.
func (c *collection) sort(ctx context.Context) error {
	now := c.view.Time()
	for row, err := range c.view.AllBlocks(ctx) {
		if err != nil {
			return err
		}
		if row.State == metastore.BlockDeleting {
			c.finish = append(c.finish, row) // an earlier run was cut short
			continue
		}
		if row.State != metastore.BlockNew && row.State != metastore.BlockLive {
			continue
		}
		c.stored++
		condemned := !row.CondemnedAt.IsZero()
		switch {
		case row.State == metastore.BlockNew && c.drafts[row.Draft]:
		case c.reach.reached(row.ID):
			if condemned {
				c.absolve = append(c.absolve, row.ID)
			}
		case c.stopped[row.Owner]:
			c.report.Held++
		case !condemned:
			c.condemn = append(c.condemn, row.ID)
			c.waits(row)
		case now.Sub(row.CondemnedAt) < c.o.Grace:
			c.waits(row)
		default:
			c.deletable = append(c.deletable, row)
		}
	}
	return nil
}

func (c *collection) waits(row metastore.Block) {
	c.report.Waiting++
	c.report.WaitingBytes += row.Len
}

// batchRows is how many rows one transaction of the collector touches, so that
// commits pass in between.
const batchRows = 500

// sentence writes what the mark decided to the block index.
func (c *collection) sentence(ctx context.Context) error {
	for ids := range slices.Chunk(c.absolve, batchRows) {
		if err := c.meta.Absolve(ctx, ids); err != nil {
			return err
		}
	}
	for ids := range slices.Chunk(c.condemn, batchRows) {
		if _, err := c.meta.Condemn(ctx, c.view, ids); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes what two marks missed.
func (c *collection) sweep(ctx context.Context) error {
	if c.o.DryRun {
		c.deleted(c.deletable)
		c.report.NeedsYes = c.tooMany()
		return nil
	}
	if err := c.erase(ctx, c.finish); err != nil {
		return err
	}
	if c.tooMany() && !c.o.Yes {
		c.report.NeedsYes = true
		for _, row := range c.deletable {
			c.waits(row)
		}
		return nil
	}
	before := c.view.Time().Add(-c.o.Grace)
	for rows := range slices.Chunk(c.deletable, batchRows) {
		ids := make([]metastore.ID, len(rows))
		for i, row := range rows {
			ids[i] = row.ID
		}
		taken, err := c.meta.BeginDelete(ctx, ids, before)
		if err != nil {
			return err
		}
		c.refused(rows, taken)
		if err := c.erase(ctx, taken); err != nil {
			return err
		}
	}
	return nil
}

// refused counts rows that may not go yet: a gateway has a handle open that may
// still read them, or something has linked them since the mark.
func (c *collection) refused(rows, taken []metastore.Block) {
	gone := make(map[metastore.ID]bool, len(taken))
	for _, row := range taken {
		gone[row.ID] = true
	}
	for _, row := range rows {
		if !gone[row.ID] {
			c.waits(row)
		}
	}
}

// tooMany reports whether the sweep would delete over a tenth of what is stored:
// that is how a mark that went wrong looks like.
func (c *collection) tooMany() bool {
	const few = 100 // of which a tenth says nothing
	return len(c.deletable) > few && int64(len(c.deletable))*10 > c.stored
}

// erase deletes the bytes of rows in state deleting, and then says so.
func (c *collection) erase(ctx context.Context, rows []metastore.Block) error {
	ids := make([]metastore.ID, 0, len(rows))
	for _, row := range rows {
		if !row.Inline {
			if err := c.fs.o.Blocks.Delete(ctx, blockstore.ID(row.ID)); err != nil {
				return fmt.Errorf("delete a block: %w", err)
			}
		}
		ids = append(ids, row.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	if err := c.meta.EndDelete(ctx, ids); err != nil {
		return err
	}
	c.deleted(rows)
	return nil
}

func (c *collection) deleted(rows []metastore.Block) {
	c.report.Deleted += len(rows)
	for _, row := range rows {
		c.report.DeletedBytes += row.Len
	}
}
