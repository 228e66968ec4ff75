package metastoretest

import (
	"context"
	"fmt"
	"maps"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// Exports: a store that can't make one fails these.
func exportChecks() []Check {
	return []Check{
		on("Export", export),
		on("ExportMany", exportMany),
		on("ExportStandsStill", exportStandsStill),
		on("ExportBreak", exportBreak),
	}
}

// export: what it gives tells what the store tells by its other calls.
func export(f fixture) error {
	if err := f.world(); err != nil {
		return err
	}
	rows, err := f.rows()
	if err != nil {
		return err
	}
	m := memory.New()
	if err := m.Import(f.ctx, yieldRows(rows, nil)); err != nil {
		return err
	}
	of := fixture{f.ctx, m}
	got, err := f.told()
	if err != nil {
		return err
	}
	want, err := of.told()
	if err == nil && got != want {
		return fmt.Errorf("the store says %v\nits export says %v", got, want)
	}
	return err
}

// told sums up what the calls other than Export tell of world.
func (f fixture) told() (string, error) {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return "", err
	}
	defer v.Close()
	id, err := f.s.Identity(f.ctx)
	if err != nil {
		return "", err
	}
	pins, err := v.Pins(f.ctx)
	if err != nil || len(pins) != 2 {
		return "", fmt.Errorf("%d pins of 2 (%w)", len(pins), err)
	}
	text := fmt.Sprint(id, v.Seq(), pins)
	for r, err := range v.AllSlots(f.ctx) {
		if err != nil {
			return "", err
		}
		log, err := f.s.Log(f.ctx, r.ID, 0)
		if err != nil {
			return "", err
		}
		files, bytes, err := v.Charged(f.ctx, r.ID)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("\n%v %v %v %d %d %v: %d %d", r.ID, r.Owner, r.Hash, r.Seq, r.Epoch, r.Version, files, bytes)
		for _, l := range log {
			text += fmt.Sprint(" ", l.Hash, l.Seq, l.Epoch, l.Version, l.Owner)
		}
	}
	for r, err := range v.SlotsAt(f.ctx, pins[0].Seq) {
		if err != nil {
			return "", err
		}
		text += fmt.Sprint("\n", r.ID, " then ", r.Hash, r.Seq)
	}
	for b, err := range v.AllBlocks(f.ctx) {
		if err != nil {
			return "", err
		}
		data, err := v.Nodes(f.ctx, []metastore.ID{b.ID})
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("\n%+v %x", b, data[0])
	}
	for r, err := range v.AllRoots(f.ctx) {
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf("\n%+v", r)
	}
	for _, k := range []uint8{testKind, testKind + 1} {
		rows, err := f.sealed(k)
		if err != nil {
			return "", err
		}
		text += fmt.Sprint("\n", rows)
	}
	r, err := metastore.AsRepairer(f.s)
	if err != nil {
		return "", err
	}
	counts, err := r.CountRepairs(f.ctx)
	for _, member := range []string{"0.1", "1"} {
		owed, err := r.Repairs(f.ctx, member, metastore.ID{}, 10)
		if err != nil {
			return "", err
		}
		text += fmt.Sprint("\n", member, owed)
	}
	return text + fmt.Sprint("\n", counts), err
}

