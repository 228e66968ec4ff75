package metastoretest_test

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// mutantView is a view with some of its answers spoiled.
type mutantView struct {
	metastore.View
	blocks  func(context.Context) iter.Seq2[metastore.Block, error]
	slotsAt func(context.Context, uint64) iter.Seq2[metastore.Record, error]
	slots   func(context.Context, []metastore.SlotID) ([]metastore.Record, error)
	usage   func(context.Context) (int64, int64, error)
	close   func() error
}

func (v *mutantView) AllBlocks(ctx context.Context) iter.Seq2[metastore.Block, error] {
	if v.blocks != nil {
		return v.blocks(ctx)
	}
	return v.View.AllBlocks(ctx)
}

func (v *mutantView) SlotsAt(ctx context.Context, seq uint64) iter.Seq2[metastore.Record, error] {
	if v.slotsAt != nil {
		return v.slotsAt(ctx, seq)
	}
	return v.View.SlotsAt(ctx, seq)
}

func (v *mutantView) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	if v.slots != nil {
		return v.slots(ctx, ids)
	}
	return v.View.Slots(ctx, ids)
}

func (v *mutantView) Usage(ctx context.Context) (int64, int64, error) {
	if v.usage != nil {
		return v.usage(ctx)
	}
	return v.View.Usage(ctx)
}

func (v *mutantView) Close() error {
	if v.close != nil {
		return v.close()
	}
	return v.View.Close()
}

// withView spoils views.
func withView(spoil func(v *mutantView)) func(*mutant) {
	return withCollector(func(c metastore.Collector, m *mutantCollector) {
		m.snapshot = func(ctx context.Context) (metastore.View, error) {
			v, err := c.Snapshot(ctx)
			if err != nil {
				return nil, err
			}
			spoiled := &mutantView{View: v}
			spoil(spoiled)
			return spoiled, nil
		}
	})
}

func viewMutants() []broken {
	return []broken{
		{"shows the newest, whenever asked", withView(func(v *mutantView) {
			v.slotsAt = func(ctx context.Context, _ uint64) iter.Seq2[metastore.Record, error] { return v.AllSlots(ctx) }
		}), []string{"SlotsAt", "ReapSparesPinned"}},
		{"misses a row at the seam of two pages", withView(func(v *mutantView) {
			v.blocks = func(ctx context.Context) iter.Seq2[metastore.Block, error] {
				return func(yield func(metastore.Block, error) bool) {
					n := 0
					for b, err := range v.View.AllBlocks(ctx) {
						if n++; n != 257 && !yield(b, err) {
							return
						}
					}
				}
			}
		}), []string{"ViewOrder"}},
		{"gives a row twice at the seam of two pages", withView(func(v *mutantView) {
			v.blocks = func(ctx context.Context) iter.Seq2[metastore.Block, error] {
				return func(yield func(metastore.Block, error) bool) {
					n := 0
					for b, err := range v.View.AllBlocks(ctx) {
						if n++; n == 257 && !yield(b, err) || !yield(b, err) {
							return
						}
					}
				}
			}
		}), []string{"ViewOrder"}},
		{"can't go on after a break", withView(func(v *mutantView) {
			broken := false
			v.blocks = func(ctx context.Context) iter.Seq2[metastore.Block, error] {
				return func(yield func(metastore.Block, error) bool) {
					if broken {
						yield(metastore.Block{}, kind.Unavailable)
						return
					}
					for b, err := range v.View.AllBlocks(ctx) {
						if !yield(b, err) {
							broken = true
							return
						}
					}
				}
			}
		}), []string{"ViewBreak"}},
		{"serves one at a time", withView(func(v *mutantView) {
			var calls atomic.Int32
			v.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				if calls.Add(1) > 8 {
					return nil, kind.Unavailable
				}
				return v.View.Slots(ctx, ids)
			}
		}), []string{"ViewConcurrently"}},
		{"counts no bytes", withView(func(v *mutantView) {
			v.usage = func(ctx context.Context) (int64, int64, error) {
				n, _, err := v.View.Usage(ctx)
				return n, 0, err
			}
		}), []string{"ViewUsage", "EndDelete", "Import"}},
		{"stays open", withView(func(v *mutantView) {
			v.close = func() error { return nil }
		}), []string{"ViewClosed"}},
	}
}
