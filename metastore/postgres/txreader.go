package postgres

import (
	"bytes"
	"context"

	"github.com/truckee-fs/truckee/metastore"
)

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
