package memory

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Commit implements metastore.Store.
func (s *Store) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	errs := make([]error, len(reqs))
	for i, r := range reqs {
		errs[i] = s.write(ctx, func(t *tables, now time.Time) error { return t.commit(ctx, r, now) })
	}
	return errs
}

// commit evaluates everything that may refuse the request before it writes.
func (t *tables) commit(ctx context.Context, r *metastore.Request, now time.Time) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := t.conditions(r, now); err != nil {
		return err
	}
	if r.Check != nil {
		if err := r.Check(ctx, lockedReader{t}); err != nil {
			return err
		}
	}
	charges, err := t.charge(r)
	if err != nil {
		return err
	}
	recs, err := t.seal(r)
	if err != nil {
		return err
	}
	if err := t.rootsHold(r, recs); err != nil {
		return err
	}
	if !r.Empty() {
		t.apply(r, recs, charges, now)
	}
	return nil
}

func (t *tables) conditions(r *metastore.Request, now time.Time) error {
	for i := range r.Slots {
		if err := r.Slots[i].CheckBase(t.slot(r.Slots[i].ID)); err != nil {
			return err
		}
	}
	for id, want := range r.RootState {
		if _, is := t.roots[id]; is != want {
			return fmt.Errorf("memory: root table has %v: %t: %w", id, is, kind.Conflict)
		}
	}
	for _, id := range r.ForgetRoots {
		if _, is := t.roots[id]; !is {
			return fmt.Errorf("memory: root table has no %v to forget: %w", id, kind.Conflict)
		}
	}
	for i := range r.Sealed {
		c := &r.Sealed[i]
		if err := c.CheckBase(t.sealed[nameOf(c)].Rev); err != nil {
			return err
		}
	}
	for _, b := range r.Live {
		if _, there := t.blocks[b.ID]; there {
			return fmt.Errorf("memory: block %v has a row already: %w", b.ID, kind.Conflict)
		}
	}
	if len(r.Links) == 0 {
		return nil
	}
	if r.Draft != (metastore.DraftID{}) && !t.drafts[r.Draft].lease.After(now) {
		return fmt.Errorf("memory: the draft's lease has lapsed: %w", kind.Conflict)
	}
	for _, id := range r.Links {
		if err := t.linkable(r, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tables) linkable(r *metastore.Request, id metastore.ID) error {
	if slices.ContainsFunc(r.Live, func(b metastore.BlockRow) bool { return b.ID == id }) {
		return nil
	}
	b, there := t.blocks[id]
	switch {
	case !there:
		return fmt.Errorf("memory: linked block %v has no row: %w", id, kind.Conflict)
	case b.State == metastore.BlockLive:
		return nil
	case b.State == metastore.BlockNew && b.Draft == r.Draft && r.Draft != metastore.DraftID{}:
		return nil
	}
	return fmt.Errorf("memory: linked block %v is in state %v: %w", id, b.State, kind.Conflict)
}

// slot gives the current record, with nil Bytes if absent; shared, not copied.
func (t *tables) slot(id metastore.SlotID) metastore.Record {
	if r := t.slots[id]; r != nil {
		return *r
	}
	return metastore.Record{ID: id}
}

// charge gives the counters that r charges as they will be.
func (t *tables) charge(r *metastore.Request) ([]metastore.ChargeRow, error) {
	rows := make([]metastore.ChargeRow, len(r.Charges))
	for i, c := range r.Charges {
		files, bytes, err := c.Add(t.charges[c.Root].Files, t.charges[c.Root].Bytes)
		if err != nil {
			return nil, err
		}
		rows[i] = metastore.ChargeRow{Root: c.Root, Files: files, Bytes: bytes}
	}
	return rows, nil
}

func (t *tables) seal(r *metastore.Request) ([]*metastore.Record, error) {
	recs := make([]*metastore.Record, len(r.Slots))
	for i := range r.Slots {
		c := &r.Slots[i]
		old := t.slot(c.ID)
		lent := old
		lent.Bytes = slices.Clone(old.Bytes)
		sealed, err := c.Seal(lent)
		if err != nil {
			return nil, err
		}
		if err := sealed.Follows(old); err != nil {
			return nil, err
		}
		rec := &metastore.Record{
			ID: c.ID, Epoch: sealed.Epoch, Version: sealed.Version, Hash: sha256.Sum256(sealed.Bytes),
			Seq: t.seq + 1, Bytes: slices.Clone(sealed.Bytes), Owner: r.OwnerOf(old.Owner),
		}
		if old.Bytes == nil {
			rec.Owner = r.OwnerOf(c.Owner)
		}
		recs[i] = rec
	}
	return recs, nil
}

// rootsHold checks the slots of r.Roots as they will be after r.
func (t *tables) rootsHold(r *metastore.Request, recs []*metastore.Record) error {
	for _, root := range r.Roots {
		rec := t.slots[root.ID]
		for _, n := range recs {
			if n.ID == root.ID {
				rec = n
			}
		}
		if rec == nil {
			return fmt.Errorf("memory: root slot %v is absent: %w", root.ID, kind.Conflict)
		}
		if metastore.IsTombstone(rec.Bytes) {
			return fmt.Errorf("memory: root slot %v is a tombstone: %w", root.ID, kind.Conflict)
		}
	}
	return nil
}

func (t *tables) apply(r *metastore.Request, recs []*metastore.Record, charges []metastore.ChargeRow, now time.Time) {
	t.seq++
	for _, rec := range recs {
		t.slots[rec.ID] = rec
		t.log[rec.ID] = append(t.log[rec.ID], logRow{rec, now})
	}
	for _, n := range r.Nodes {
		t.addNode(n)
	}
	for _, id := range r.Dead {
		if n := t.nodes[id]; n != nil && n.slot != (metastore.SlotID{}) && n.died == 0 {
			dead := *n
			dead.died = t.seq
			t.nodes[id] = &dead
		}
	}
	for _, c := range charges {
		t.charges[c.Root] = c
	}
	for _, b := range r.Live {
		b.Owner = r.OwnerOf(b.Owner)
		t.blocks[b.ID] = metastore.Block{BlockRow: b, State: metastore.BlockLive, Seen: now, Inline: true}
	}
	for _, id := range r.Links {
		b := t.blocks[id]
		b.State, b.Draft, b.Seen = metastore.BlockLive, metastore.DraftID{}, now
		b.CondemnedAt, b.CondemnedSeq = time.Time{}, 0
		b.Owner = r.OwnerOf(b.Owner)
		t.blocks[id] = b
	}
	for _, id := range r.ForgetRoots {
		delete(t.roots, id)
	}
	for i := range r.Sealed {
		t.setSealed(&r.Sealed[i])
	}
	for _, root := range r.Roots {
		if old, there := t.roots[root.ID]; there {
			root = old
		} else {
			root.Sealed = slices.Clone(root.Sealed)
		}
		root.Seen = now
		t.roots[root.ID] = root
	}
}

func (t *tables) addNode(n metastore.NewNode) {
	if old := t.nodes[n.ID]; old == nil {
		t.nodes[n.ID] = &node{data: slices.Clone(n.Data), slot: n.Slot, born: t.seq}
	} else if old.died != 0 {
		alive := *old
		alive.died = 0
		t.nodes[n.ID] = &alive
	}
}
