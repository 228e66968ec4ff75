package sqlite

import (
	"context"
	"fmt"
	"iter"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// sealedHold requires that the sealed rows are those that r builds on.
func (t *tx) sealedHold(r *metastore.Request) error {
	for i := range r.Sealed {
		c := &r.Sealed[i]
		rev, err := t.sealedRev(c.Kind, c.Key)
		if err != nil {
			return err
		}
		if err := c.CheckBase(rev); err != nil {
			return err
		}
	}
	return nil
}

// sealedRev is a row's, zero if it is absent.
func (r *reads) sealedRev(kind uint8, key [32]byte) (uint64, error) {
	s := r.sealedGet
	s.setInt(1, int64(kind))
	s.setBlob(2, key[:])
	row, err := s.step()
	if err != nil || !row {
		return 0, err
	}
	defer s.reset()
	return uint64(s.int(0)), nil
}

func (t *tx) writeSealed(r *metastore.Request) error {
	for i := range r.Sealed {
		c := &r.Sealed[i]
		if c.Data != nil {
			if err := t.setSealed(&metastore.SealedRow{Kind: c.Kind, Key: c.Key, Rev: t.st.seq, Data: c.Data}); err != nil {
				return err
			}
			continue
		}
		t.sealedDelete.setInt(1, int64(c.Kind))
		t.sealedDelete.setBlob(2, c.Key[:])
		if err := t.sealedDelete.run(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) setSealed(r *metastore.SealedRow) error {
	s := t.sealedUpsert
	s.need(minBuffer + len(r.Data))
	s.setInt(1, int64(r.Kind))
	s.setBlob(2, r.Key[:])
	s.setInt(3, int64(r.Rev))
	s.setBlob(4, r.Data)
	return s.run()
}

// sealedRow reads the columns kind, key, rev, data.
func sealedRow(s *stmt) (r metastore.SealedRow, err error) {
	r.Kind, r.Rev = uint8(s.int(0)), uint64(s.int(2))
	if copy(r.Key[:], s.lent(1)) != len(r.Key) {
		return r, fmt.Errorf("sqlite: a sealed row is damaged: %w", kind.Corrupt)
	}
	r.Data = append([]byte{}, s.lent(3)...)
	return r, nil
}

// SealedRows implements metastore.Store.
func (s *Store) SealedRows(ctx context.Context, kind uint8, after metastore.SealedPlace, limit int) (rows []metastore.SealedRow, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if err := metastore.CheckSealedLimit(limit); err != nil {
		return nil, err
	}
	err = s.readers.use(ctx, 1, func(r *reads) error {
		q := r.sealedPage
		q.setInt(1, int64(kind))
		q.setInt(2, int64(min(after.Rev, maxSeq)))
		q.setBlob(3, after.Key[:])
		q.setInt(4, int64(limit))
		return q.each(func() error {
			row, err := sealedRow(q)
			rows = append(rows, row)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// maxSeq is above every commit's.
const maxSeq = 1<<63 - 1

// SealedState implements metastore.Store.
func (s *Store) SealedState(ctx context.Context, kind uint8) (st metastore.SealedState, err error) {
	err = s.read(ctx, 1, func(r *reads) error {
		r.sealedSum.setInt(1, int64(kind))
		return r.sealedSum.each(func() error {
			st = metastore.SealedState{Rows: r.sealedSum.int(0), Newest: uint64(r.sealedSum.int(1))}
			return nil
		})
	})
	return st, err
}

// allSealed yields the rows in the order of an export.
func (e *export) allSealed(ctx context.Context) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		var last metastore.SealedRow
		for first := true; ; first = false {
			var page []metastore.Row
			err := e.use(ctx, func() error {
				e.sealed.setInt(1, int64(last.Kind))
				e.sealed.setBlob(2, last.Key[:])
				if first {
					e.sealed.setInt(1, -1)
				}
				return e.sealed.each(func() (err error) {
					last, err = sealedRow(e.sealed)
					page = append(page, last)
					return err
				})
			})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range page {
				if !yield(row, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
		}
	}
}