// exportMany: of each type more rows than a driver may read at a time.
func exportMany(f fixture) error {
	const many = 600
	dir, err := f.create()
	if err != nil {
		return err
	}
	var r metastore.Request
	ids := make([]metastore.ID, many)
	for i := range many {
		n := node(dir.ID)
		id := random[metastore.SlotID]()
		in, row := inline()
		ids[i] = in.ID
		r.Nodes = append(r.Nodes, n, in)
		r.Live = append(r.Live, row)
		r.Slots = append(r.Slots, change(id, [32]byte{}))
		r.Roots = append(r.Roots, metastore.Root{ID: id})
		r.Charges = append(r.Charges, metastore.Charge{Root: id, Files: int64(i + 1)})
		r.Sealed = append(r.Sealed, metastore.SealedChange{Kind: uint8(i / 256), Key: [32]byte(id), Data: []byte{1}})
	}
	rep, err := metastore.AsRepairer(f.s)
	if err := first(err, f.commit(&r), rep.AddRepairs(f.ctx, "0", ids), rep.AddRepairs(f.ctx, "1", ids)); err != nil {
		return err
	}
	dead := metastore.Request{}
	for _, n := range r.Nodes {
		if n.Slot == dir.ID {
			dead.Dead = append(dead.Dead, n.ID)
		}
	}
	if _, err := f.update(dir, dead); err != nil {
		return err
	}
	rows, err := f.rows()
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for _, row := range rows {
		counts[fmt.Sprintf("%T", row)]++
	}
	want := map[string]int{
		"metastore.Meta": 1, "metastore.SlotRow": many + 1, "metastore.LogRow": many + 2, "metastore.NodeRow": 2 * many, "metastore.DeadRow": many,
		"metastore.Block": many, "metastore.Root": many, "metastore.ChargeRow": many, "metastore.RepairRow": 2 * many,
		"metastore.SealedRow": many,
	}
	if !maps.Equal(counts, want) {
		return fmt.Errorf("an export has %v rows, want %v", counts, want)
	}
	return nil
}

// exportStandsStill: commits between any two rows of an export go on and are not
// in it. Each writes two slots, a node, a block row and a charge at once.
func exportStandsStill(f fixture) error {
	if err := f.world(); err != nil {
		return err
	}
	a, err := f.create()
	if err != nil {
		return err
	}
	want, err := f.rows()
	if err != nil {
		return err
	}
	write := func() error {
		n, row := inline()
		a, err = f.update(a, metastore.Request{
			Slots: []metastore.SlotChange{change(random[metastore.SlotID](), [32]byte{})}, Nodes: []metastore.NewNode{n, node(a.ID)},
			Live: []metastore.BlockRow{row}, Charges: []metastore.Charge{{Root: a.ID, Files: 1}}, Roots: []metastore.Root{{ID: a.ID}},
			Sealed: []metastore.SealedChange{{Kind: 200, Key: [32]byte(n.ID), Data: []byte{1}}},
		})
		if err != nil {
			return err
		}
		r, err := metastore.AsRepairer(f.s)
		return first(err, r.AddRepairs(f.ctx, "9", []metastore.ID{row.ID}), f.s.Collector().EndDelete(f.ctx, nil))
	}
	e, err := metastore.AsExporter(f.s)
	if err != nil {
		return err
	}
	var rows []metastore.Row
	for row, err := range e.Export(f.ctx) {
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		rows = append(rows, row)
		if err := write(); err != nil {
			return fmt.Errorf("a commit while an export runs: %w", err)
		}
	}
	m := memory.New()
	if err := m.Import(f.ctx, yieldRows(rows, nil)); err != nil {
		return fmt.Errorf("what was exported while commits went on: %w", err)
	}
	return fixture{f.ctx, m}.sameRows(want)
}

// exportBreak: an export that is broken off, and one whose context ends, leave
// the store usable.
func exportBreak(f fixture) error {
	if err := f.world(); err != nil {
		return err
	}
	e, err := metastore.AsExporter(f.s)
	if err != nil {
		return err
	}
	rows, err := allRows(e.Export(f.ctx))
	if err != nil {
		return err
	}
	for stop := 0; stop < len(rows); stop += 4 {
		ctx, cancel := context.WithCancel(f.ctx)
		at := 0
		for _, err := range e.Export(ctx) {
			if err != nil {
				cancel()
				return err
			}
			if at++; at > stop {
				break
			}
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	at, last := 0, error(nil)
	for _, err := range e.Export(ctx) {
		if at, last = at+1, err; at == 2 {
			cancel()
		}
	}
	_, created := f.create()
	// What was read ahead may still come.
	if last == nil && at < len(rows) {
		return fmt.Errorf("an export whose context ended gave %d of %d rows and no error", at, len(rows))
	}
	if last != nil && kind.Of(last) != kind.Canceled {
		return fmt.Errorf("an export whose context ended: %w", last)
	}
	return created
}
