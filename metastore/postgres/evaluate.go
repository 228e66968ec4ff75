package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// evaluate decides about one request, by what was read and what the requests
// before it in the batch make of that, and notes what it writes. A request that is
// refused leaves no trace.
func (t *tx) evaluate(ctx context.Context, o *op) error {
	r := o.r
	for i := range r.Slots {
		if err := r.Slots[i].CheckBase(t.slots[r.Slots[i].ID].current); err != nil {
			return err
		}
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
		// Its reads must end with the batch, its values are its caller's.
		checkCtx, cancel := context.WithCancel(context.WithoutCancel(o.ctx))
		stop := context.AfterFunc(ctx, cancel)
		err := r.Check(checkCtx, transactionReader{t})
		stop()
		cancel()
		if err != nil {
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
		t.note(r, recs, charges)
	}
	return nil
}

func (t *tx) rootState(r *metastore.Request) error {
	for id, want := range r.RootState {
		if is := t.roots[id]; is != want {
			return fmt.Errorf("postgres: root table has %v: %t: %w", id, is, kind.Conflict)
		}
	}
	for _, id := range r.ForgetRoots {
		if !t.roots[id] {
			return fmt.Errorf("postgres: root table has no %v to forget: %w", id, kind.Conflict)
		}
	}
	return nil
}

func (t *tx) blockConditions(r *metastore.Request) error {
	for _, b := range r.Live {
		if st := t.blocks[b.ID]; st != nil && st.State != 0 {
			return fmt.Errorf("postgres: block %v has a row already: %w", b.ID, kind.Conflict)
		}
	}
	if len(r.Links) == 0 {
		return nil
	}
	if r.Draft != (metastore.DraftID{}) && t.drafts[r.Draft] <= t.now {
		return fmt.Errorf("postgres: the draft's lease has lapsed: %w", kind.Conflict)
	}
	for _, id := range r.Links {
		if err := t.linkable(r, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) linkable(r *metastore.Request, id metastore.ID) error {
	if slices.ContainsFunc(r.Live, func(b metastore.BlockRow) bool { return b.ID == id }) {
		return nil
	}
	b := t.blocks[id]
	switch {
	case b.State == 0:
		return fmt.Errorf("postgres: linked block %v has no row: %w", id, kind.Conflict)
	case b.State == metastore.BlockLive:
		return nil
	case b.State == metastore.BlockNew && b.Draft == r.Draft && r.Draft != metastore.DraftID{}:
		return nil
	}
	return fmt.Errorf("postgres: linked block %v is in state %v: %w", id, b.State, kind.Conflict)
}

// charge gives the counters that r charges as they will be.
func (t *tx) charge(r *metastore.Request) ([]metastore.ChargeRow, error) {
	rows := make([]metastore.ChargeRow, len(r.Charges))
	for i, c := range r.Charges {
		old := t.charges[c.Root]
		files, size, err := c.Add(old.Files, old.Bytes)
		if err != nil {
			return nil, err
		}
		rows[i] = metastore.ChargeRow{Root: c.Root, Files: files, Bytes: size}
	}
	return rows, nil
}

// rewrites tells whether a request builds on a record that is not written yet but
// by an earlier request of the batch.
func (t *tx) rewrites(r *metastore.Request) bool {
	return slices.ContainsFunc(r.Slots, func(c metastore.SlotChange) bool {
		st := t.slots[c.ID]
		return st.by != 0 && c.CheckBase(st.current) == nil
	})
}

// seal calls each Seal with the current record.
func (t *tx) seal(r *metastore.Request) ([]metastore.Record, error) {
	recs := make([]metastore.Record, len(r.Slots))
	for i := range r.Slots {
		c := &r.Slots[i]
		old := t.slots[c.ID].current
		lent := old
		lent.Bytes = bytes.Clone(old.Bytes)
		sealed, err := c.Seal(lent)
		if err != nil {
			return nil, err
		}
		if err := sealed.Follows(old); err != nil {
			return nil, err
		}
		owner := old.Owner
		if old.Bytes == nil {
			owner = c.Owner
		}
		recs[i] = metastore.Record{
			ID: c.ID, Epoch: sealed.Epoch, Version: sealed.Version, Hash: sha256.Sum256(sealed.Bytes),
			Seq:   t.base + uint64(len(t.commits)) + 1, // if no other gateway is faster
			Bytes: bytes.Clone(sealed.Bytes), Owner: r.OwnerOf(owner),
		}
	}
	return recs, nil
}

// rootsHold checks the slots of r.Roots as they will be after r.
func (t *tx) rootsHold(r *metastore.Request, recs []metastore.Record) error {
	for _, root := range r.Roots {
		rec := t.slots[root.ID].current
		if i := slices.IndexFunc(recs, func(n metastore.Record) bool { return n.ID == root.ID }); i >= 0 {
			rec = recs[i]
		}
		if rec.Bytes == nil {
			return fmt.Errorf("postgres: root slot %v is absent: %w", root.ID, kind.Conflict)
		}
		if metastore.IsTombstone(rec.Bytes) {
			return fmt.Errorf("postgres: root slot %v is a tombstone: %w", root.ID, kind.Conflict)
		}
	}
	return nil
}
