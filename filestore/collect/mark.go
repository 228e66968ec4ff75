package collect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

// mark walks everything that a root, or a pin of an older tree, leads to, in one
// read transaction.
func (c *collection) mark(ctx context.Context) error {
	view, err := c.meta.Snapshot(ctx)
	if err != nil {
		return err
	}
	c.view = view
	c.reach = newReach(c.env, pacedView{view, c.pace})
	c.reach.damaged, c.reach.tolerant = c.damaged, true
	if c.drafts, err = view.LiveDrafts(ctx); err != nil {
		return err
	}
	pins, err := view.Pins(ctx)
	if err != nil {
		return err
	}
	all := func(root metastore.Root) (bool, error) { return true, c.over(ctx, root, pins) }
	if err := c.markRoots(ctx, all); err != nil {
		return err
	}
	defer c.stopPassed()
	for _, p := range pins {
		if err := c.markPin(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// pacedView reads nodes at a pace.
type pacedView struct {
	metastore.View
	pace *pace.Pace
}

func (v pacedView) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	if err := v.pace.Wait(ctx, int64(len(ids))); err != nil {
		return nil, err
	}
	return v.View.Nodes(ctx, ids)
}

// markPin marks the tree as of a pinned commit. Which slots were visited is
// forgotten first: then they had other contents. File nodes and frozen
// directories never change, so they aren't walked again.
func (c *collection) markPin(ctx context.Context, p metastore.Pin) error {
	then, err := recordsAt(ctx, c.view, p.Seq)
	if err != nil {
		return err
	}
	c.pins = append(c.pins, heldPin{p.Seq, then.made})
	r := c.reach
	r.past, r.slots, r.record = true, make(map[short]rootNo), then.record
	defer func() { r.past, r.record = false, r.current }()
	return c.markRoots(ctx, func(root metastore.Root) (bool, error) {
		rec, err := then.record(ctx, root.ID)
		return rec.Bytes != nil, err // else it was made after the pinned commit
	})
}

// heldPin is a pinned commit, and when that was made.
type heldPin struct {
	seq  uint64
	made time.Time
}

// clockSkew is how far a gateway's clock, which records are dated by, may be
// behind the database's.
const clockSkew = 24 * time.Hour

// past gives the records of slots as of a commit. It holds those only that have
// changed since.
type past struct {
	view    metastore.View
	seq     uint64
	changed map[metastore.SlotID]metastore.Record
	made    time.Time // of the newest record of then
}

func recordsAt(ctx context.Context, view metastore.View, seq uint64) (*past, error) {
	p := &past{view: view, seq: seq, changed: make(map[metastore.SlotID]metastore.Record)}
	var batch []metastore.Record
	flush := func() error {
		ids := make([]metastore.SlotID, len(batch))
		for i, rec := range batch {
			ids[i] = rec.ID
		}
		now, err := view.Slots(ctx, ids)
		if err != nil {
			return err
		}
		for i, rec := range batch {
			if now[i].Seq > seq {
				p.changed[rec.ID] = rec
			}
		}
		batch = batch[:0]
		return nil
	}
	for rec, err := range view.SlotsAt(ctx, seq) {
		if err != nil {
			return nil, err
		}
		if at := recordTime(rec.Bytes); at.After(p.made) {
			p.made = at
		}
		if batch = append(batch, rec); len(batch) == batchRows {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return p, flush()
}

// recordTime is the time in a slot's record (formats 5), which is not verified;
// zero if it is none.
func recordTime(rec []byte) time.Time {
	const at = 48
	if len(rec) < at+8 {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(rec[at:])))
}

func (p *past) record(ctx context.Context, id metastore.SlotID) (metastore.Record, error) {
	if rec, ok := p.changed[id]; ok {
		return rec, nil
	}
	recs, err := p.view.Slots(ctx, []metastore.SlotID{id})
	if err != nil || recs[0].Seq > p.seq {
		return metastore.Record{ID: id}, err
	}
	return recs[0], nil
}

func (c *collection) markRoots(ctx context.Context, wanted func(metastore.Root) (bool, error)) error {
	for root, err := range c.view.AllRoots(ctx) {
		if err != nil {
			return err
		}
		if ok, err := wanted(root); err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		of, err := c.partOf(ctx, root)
		if err != nil {
			return err
		}
		at := c.reach.root(of)
		verify, err := c.env.OpenRoot(root)
		if err != nil {
			at.slot = root.ID
			if err := c.damaged(at, "its row in the root table doesn't open under this node's master key"); err != nil {
				return err
			}
			continue
		}
		if err := c.reach.from(ctx, visit{verify: verify, at: at}); err != nil {
			return err
		}
	}
	return nil
}

// over notes a bucket's directory of uploads that went with its bucket, once no pin is
// from before that: till then its row lets the pin's uploads be found.
func (c *collection) over(ctx context.Context, root metastore.Root, pins []metastore.Pin) error {
	if root.Source != SourceUploads {
		return nil
	}
	recs, err := c.view.Slots(ctx, []metastore.SlotID{root.ID})
	if err != nil {
		return err
	}
	rec := recs[0]
	needed := func(p metastore.Pin) bool { return p.Seq < rec.Seq }
	if rec.Bytes != nil && metastore.IsTombstone(rec.Bytes) && !slices.ContainsFunc(pins, needed) {
		c.gone = append(c.gone, root.ID)
	}
	return nil
}

// forget takes the rows that over has noted out of the root table.
func (c *collection) forget(ctx context.Context) error {
	for _, id := range c.gone {
		err := c.env.Meta.Commit(ctx, &metastore.Request{ForgetRoots: []metastore.SlotID{id}})[0]
		if err != nil && !errors.Is(err, kind.Conflict) { // somebody else did
			return fmt.Errorf("forget a root: %w", err)
		}
	}
	return nil
}

// partOf is the root that what is below another counts for: a bucket's directory of
// uploads is a root because no name leads to it, and belongs to the bucket's owner.
func (c *collection) partOf(ctx context.Context, root metastore.Root) (metastore.SlotID, error) {
	if root.Source != SourceUploads {
		return root.ID, nil
	}
	recs, err := c.view.Slots(ctx, []metastore.SlotID{root.ID})
	if err != nil || recs[0].Owner == (metastore.SlotID{}) {
		return root.ID, err
	}
	return recs[0].Owner, nil
}

// stopPassed stops the sweep of roots that may lead to damage which was told from
// two others only: more than two don't walk what they share.
func (c *collection) stopPassed() {
	if len(c.stopped) <= 2 { // owner 0, and one root
		return
	}
	for no := range c.reach.passed {
		c.stopped[c.reach.roots[no]] = true
	}
}

// damaged stops the sweep of what was made through the damaged root, and of what
// is shared: what can't be walked can't be told from what is garbage.
func (c *collection) damaged(at site, what string) error {
	c.stopped[at.root] = true
	c.stopped[metastore.SlotID{}] = true
	c.env.Log.Error("damage found: nothing of this root is collected",
		slog.String("root", at.root.String()), slog.String("slot", at.slot.String()), slog.String("what", what))
	if len(c.report.Damage) < maxDamage {
		c.report.Damage = append(c.report.Damage, Damage{Path: "directory " + at.slot.String(), What: what})
	}
	return nil
}
