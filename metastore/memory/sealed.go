package memory

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/truckee-fs/truckee/metastore"
)

// sealedName names a sealed row.
type sealedName struct {
	kind uint8
	key  [32]byte
}

func nameOf(c *metastore.SealedChange) sealedName { return sealedName{c.Kind, c.Key} }

func (t *tables) setSealed(c *metastore.SealedChange) {
	if c.Data == nil {
		delete(t.sealed, nameOf(c))
		return
	}
	t.sealed[nameOf(c)] = metastore.SealedRow{Kind: c.Kind, Key: c.Key, Rev: t.seq, Data: append([]byte{}, c.Data...)}
}

// SealedRows implements metastore.Store.
func (s *Store) SealedRows(ctx context.Context, kind uint8, after metastore.SealedPlace, limit int) (rows []metastore.SealedRow, err error) {
	if err := metastore.CheckSealedLimit(limit); err != nil {
		return nil, err
	}
	err = s.read(ctx, func(t *tables) {
		for name, row := range t.sealed {
			if name.kind == kind && comparePlaces(placeOf(&row), after) > 0 {
				rows = append(rows, row)
			}
		}
		slices.SortFunc(rows, func(a, b metastore.SealedRow) int { return comparePlaces(placeOf(&a), placeOf(&b)) })
		rows = rows[:min(limit, len(rows))]
		for i := range rows {
			rows[i].Data = bytes.Clone(rows[i].Data)
		}
	})
	return rows, err
}

func placeOf(r *metastore.SealedRow) metastore.SealedPlace {
	return metastore.SealedPlace{Rev: r.Rev, Key: r.Key}
}

func comparePlaces(a, b metastore.SealedPlace) int {
	return cmp.Or(cmp.Compare(a.Rev, b.Rev), bytes.Compare(a.Key[:], b.Key[:]))
}

// SealedState implements metastore.Store.
func (s *Store) SealedState(ctx context.Context, kind uint8) (st metastore.SealedState, err error) {
	err = s.read(ctx, func(t *tables) {
		for name, row := range t.sealed {
			if name.kind == kind {
				st.Rows, st.Newest = st.Rows+1, max(st.Newest, row.Rev)
			}
		}
	})
	return st, err
}

func (t *tables) sealedRows() iter.Seq[metastore.Row] {
	var rows []metastore.SealedRow
	for _, r := range t.sealed {
		r.Data = bytes.Clone(r.Data)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b metastore.SealedRow) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Key[:], b.Key[:]))
	})
	return as(rows)
}
