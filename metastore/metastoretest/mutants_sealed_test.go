package metastoretest_test

import (
	"context"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// spoilSealed changes what is asked of sealed rows.
func spoilSealed(spoil func(m *mutant, c *metastore.SealedChange)) func(*mutant) {
	return func(m *mutant) {
		m.each(func(r *metastore.Request) {
			r.Sealed = slices.Clone(r.Sealed)
			for i := range r.Sealed {
				spoil(m, &r.Sealed[i])
			}
		})
	}
}

// replacing changes every row whatever its rev is, one commit at a time: beside one another two commits could
// still find each other's change, and now and then all of a race's losers lose as they should.
func replacing(m *mutant) {
	var turn sync.Mutex
	m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
		turn.Lock()
		defer turn.Unlock()
		changed := make([]*metastore.Request, len(reqs))
		for i, r := range reqs {
			c := *r
			c.Sealed = slices.Clone(r.Sealed)
			for j := range c.Sealed {
				c.Sealed[j].Base = revOf(m, &c.Sealed[j])
			}
			changed[i] = &c
		}
		return m.Store.Commit(ctx, changed...)
	}
}

// revOf is the rev of a row, zero if it is absent.
func revOf(m *mutant, c *metastore.SealedChange) uint64 {
	rows, _ := m.Store.SealedRows(context.Background(), c.Kind, metastore.SealedPlace{}, 1000)
	for _, r := range rows {
		if r.Key == c.Key {
			return r.Rev
		}
	}
	return 0
}

// spoilSealedRows changes what is answered.
func spoilSealedRows(spoil func([]metastore.SealedRow) []metastore.SealedRow) func(*mutant) {
	return func(m *mutant) {
		m.sealed = func(ctx context.Context, k uint8, after metastore.SealedPlace, limit int) ([]metastore.SealedRow, error) {
			rows, err := m.Store.SealedRows(ctx, k, after, limit)
			return spoil(rows), err
		}
	}
}

// Mutants of sealed rows.
func sealedMutants() []broken {
	return []broken{
		{"seals nothing", func(m *mutant) { m.each(func(r *metastore.Request) { r.Sealed = nil }) }, []string{
			"Sealed", "SealedSwap", "SealedAllOrNothing", "SealedInOneCall", "SealedOrder", "SealedState", "SealedInvalid", "SealedConcurrently",
		}},
		{"replaces whatever is there", replacing, []string{
			"SealedSwap", "SealedAllOrNothing", "SealedConcurrently",
		}},
		{"one kind for all", spoilSealed(func(_ *mutant, c *metastore.SealedChange) { c.Kind = 7 }), []string{"Sealed", "SealedState"}},
		{"never takes a row away", spoilSealed(func(_ *mutant, c *metastore.SealedChange) {
			if c.Data == nil {
				c.Data = []byte("gone")
			}
		}), []string{"Sealed", "SealedSwap", "SealedAllOrNothing", "SealedInOneCall"}},
		{"counts revs by itself", spoilSealedRows(func(rows []metastore.SealedRow) []metastore.SealedRow {
			for i := range rows {
				rows[i].Rev++
			}
			return rows
		}), []string{"Sealed", "SealedSwap", "SealedAllOrNothing"}},
		{"seals outside of the transaction", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for i, r := range reqs {
					if kind.Of(errs[i]) == kind.Conflict && len(r.Slots) > 0 && len(r.Sealed) > 0 {
						m.Store.Commit(ctx, &metastore.Request{Sealed: r.Sealed})
					}
				}
				return errs
			}
		}, []string{"SealedAllOrNothing"}},
		{"gives sealed rows backwards", spoilSealedRows(func(rows []metastore.SealedRow) []metastore.SealedRow {
			slices.Reverse(rows)
			return rows
		}), []string{"SealedOrder"}},
		{"pages by the rev alone", func(m *mutant) {
			m.sealed = func(ctx context.Context, k uint8, after metastore.SealedPlace, limit int) ([]metastore.SealedRow, error) {
				after.Key = [32]byte{}
				for i := range after.Key {
					after.Key[i] = 0xff
				}
				return m.Store.SealedRows(ctx, k, after, limit)
			}
		}, []string{"SealedOrder"}},
		{"always the same state", func(m *mutant) {
			m.state = func(context.Context, uint8) (metastore.SealedState, error) { return metastore.SealedState{}, nil }
		}, []string{"SealedState"}},
		{"a state without the count", func(m *mutant) {
			m.state = func(ctx context.Context, k uint8) (metastore.SealedState, error) {
				st, err := m.Store.SealedState(ctx, k)
				st.Rows = 2
				return st, err
			}
		}, []string{"SealedState"}},
		{"a state of every commit", func(m *mutant) {
			m.state = func(ctx context.Context, k uint8) (st metastore.SealedState, err error) {
				st, err = m.Store.SealedState(ctx, k)
				if err == nil {
					st.Newest, err = m.Store.Seq(ctx)
				}
				return st, err
			}
		}, []string{"SealedState"}},
		{"takes any sealed row", func(m *mutant) {
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				errs := m.Store.Commit(ctx, reqs...)
				for i, r := range reqs {
					if len(r.Sealed) > 0 && kind.Of(errs[i]) == kind.Invalid {
						errs[i] = nil
					}
				}
				return errs
			}
		}, []string{"SealedInvalid"}},
	}
}
