package sqlite

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Commit implements metastore.Store.
func (s *Store) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	errs := make([]error, len(reqs))
	ops := make([]*op, 0, len(reqs))
	for i, r := range reqs {
		errs[i] = r.Validate()
		if errs[i] == nil {
			ops = append(ops, &op{frees: frees(r), run: func(t *tx) error { return t.commitRequest(ctx, r) }})
		}
	}
	if len(ops) == 0 {
		return errs
	}
	err := s.submit(ctx, ops...)
	next := 0
	for i := range errs {
		if errs[i] != nil {
			continue
		}
		errs[i] = err
		if err == nil {
			errs[i] = ops[next].err
		}
		next++
	}
	return errs
}

// commitRequest evaluates everything that may refuse the request, then writes.
func (t *tx) commitRequest(ctx context.Context, r *metastore.Request) error {
	changes, err := t.current(r)
	if err != nil {
		return err
	}
	if err := t.rootState(r); err != nil {
		return err
	}
	if err := t.sealedHold(r); err != nil {
		return err
	}
	if err := t.blockConditions(r); err != nil {
		return err
	}
	if r.Check != nil {
		if err := r.Check(ctx, transactionReader{&t.reads}); err != nil {
			return err
		}
	}
	charges, err := t.charge(r)
	if err != nil {
		return err
	}
	if err := seal(r, changes, t.st.seq+1); err != nil {
		return err
	}
	if err := t.rootsHold(r, changes); err != nil {
		return err
	}
	if r.Empty() {
		return nil
	}
	t.dirty = true
	t.st.seq++
	// Nodes first: one that is added again and dies again dies by this commit.
	if err := t.writeNodes(r); err != nil {
		return err
	}
	if err := t.writeSlots(r, changes); err != nil {
		return err
	}
	if err := t.writeRows(r); err != nil {
		return err
	}
	if err := t.writeRoots(r, charges); err != nil {
		return err
	}
	return t.writeSealed(r)
}

// writeSlots writes the slots and the commit's log row.
func (t *tx) writeSlots(r *metastore.Request, changes []change) error {
	entries := make([]byte, 0, len(changes)*logEntry)
	for i := range changes {
		c := &changes[i]
		entries = appendLogEntry(entries, &c.new, c.old.Seq)
		if err := t.writeSlot(c); err != nil {
			return err
		}
	}
	s := t.logInsert
	s.need(len(entries) + 32*len(r.Dead))
	s.setInt(1, int64(t.st.seq))
	s.setInt(2, t.now)
	s.setBlobOrNull(3, entries)
	dead := make([]byte, 0, 32*len(r.Dead))
	for _, id := range r.Dead {
		dead = append(dead, id[:]...)
	}
	s.setBlobOrNull(4, dead)
	return s.run()
}

func (t *tx) writeSlot(c *change) error {
	if c.old.Bytes != nil {
		s := t.slotUpdate
		s.setBlob(1, c.ID[:])
		s.setInt(2, int64(t.st.seq))
		s.setInt(3, int64(c.new.Epoch))
		s.setInt(4, int64(c.new.Version))
		s.setBlob(5, c.new.Bytes)
		s.setIDOrNull(6, c.new.Owner[:])
		return s.run()
	}
	s := t.slotInsert
	s.setBlob(1, c.ID[:])
	s.setInt(2, int64(t.st.seq))
	s.setInt(3, int64(c.new.Epoch))
	s.setInt(4, int64(c.new.Version))
	s.setIDOrNull(5, c.new.Owner[:])
	s.setBlob(6, c.new.Bytes)
	return s.run()
}

func (t *tx) writeNodes(r *metastore.Request) error {
	for i := range r.Nodes {
		n := &r.Nodes[i]
		if n.Slot == (metastore.SlotID{}) {
			continue
		}
		added, err := t.insertKey(n.ID)
		switch {
		case err != nil:
			return err
		case added:
			err = t.insertNode(n, t.st.seq)
		default:
			err = t.revive(n.ID)
		}
		if err != nil {
			return t.fail(err)
		}
	}
	return t.writeLive(r)
}

// writeLive writes the nodes that are blocks. That one has a row already shows only
// here, since the ids of what was sealed for this commit are new but for a request
// that is repeated, and for equal chunks under a convergent key that come at the same
// time: then the transaction fails, and is done again with a look at their rows before
// (tx.careful), so that this request fails alone.
func (t *tx) writeLive(r *metastore.Request) error {
	if len(r.Live) == 0 {
		return nil
	}
	nodes := make(map[metastore.ID]*metastore.NewNode, len(r.Live))
	for i := range r.Nodes {
		if n := &r.Nodes[i]; n.Slot == (metastore.SlotID{}) {
			nodes[n.ID] = n
		}
	}
	for i := range r.Live {
		b := &r.Live[i]
		added, err := t.insertLive(b, r.OwnerOf(b.Owner))
		if err == nil && !added {
			err = fmt.Errorf("sqlite: block %v has a row already: %w", b.ID, kind.Conflict)
		}
		if err == nil {
			err = t.insertNode(nodes[b.ID], t.st.seq)
		}
		if err != nil {
			return t.fail(err)
		}
	}
	return nil
}

// fail makes the whole transaction fail: the op has written already.
func (t *tx) fail(err error) error {
	if t.c.failed == nil {
		t.c.failed = err
	}
	return err
}

func (t *tx) writeRows(r *metastore.Request) error {
	for _, id := range r.Links {
		t.blockLink.setBlob(1, id[:])
		t.blockLink.setInt(2, t.now)
		t.blockLink.setIDOrNull(3, r.Owner[:])
		if err := t.blockLink.run(); err != nil {
			return err
		}
	}
	return nil
}

// writeRoots writes the root table and the counters of roots.
func (t *tx) writeRoots(r *metastore.Request, charges []metastore.ChargeRow) error {
	for _, id := range r.ForgetRoots {
		t.rootDelete.setBlob(1, id[:])
		if err := t.rootDelete.run(); err != nil {
			return err
		}
	}
	for i := range charges {
		if err := t.setCharged(&charges[i]); err != nil {
			return err
		}
	}
	for _, root := range r.Roots {
		s := t.rootUpsert
		s.need(minBuffer + len(root.Sealed) + len(root.Source))
		s.setBlob(1, root.ID[:])
		s.setBlob(2, root.Sealed)
		s.setText(3, root.Source)
		s.setInt(4, t.now)
		if err := s.run(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) setCharged(c *metastore.ChargeRow) error {
	t.chargeUpsert.setBlob(1, c.Root[:])
	t.chargeUpsert.setInt(2, c.Files)
	t.chargeUpsert.setInt(3, c.Bytes)
	return t.chargeUpsert.run()
}

// SetCharged implements metastore.Store.
func (s *Store) SetCharged(ctx context.Context, root metastore.SlotID, files, bytes int64) error {
	if files < 0 || bytes < 0 {
		return fmt.Errorf("sqlite: counters of %d files, %d bytes: %w", files, bytes, kind.Invalid)
	}
	return s.change(ctx, func(t *tx) error {
		t.dirty = true
		return t.setCharged(&metastore.ChargeRow{Root: root, Files: files, Bytes: bytes})
	})
}
