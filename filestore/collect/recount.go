package collect

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// prepareRecount has the check count what is charged.
func (c *checker) prepareRecount(ctx context.Context) error {
	if !c.o.Recount {
		return nil
	}
	// As they are beside the view: one that goes while the check runs counts.
	var err error
	if c.uploads, err = c.env.Uploads(ctx); err != nil {
		return err
	}
	c.counts, c.r.isRoot = make(map[metastore.SlotID]*Recount), make(map[metastore.SlotID]bool)
	for root, err := range c.view.AllRoots(ctx) {
		if err != nil {
			return err
		}
		c.r.isRoot[root.ID] = true
	}
	c.r.counted = func(root metastore.SlotID, files, size int64) {
		n := c.counts[root]
		if n == nil {
			n = &Recount{Root: root}
			c.counts[root] = n
		}
		n.Files, n.Bytes = n.Files+files, n.Bytes+size
	}
	return nil
}

// recount sets counters right by what was counted: the difference to what they
// were in the check's transaction is charged, so that what was charged meanwhile
// stays.
func (c *checker) recount(ctx context.Context) error {
	if err := c.countUploads(ctx); err != nil {
		return err
	}
	ids := slices.SortedFunc(maps.Keys(c.counts), func(a, b metastore.SlotID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		n := c.counts[id]
		if !c.r.isRoot[id] {
			continue
		}
		var err error
		if n.WasFiles, n.WasBytes, err = c.view.Charged(ctx, id); err != nil {
			return err
		}
		if n.Files == n.WasFiles && n.Bytes == n.WasBytes {
			continue
		}
		charge := metastore.Charge{Root: id, Files: n.Files - n.WasFiles, Bytes: n.Bytes - n.WasBytes}
		// Once: what has an unknown outcome can't be charged again.
		if err := c.env.Meta.Commit(ctx, &metastore.Request{Charges: []metastore.Charge{charge}})[0]; err != nil {
			return fmt.Errorf("set counters right: %w", err)
		}
		c.report.Recounts = append(c.report.Recounts, *n)
	}
	return nil
}

// countUploads adds the unfinished uploads of the buckets of the roots that were
// counted: each is a file, and its parts are so many bytes.
func (c *checker) countUploads(ctx context.Context) error {
	for _, s := range c.uploads {
		n := c.counts[s.Root]
		if n == nil {
			continue
		}
		if recs, err := c.view.Slots(ctx, []metastore.SlotID{metastore.SlotID(s.Dir.ID())}); err != nil || recs[0].Bytes == nil {
			if err != nil {
				return fmt.Errorf("read a slot: %w", err)
			}
			continue // the bucket was made since the view began
		}
		st, err := c.state(ctx, s.Dir)
		if err != nil {
			return err
		}
		if st.Tombstone {
			continue
		}
		uploads := dirtree.Open(dirtree.Keys{Read: s.Dir}, st.Root, snapshot.Nodes{View: c.view}, c.env.NodeCache)
		for e, err := range uploads.ScanFrom(ctx, s.From) {
			if err != nil {
				return fmt.Errorf("read uploads: %w", err)
			}
			parts, err := c.state(ctx, e.Dir)
			if err != nil {
				return err
			}
			n.Files, n.Bytes = n.Files+1, n.Bytes+int64(parts.Bytes)
		}
	}
	return nil
}

// state opens a slot's record in the check's transaction.
func (c *checker) state(ctx context.Context, r caps.SlotRead) (dirtree.SlotState, error) {
	id := metastore.SlotID(r.ID())
	recs, err := c.view.Slots(ctx, []metastore.SlotID{id})
	if err != nil {
		return dirtree.SlotState{}, fmt.Errorf("read a slot: %w", err)
	}
	if recs[0].Bytes == nil {
		return dirtree.SlotState{}, fmt.Errorf("slot %v: slot missing: %w", id, kind.Corrupt)
	}
	return dirtree.OpenSlot(r, recs[0].Bytes)
}
