package collect

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// sort goes over the block index and decides each row's lot. It keeps the ids of
// those whose row is to change, 32 bytes each.
func (c *collection) sort(ctx context.Context) error {
	now := c.view.Time()
	for row, err := range c.view.AllBlocks(ctx) {
		if err != nil {
			return err
		}
		switch row.State {
		case metastore.BlockDeleting:
			c.finish = append(c.finish, row.ID) // an earlier run was cut short
			continue
		case metastore.BlockNew, metastore.BlockLive:
		default:
			continue
		}
		c.stored++
		condemned := !row.CondemnedAt.IsZero()
		reached, shared := c.reach.reached(row.ID, row.Owner)
		switch r := &c.report; {
		case reached:
			count(&r.Reachable, &r.ReachableBytes, row.Len)
			if condemned {
				c.absolve = append(c.absolve, row.ID)
			}
			if shared {
				c.shared = append(c.shared, row.ID)
			}
		case row.State == metastore.BlockNew && c.drafts[row.Draft]:
			count(&r.Drafts, &r.DraftBytes, row.Len)
		case c.stopped[row.Owner]:
			count(&r.Held, &r.HeldBytes, row.Len)
		case !condemned:
			c.condemn = append(c.condemn, row.ID)
			count(&r.Waiting, &r.WaitingBytes, row.Len)
		case now.Sub(row.CondemnedAt) < c.o.Grace, c.pinned(row):
			count(&r.Waiting, &r.WaitingBytes, row.Len)
		case c.readOnly && !row.Inline:
			count(&r.Denied, &r.DeniedBytes, row.Len)
		default:
			c.deletable = append(c.deletable, row.ID)
			count(&r.Deleted, &r.DeletedBytes, row.Len)
		}
	}
	c.report.Shared = int64(len(c.shared) + len(c.reach.shared))
	return nil
}

// pinned reports whether a pin may need what nothing leads to any more: the pin
// is of a commit before the first mark that missed it, and the root that led to
// it then may have been forgotten since, which no mark can walk. What several
// roots shared counts only if it was there when the pinned commit was made, or
// what comes and goes in shared directories would stay as long as a backup does.
func (c *collection) pinned(row metastore.Block) bool {
	if _, known := c.reach.number[row.Owner]; known {
		return false
	}
	return slices.ContainsFunc(c.pins, func(p heldPin) bool {
		return p.seq < row.CondemnedSeq && (row.Owner != metastore.SlotID{} || row.Seen.Before(p.made.Add(clockSkew)))
	})
}

func count(n, bytes *int64, size int64) {
	*n++
	*bytes += size
}

// batchRows is how many rows one transaction of the collector touches, so that
// commits pass in between.
const batchRows = 500

// steps does something to ids, some at a time, at the run's pace.
func (c *collection) steps(ctx context.Context, ids []metastore.ID, do func([]metastore.ID) error) error {
	for step := range slices.Chunk(ids, batchRows) {
		if err := c.pace.Wait(ctx, int64(len(step))); err != nil {
			return err
		}
		if err := do(step); err != nil {
			return err
		}
	}
	return nil
}

// sentence writes what the mark decided to the block index, what is to be kept first.
func (c *collection) sentence(ctx context.Context) error {
	if err := c.share(ctx); err != nil {
		return err
	}
	err := c.steps(ctx, c.absolve, func(ids []metastore.ID) error { return c.meta.Absolve(ctx, ids) })
	if err != nil {
		return err
	}
	return c.steps(ctx, c.condemn, func(ids []metastore.ID) error {
		_, err := c.meta.Condemn(ctx, c.view, ids)
		return err
	})
}

// share makes known what several roots lead to: from then on, damage under any
// of them keeps it.
func (c *collection) share(ctx context.Context) error {
	err := c.steps(ctx, c.shared, func(ids []metastore.ID) error { return c.meta.Share(ctx, ids, nil) })
	if err != nil {
		return err
	}
	slots := make([]metastore.SlotID, 0, len(c.reach.shared))
	for id := range c.reach.shared {
		slots = append(slots, id)
	}
	for step := range slices.Chunk(slots, batchRows) {
		if err := c.pace.Wait(ctx, int64(len(step))); err != nil {
			return err
		}
		if err := c.meta.Share(ctx, nil, step); err != nil {
			return err
		}
		for _, id := range step {
			c.env.Shared(id)
		}
	}
	return nil
}

