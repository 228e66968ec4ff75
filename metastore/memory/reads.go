package memory

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/metastore"
)

// Slots implements metastore.Reader.
func (s *Store) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = s.read(ctx, func(t *tables) { recs = t.readSlots(ids) })
	return recs, err
}

// Nodes implements metastore.Reader.
func (s *Store) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = s.read(ctx, func(t *tables) { data = t.readNodes(ids) })
	return data, err
}

// IsRoot implements metastore.Reader.
func (s *Store) IsRoot(ctx context.Context, ids []metastore.SlotID) (is []bool, err error) {
	err = s.read(ctx, func(t *tables) { is = t.readRoots(ids) })
	return is, err
}

// Seq implements metastore.Store.
func (s *Store) Seq(ctx context.Context) (seq uint64, err error) {
	err = s.read(ctx, func(t *tables) { seq = t.seq })
	return seq, err
}

// Log implements metastore.Store.
func (s *Store) Log(ctx context.Context, id metastore.SlotID, after uint64) (recs []metastore.Record, err error) {
	err = s.read(ctx, func(t *tables) {
		for _, row := range t.log[id] {
			if row.rec.Version > after {
				recs = append(recs, t.logged(row))
			}
		}
	})
	return recs, err
}

func (t *tables) readSlots(ids []metastore.SlotID) []metastore.Record {
	recs := make([]metastore.Record, len(ids))
	for i, id := range ids {
		if r := t.slots[id]; r != nil {
			recs[i] = copyOf(r)
		} else {
			recs[i].ID = id
		}
	}
	return recs
}

func (t *tables) readNodes(ids []metastore.ID) [][]byte {
	data := make([][]byte, len(ids))
	for i, id := range ids {
		if n := t.nodes[id]; n != nil {
			data[i] = slices.Clone(n.data)
		}
	}
	return data
}

func (t *tables) readRoots(ids []metastore.SlotID) []bool {
	is := make([]bool, len(ids))
	for i, id := range ids {
		_, is[i] = t.roots[id]
	}
	return is
}

// logged gives a log row's record; its owner is the slot's.
func (t *tables) logged(row logRow) metastore.Record {
	rec := copyOf(row.rec)
	rec.Owner = t.slots[rec.ID].Owner
	return rec
}

func copyOf(r *metastore.Record) metastore.Record {
	c := *r
	c.Bytes = slices.Clone(r.Bytes)
	return c
}

// lockedReader is what Request.Check reads through; the store's lock is held.
type lockedReader struct{ t *tables }

func (r lockedReader) Slots(_ context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	return r.t.readSlots(ids), nil
}

func (r lockedReader) Nodes(_ context.Context, ids []metastore.ID) ([][]byte, error) {
	return r.t.readNodes(ids), nil
}

func (r lockedReader) IsRoot(_ context.Context, ids []metastore.SlotID) ([]bool, error) {
	return r.t.readRoots(ids), nil
}

// Blocks implements metastore.Store.
func (s *Store) Blocks(ctx context.Context, ids []metastore.ID) (rows []metastore.Block, err error) {
	err = s.read(ctx, func(t *tables) {
		rows = make([]metastore.Block, len(ids))
		for i, id := range ids {
			rows[i] = t.blocks[id]
			rows[i].ID = id
		}
	})
	return rows, err
}

// Charged implements metastore.Store.
func (s *Store) Charged(ctx context.Context, root metastore.SlotID) (files, bytes int64, err error) {
	err = s.read(ctx, func(t *tables) { files, bytes = t.charges[root].Files, t.charges[root].Bytes })
	return files, bytes, err
}

// Identity implements metastore.Store.
func (s *Store) Identity(ctx context.Context) (id metastore.Identity, err error) {
	err = s.read(ctx, func(t *tables) { id = t.identity })
	return id, err
}
