package memory

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Export implements metastore.Exporter.
func (s *Store) Export(ctx context.Context) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		opened, err := (&collector{s}).Snapshot(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer opened.Close()
		for row := range opened.(*view).t.rows() {
			if err := ctx.Err(); err != nil {
				yield(nil, fmt.Errorf("memory: export: %w: %w", kind.Canceled, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// rows yields what metastore.Row lists, in that order.
func (t *tables) rows() iter.Seq[metastore.Row] {
	return func(yield func(metastore.Row) bool) {
		all := []iter.Seq[metastore.Row]{
			one(metastore.Meta{Identity: t.identity, Seq: t.seq}),
			each(t.slots, func(r *metastore.Record) metastore.Row { return metastore.SlotRow{Record: copyOf(r)} }),
			t.logRows(), t.nodeRows(), t.deadRows(),
			each(t.blocks, func(b metastore.Block) metastore.Row { return b }),
			each(t.roots, func(r metastore.Root) metastore.Row { r.Sealed = slices.Clone(r.Sealed); return r }),
			t.pinRows(),
			each(t.charges, func(c metastore.ChargeRow) metastore.Row { return c }),
			t.repairRows(), t.sealedRows(),
		}
		for _, rows := range all {
			for row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	}
}

func one(row metastore.Row) iter.Seq[metastore.Row] { return slices.Values([]metastore.Row{row}) }

// each yields the rows of one map in the order of their ids.
func each[K ~[32]byte, V any](m map[K]V, row func(V) metastore.Row) iter.Seq[metastore.Row] {
	return func(yield func(metastore.Row) bool) {
		for _, id := range sortedKeys(m) {
			if !yield(row(m[id])) {
				return
			}
		}
	}
}

func (t *tables) logRows() iter.Seq[metastore.Row] {
	var list []metastore.LogRow
	for _, rows := range t.log {
		prev := uint64(0)
		for _, row := range rows {
			rec := copyOf(row.rec)
			rec.Owner = metastore.SlotID{}
			list = append(list, metastore.LogRow{Record: rec, At: row.at, Prev: prev})
			prev = rec.Seq
		}
	}
	slices.SortFunc(list, func(a, b metastore.LogRow) int {
		if a.Seq != b.Seq {
			return int(int64(a.Seq - b.Seq))
		}
		return compareIDs(metastore.ID(a.ID), metastore.ID(b.ID))
	})
	return as(list)
}

func as[R metastore.Row](list []R) iter.Seq[metastore.Row] {
	return func(yield func(metastore.Row) bool) {
		for _, r := range list {
			if !yield(r) {
				return
			}
		}
	}
}

func (t *tables) nodeRows() iter.Seq[metastore.Row] {
	return func(yield func(metastore.Row) bool) {
		for _, id := range sortedKeys(t.nodes) {
			n := t.nodes[id]
			if !yield(metastore.NodeRow{ID: id, Data: slices.Clone(n.data), Slot: n.slot, Born: n.born}) {
				return
			}
		}
	}
}

func (t *tables) deadRows() iter.Seq[metastore.Row] {
	var list []metastore.DeadRow
	for id, n := range t.nodes {
		if n.died != 0 {
			list = append(list, metastore.DeadRow{ID: id, Died: n.died})
		}
	}
	slices.SortFunc(list, func(a, b metastore.DeadRow) int { return int(int64(a.Died - b.Died)) })
	return as(list)
}

func (t *tables) pinRows() iter.Seq[metastore.Row] {
	return func(yield func(metastore.Row) bool) {
		for _, seq := range slices.Sorted(maps.Keys(t.pins)) {
			if !yield(t.pins[seq]) {
				return
			}
		}
	}
}

func (t *tables) repairRows() iter.Seq[metastore.Row] {
	return func(yield func(metastore.Row) bool) {
		for _, member := range slices.Sorted(maps.Keys(t.repairs)) {
			for _, id := range sortedKeys(t.repairs[member]) {
				if !yield(metastore.RepairRow{Member: member, ID: id}) {
					return
				}
			}
		}
	}
}

// Import implements metastore.Exporter.
func (s *Store) Import(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
	return s.write(ctx, func(t *tables, _ time.Time) error {
		if !t.empty() {
			return fmt.Errorf("memory: import: the metastore is not empty: %w", kind.Conflict)
		}
		filled := newTables()
		filled.gateways, filled.lead = t.gateways, t.lead
		for row, err := range metastore.CheckRows(rows) {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("memory: import: %w: %w", kind.Canceled, err)
			}
			if !filled.add(row) {
				return fmt.Errorf("memory: import: a %T does not fit those before it: %w", row, kind.Invalid)
			}
		}
		for id, rec := range filled.slots {
			if log := filled.log[id]; len(log) == 0 || log[len(log)-1].rec.Seq != rec.Seq {
				return fmt.Errorf("memory: import: slot %v is not as logged: %w", id, kind.Invalid)
			}
		}
		*t = filled
		return nil
	})
}

// empty: nothing was ever committed or entered; gateways may be there.
func (t *tables) empty() bool {
	return t.seq == 1 && len(t.blocks)+len(t.drafts)+len(t.pins)+len(t.charges) == 0 &&
		len(slices.Collect(t.repairRows())) == 0
}

// add adds an imported row, which must be whole by itself; false if it does not fit.
func (t *tables) add(row metastore.Row) bool {
	switch r := row.(type) {
	case metastore.Meta:
		t.identity, t.seq, t.floor = r.Identity, r.Seq, r.Seq
	case metastore.SlotRow:
		rec := copyOf(&r.Record)
		t.slots[r.ID] = &rec
	case metastore.LogRow:
		newest := t.slots[r.ID]
		if newest == nil || r.Seq > newest.Seq || (r.Seq == newest.Seq) != (r.Hash == newest.Hash) {
			return false
		}
		rec := copyOf(&r.Record)
		t.log[r.ID] = append(t.log[r.ID], logRow{&rec, r.At})
	case metastore.NodeRow:
		if t.nodes[r.ID] != nil {
			return false
		}
		t.nodes[r.ID] = &node{data: slices.Clone(r.Data), slot: r.Slot, born: r.Born}
	case metastore.DeadRow:
		if n := t.nodes[r.ID]; n != nil && n.slot != (metastore.SlotID{}) && n.died == 0 && n.born <= r.Died {
			n.died = r.Died
		}
	case metastore.Block:
		t.blocks[r.ID] = r
	case metastore.Root:
		r.Sealed = slices.Clone(r.Sealed)
		t.roots[r.ID] = r
	case metastore.Pin:
		t.pins[r.Seq] = r
	case metastore.ChargeRow:
		t.charges[r.Root] = r
	case metastore.RepairRow:
		t.addRepairs(r.Member, []metastore.ID{r.ID})
	case metastore.SealedRow:
		r.Data = slices.Clone(r.Data)
		t.sealed[sealedName{r.Kind, r.Key}] = r
	}
	return true
}
