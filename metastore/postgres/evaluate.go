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

// transactionReader is what Request.Check reads through: the running transaction,
// and over it what earlier requests of the batch will write.
type transactionReader struct{ t *tx }

// Slots implements metastore.Reader.
func (r transactionReader) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	recs := make([]metastore.Record, len(ids))
	others, at := split(ids, func(i int, id metastore.SlotID) bool {
		st := r.t.slots[id]
		if st != nil {
			recs[i] = copyOf(st.current)
		}
		return st != nil
	})
	found, err := fetch(ctx, r.t, others, func(ctx context.Context, q querier, ids []metastore.SlotID) ([]metastore.Record, error) {
		return readSlots(ctx, q, ids, anySeq)
	})
	for j, i := range at {
		if err == nil {
			recs[i] = found[j]
		}
	}
	return recs, err
}

// Nodes implements metastore.Reader.
func (r transactionReader) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	data := make([][]byte, len(ids))
	others, at := split(ids, func(i int, id metastore.ID) bool {
		st := r.t.nodes[id]
		if st == nil || st.added == nil {
			return false
		}
		data[i] = bytes.Clone(st.added.Data)
		return true
	})
	found, err := fetch(ctx, r.t, others, readNodes)
	for j, i := range at {
		if err == nil {
			data[i] = found[j]
		}
	}
	return data, err
}

// IsRoot implements metastore.Reader.
func (r transactionReader) IsRoot(ctx context.Context, ids []metastore.SlotID) ([]bool, error) {
	is := make([]bool, len(ids))
	others, at := split(ids, func(i int, id metastore.SlotID) (known bool) {
		is[i], known = r.t.roots[id]
		return known
	})
	found, err := fetch(ctx, r.t, others, readRoots)
	for j, i := range at {
		if err == nil {
			is[i] = found[j]
		}
	}
	return is, err
}

// split gives the ids that known does not know, and their places.
func split[T any](ids []T, known func(int, T) bool) (others []T, at []int) {
	for i, id := range ids {
		if !known(i, id) {
			others, at = append(others, id), append(at, i)
		}
	}
	return others, at
}

// fetch reads through the transaction. An error ends that.
func fetch[K, V any](ctx context.Context, t *tx, ids []K, read func(context.Context, querier, []K) ([]V, error)) ([]V, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if t.failed != nil {
		return nil, t.failed
	}
	found, err := read(ctx, t.conn, ids)
	if err != nil {
		t.failed = failed(ctx, "read in a commit", err)
		return nil, t.failed
	}
	return found, nil
}
