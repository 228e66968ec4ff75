package metastoretest

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/dump"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// allRows collects an export, and checks that it is one.
func allRows(rows iter.Seq2[metastore.Row, error]) (all []metastore.Row, err error) {
	for row, err := range metastore.CheckRows(rows) {
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}

func yieldRows(rows []metastore.Row, end error) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		if end != nil {
			yield(nil, end)
		}
	}
}

// rows gives what a store holds, in the form that all stores agree on: as the one
// in memory gives it that imported it.
func (f fixture) rows() ([]metastore.Row, error) {
	e, err := metastore.AsExporter(f.s)
	if err != nil {
		return nil, err
	}
	all, err := allRows(e.Export(f.ctx))
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	m := memory.New()
	if err := m.Import(f.ctx, yieldRows(all, nil)); err != nil {
		return nil, fmt.Errorf("what was exported: %w", err)
	}
	return allRows(m.Export(f.ctx))
}

// sameRows checks that a store holds just that.
func (f fixture) sameRows(want []metastore.Row) error {
	got, err := f.rows()
	if err != nil {
		return err
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("a row is missing: %T %+v", want[i], want[i])
		case i >= len(want):
			return fmt.Errorf("a row too many: %T %+v", got[i], got[i])
		case !same(got[i], want[i]):
			return fmt.Errorf("a row is %T %+v, want %T %+v", got[i], got[i], want[i], want[i])
		}
	}
	return nil
}

func same(a, b metastore.Row) bool {
	return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) && bytes.Equal(dump.AppendRow(nil, a), dump.AppendRow(nil, b))
}

// world fills a store with rows of every kind: slots with a log, some of it
// reaped, a tombstone, a shared slot; nodes that live, died, live again and were
// reaped; blocks in each state, condemned ones too; a root, pins, charges, repairs, sealed
// rows.
func (f fixture) world() error {
	o, err := f.owned(random[metastore.SlotID]())
	if err != nil {
		return err
	}
	if _, err := f.owned(random[metastore.SlotID]()); err != nil {
		return err
	}
	buried, err := f.create()
	if err != nil {
		return err
	}
	dir, dead, alive, err := f.replaced()
	if err != nil {
		return err
	}
	c := f.s.Collector()
	if err := first(f.commit(&metastore.Request{Slots: []metastore.SlotChange{bury(buried)}}), f.reaped()); err != nil {
		return err
	}
	if dir, err = f.update(dir, metastore.Request{Nodes: []metastore.NewNode{dead}, Dead: []metastore.ID{alive.ID}}); err != nil {
		return err
	}
	pin, err := c.Pin(f.ctx, far(), "a pin")
	if err != nil {
		return err
	}
	if dir, err = f.update(dir, metastore.Request{Nodes: []metastore.NewNode{alive}, Dead: []metastore.ID{dead.ID}}); err != nil {
		return err
	}
	fresh, err := f.register(random[metastore.DraftID]())
	if err != nil {
		return err
	}
	ids, err := f.lives(4)
	if err != nil {
		return err
	}
	n, row := inline()
	if err := f.commit(&metastore.Request{Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}); err != nil {
		return err
	}
	r, err := metastore.AsRepairer(f.s)
	return first(err, f.beginDelete(ids[0]), f.beginDelete(ids[1]), f.beginDelete(n.ID),
		c.EndDelete(f.ctx, []metastore.ID{ids[1], n.ID}), f.condemn(ids[2]), f.condemn(fresh.ID),
		c.Share(f.ctx, []metastore.ID{o.block}, []metastore.SlotID{o.slot.ID}),
		f.commit(&metastore.Request{
			Roots: []metastore.Root{{ID: dir.ID, Sealed: []byte("sealed"), Source: "account"}, {ID: o.slot.ID, Source: "cli"}},
		}),
		f.charge(metastore.Charge{Root: dir.ID, Files: 3, Bytes: 1 << 40}), f.s.SetCharged(f.ctx, o.slot.ID, 0, 7),
		r.AddRepairs(f.ctx, "0.1", slices.Concat(ids[2:], []metastore.ID{fresh.ID})), r.AddRepairs(f.ctx, "1", ids[3:]),
		f.seal(testKind, sealedKey(1), 0, []byte("sealed")), f.seal(testKind+1, sealedKey(0), 0, []byte{}),
		f.pinned(pin+1), c.SetNonce(f.ctx, [16]byte{}, [16]byte{7}))
}

// pinned pins once more, at a later commit than another.
func (f fixture) pinned(from uint64) error {
	seq, err := f.s.Collector().Pin(f.ctx, far(), "another")
	if err == nil && seq < from {
		return fmt.Errorf("pin gives seq %d after commit %d", seq, from)
	}
	return err
}
