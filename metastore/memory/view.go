package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// view is a copy of the tables' maps; rows are shared, being immutable.
type view struct {
	s      *Store
	t      tables
	at     time.Time
	closed atomic.Bool
}

// Snapshot implements metastore.Collector.
func (c *collector) Snapshot(ctx context.Context) (metastore.View, error) {
	v := &view{s: c.s}
	err := c.s.write(ctx, func(t *tables, now time.Time) error {
		v.at = now
		v.t = tables{
			seq: t.seq, slots: maps.Clone(t.slots), log: maps.Clone(t.log), nodes: maps.Clone(t.nodes),
			blocks: maps.Clone(t.blocks), drafts: maps.Clone(t.drafts), roots: maps.Clone(t.roots), pins: maps.Clone(t.pins),
			charges: maps.Clone(t.charges), repairs: maps.Clone(t.repairs), sealed: maps.Clone(t.sealed), identity: t.identity,
		}
		// These rows are added and dropped in place.
		for id, rows := range v.t.log {
			v.t.log[id] = slices.Clone(rows)
		}
		for member, ids := range v.t.repairs {
			v.t.repairs[member] = maps.Clone(ids)
		}
		c.s.views[v] = t.seq
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (v *view) Seq() uint64     { return v.t.seq }
func (v *view) Time() time.Time { return v.at }

func (v *view) Close() error {
	v.closed.Store(true)
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	delete(v.s.views, v)
	return nil
}

func (v *view) usable(ctx context.Context) error {
	if v.closed.Load() {
		return fmt.Errorf("memory: view: %w", kind.Closed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: view: %w: %w", kind.Canceled, err)
	}
	return nil
}

func (v *view) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	return v.t.readSlots(ids), nil
}

func (v *view) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	return v.t.readNodes(ids), nil
}

func (v *view) IsRoot(ctx context.Context, ids []metastore.SlotID) ([]bool, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	return v.t.readRoots(ids), nil
}

// rows yields the rows of one map in the order of their ids.
func rows[K ~[32]byte, V, R any](ctx context.Context, v *view, m map[K]V, row func(V) (R, bool)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		if err := v.usable(ctx); err != nil {
			var none R
			yield(none, err)
			return
		}
		for _, id := range sortedKeys(m) {
			if err := v.usable(ctx); err != nil {
				var none R
				yield(none, err)
				return
			}
			if r, ok := row(m[id]); ok && !yield(r, nil) {
				return
			}
		}
	}
}

func sortedKeys[K ~[32]byte, V any](m map[K]V) []K {
	return slices.SortedFunc(maps.Keys(m), func(a, b K) int {
		x, y := [32]byte(a), [32]byte(b)
		return bytes.Compare(x[:], y[:])
	})
}

func (v *view) AllSlots(ctx context.Context) iter.Seq2[metastore.Record, error] {
	return rows(ctx, v, v.t.slots, func(r *metastore.Record) (metastore.Record, bool) { return copyOf(r), true })
}

func (v *view) SlotsAt(ctx context.Context, seq uint64) iter.Seq2[metastore.Record, error] {
	return rows(ctx, v, v.t.slots, func(r *metastore.Record) (metastore.Record, bool) {
		if r.Seq <= seq {
			return copyOf(r), true
		}
		for _, row := range slices.Backward(v.t.log[r.ID]) {
			if row.rec.Seq <= seq {
				return v.t.logged(row), true
			}
		}
		return metastore.Record{}, false
	})
}

func (v *view) AllRoots(ctx context.Context) iter.Seq2[metastore.Root, error] {
	return rows(ctx, v, v.t.roots, func(r metastore.Root) (metastore.Root, bool) {
		r.Sealed = slices.Clone(r.Sealed)
		return r, true
	})
}

func (v *view) AllBlocks(ctx context.Context) iter.Seq2[metastore.Block, error] {
	return rows(ctx, v, v.t.blocks, func(b metastore.Block) (metastore.Block, bool) { return b, true })
}

func (v *view) LiveDrafts(ctx context.Context) (map[metastore.DraftID]bool, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	live := map[metastore.DraftID]bool{}
	for id, d := range v.t.drafts {
		if d.lease.After(v.at) {
			live[id] = true
		}
	}
	return live, nil
}

func (v *view) Pins(ctx context.Context) ([]metastore.Pin, error) {
	if err := v.usable(ctx); err != nil {
		return nil, err
	}
	return v.t.livePins(v.at), nil
}

func (v *view) Usage(ctx context.Context) (blocks, size int64, err error) {
	if err := v.usable(ctx); err != nil {
		return 0, 0, err
	}
	for _, b := range v.t.blocks {
		if b.State == metastore.BlockNew || b.State == metastore.BlockLive {
			blocks++
			size += b.Len
		}
	}
	return blocks, size, nil
}

func (v *view) Charged(ctx context.Context, root metastore.SlotID) (files, size int64, err error) {
	if err := v.usable(ctx); err != nil {
		return 0, 0, err
	}
	return v.t.charges[root].Files, v.t.charges[root].Bytes, nil
}