// sweep deletes what two marks missed.
func (c *collection) sweep(ctx context.Context) error {
	c.report.NeedsYes = c.tooMany() && !c.o.Yes
	if c.o.DryRun {
		return nil
	}
	r := &c.report
	if c.report.NeedsYes {
		r.Waiting, r.WaitingBytes = r.Waiting+r.Deleted, r.WaitingBytes+r.DeletedBytes
		r.Deleted, r.DeletedBytes = 0, 0
		c.deletable = nil
	}
	planned, plannedBytes := r.Deleted, r.DeletedBytes
	r.Deleted, r.DeletedBytes = 0, 0
	before := c.view.Time().Add(-c.o.Grace)
	err := c.steps(ctx, c.deletable, func(ids []metastore.ID) error {
		taken, err := c.meta.BeginDelete(ctx, ids, before)
		if err != nil {
			return err
		}
		planned -= int64(len(taken))
		for _, row := range taken {
			plannedBytes -= row.Len
		}
		return c.erase(ctx, taken)
	})
	// What wasn't taken may not go yet: a gateway has a handle open that may
	// still read it, or something has linked it since the mark.
	r.Waiting, r.WaitingBytes = r.Waiting+planned, r.WaitingBytes+plannedBytes
	if err != nil {
		return err
	}
	return c.steps(ctx, c.finish, func(ids []metastore.ID) error {
		rows, err := c.env.Meta.Blocks(ctx, ids)
		if err != nil {
			return err
		}
		return c.erase(ctx, rows)
	})
}

// tooMany reports whether the sweep would delete over a tenth of what is stored:
// that is how a mark that went wrong looks like.
func (c *collection) tooMany() bool {
	const few = 100 // of which a tenth says nothing
	return len(c.deletable) > few && int64(len(c.deletable))*10 > c.stored
}

// maxMissed is after how many steps in a row that the blockstore didn't carry
// out a sweep ends.
const maxMissed = 20

// erase deletes the bytes of rows in state deleting, and then says so. Where the
// credentials don't allow it, or a member of the blockstore doesn't answer, the
// rows stay as they are.
func (c *collection) erase(ctx context.Context, rows []metastore.Block) error {
	var stored []blockstore.ID
	undone := false
	for _, row := range rows {
		if !row.Inline {
			stored = append(stored, blockstore.ID(row.ID))
		}
	}
	if len(stored) > 0 && !c.readOnly {
		switch err := blockstore.DeleteBatch(ctx, c.env.Blocks, stored); {
		case errors.Is(err, kind.Denied):
			c.readOnly = true
		case errors.Is(err, kind.Unavailable) && c.missed < maxMissed:
			c.missed++ // what of it did answer has given the space back
			undone = true
		case err != nil:
			return fmt.Errorf("delete blocks: %w", err)
		default:
			c.missed = 0
		}
	}
	r := &c.report
	gone := make([]metastore.ID, 0, len(rows))
	for _, row := range rows {
		switch {
		case c.readOnly && !row.Inline:
			count(&r.Denied, &r.DeniedBytes, row.Len)
			continue
		case undone && !row.Inline:
			count(&r.Undone, &r.UndoneBytes, row.Len)
			continue
		}
		gone = append(gone, row.ID)
		count(&r.Deleted, &r.DeletedBytes, row.Len)
	}
	if len(gone) == 0 {
		return nil
	}
	return c.meta.EndDelete(ctx, gone)
}

// probe asks for the deletion of a block that nobody has: credentials that only
// allow to append say no to that, too. Then collection reports only, and what is
// in the metastore goes its way.
func (c *collection) probe(ctx context.Context) error {
	var nobodys blockstore.ID
	rand.Read(nobodys[:])
	err := c.env.Blocks.Delete(ctx, nobodys)
	if errors.Is(err, kind.Denied) {
		c.readOnly = true
		return nil
	}
	if err != nil && !errors.Is(err, kind.Unavailable) {
		return fmt.Errorf("see whether blocks can be deleted: %w", err)
	}
	return nil
}
