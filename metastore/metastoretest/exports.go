package metastoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// Export and import: a store that can't fails these.
func exportChecks() []Check {
	return []Check{
		on("Export", export),
		on("ExportStandsStill", exportStandsStill),
		on("ExportBreak", exportBreak),
		on("Import", imported),
		on("ImportGoesOn", importGoesOn),
		on("ImportNotEmpty", importNotEmpty),
		on("ImportAllOrNothing", importAllOrNothing),
		on("ImportInvalid", importInvalid),
		on("ImportPanics", importPanics),
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

// elsewhere gives the rows of a world made in memory.
func (f fixture) elsewhere() ([]metastore.Row, error) {
	m := fixture{f.ctx, memory.New()}
	if err := m.world(); err != nil {
		return nil, err
	}
	return m.rows()
}

func (f fixture) importRows(rows []metastore.Row, end error) error {
	e, err := metastore.AsExporter(f.s)
	if err != nil {
		return err
	}
	return e.Import(f.ctx, yieldRows(rows, end))
}

func imported(f fixture) error {
	rows, err := f.elsewhere()
	if err != nil {
		return err
	}
	// A gateway that has spoken is nothing that an import would lose.
	if err := f.s.Heartbeat(f.ctx, random[metastore.GatewayID](), 0, time.Hour); err != nil {
		return err
	}
	if err := first(f.importRows(rows, nil), f.sameRows(rows)); err != nil {
		return err
	}
	usage, err := f.usage()
	if err != nil {
		return err
	}
	m := memory.New()
	if err := m.Import(f.ctx, yieldRows(rows, nil)); err != nil {
		return err
	}
	want, err := fixture{f.ctx, m}.usage()
	if err == nil && usage != want {
		return fmt.Errorf("usage after an import is %v, want %v", usage, want)
	}
	return err
}

// importGoesOn: commits, logs, deaths and reaping go on where the rows end.
func importGoesOn(f fixture) error {
	m := fixture{f.ctx, memory.New()}
	if err := m.world(); err != nil {
		return err
	}
	dir, dead, alive, err := m.replaced()
	if err != nil {
		return err
	}
	rows, err := m.rows()
	if err != nil {
		return err
	}
	if err := first(f.importRows(rows, nil), f.unchanged(dir), f.hasNode("an imported dead node", dead.ID)); err != nil {
		return err
	}
	next, err := f.update(dir, metastore.Request{Dead: []metastore.ID{alive.ID}})
	if err != nil {
		return err
	}
	if next.Seq != dir.Seq+1 || next.Version != dir.Version+1 {
		return fmt.Errorf("the first commit after an import is version %d of seq %d after %d of %d", next.Version, next.Seq, dir.Version, dir.Seq)
	}
	log, err := f.s.Log(f.ctx, dir.ID, 0)
	if err != nil {
		return err
	}
	if len(log) != 4 || log[2].Hash != dir.Hash || log[3].Hash != next.Hash {
		return fmt.Errorf("the log of an imported slot of 3 records has %d after one more", len(log))
	}
	if err := first(f.reaped(), f.noNode(dead.ID), f.noNode(alive.ID)); err != nil {
		return err
	}
	return f.noBlockOf(rows)
}

// noBlockOf: what is imported in whatever state can't be registered anew.
func (f fixture) noBlockOf(rows []metastore.Row) error {
	for _, row := range rows {
		b, is := row.(metastore.Block)
		if !is {
			continue
		}
		err := f.s.Register(f.ctx, random[metastore.GatewayID](), random[metastore.DraftID](), []metastore.BlockRow{b.BlockRow})
		if err := wantKind("registering an imported block", err, kind.Conflict); err != nil {
			return err
		}
	}
	return nil
}

func importNotEmpty(f fixture) error {
	rows, err := f.elsewhere()
	if err != nil {
		return err
	}
	if err := f.world(); err != nil {
		return err
	}
	before, err := f.rows()
	if err != nil {
		return err
	}
	return first(wantKind("import into what is not empty", f.importRows(rows, nil), kind.Conflict), f.sameRows(before))
}

// importAllOrNothing: rows that break off anywhere leave nothing.
func importAllOrNothing(f fixture) error {
	rows, err := f.elsewhere()
	if err != nil {
		return err
	}
	before, err := f.rows()
	if err != nil {
		return err
	}
	broken := errors.New("the rows break off")
	for n := 0; n < len(rows); n += 3 {
		if err := f.importRows(rows[:n], broken); !errors.Is(err, broken) {
			return fmt.Errorf("import of %d rows and an error: %w", n, err)
		}
		if err := f.sameRows(before); err != nil {
			return fmt.Errorf("after %d rows that broke off: %w", n, err)
		}
	}
	return first(f.importRows(rows, nil), f.sameRows(rows))
}

// importInvalid: rows that can't be a metastore's leave nothing.
func importInvalid(f fixture) error {
	rows, err := f.elsewhere()
	if err != nil {
		return err
	}
	before, err := f.rows()
	if err != nil {
		return err
	}
	without := func(drop func(metastore.Row) bool) []metastore.Row {
		return slices.DeleteFunc(slices.Clone(rows), drop)
	}
	is := func(want metastore.Row) func(metastore.Row) bool {
		return func(row metastore.Row) bool { return fmt.Sprintf("%T", row) == fmt.Sprintf("%T", want) }
	}
	node := slices.IndexFunc(rows, is(metastore.NodeRow{}))
	cases := map[string][]metastore.Row{
		"nothing":        nil,
		"no meta":        rows[1:],
		"no log":         without(is(metastore.LogRow{})),
		"no slots":       without(is(metastore.SlotRow{})),
		"a node twice":   slices.Insert(slices.Clone(rows), node, rows[node]),
		"a slot twice":   slices.Insert(slices.Clone(rows), 1, rows[1]),
		"a later record": slices.Insert(slices.Clone(rows), node, later(rows, node-1)),
	}
	for name, bad := range cases {
		if err := first(wantKind("import of "+name, f.importRows(bad, nil), kind.Invalid), f.sameRows(before)); err != nil {
			return err
		}
	}
	return nil
}

// later is a log row above its slot's newest record.
func later(rows []metastore.Row, last int) metastore.Row {
	meta := rows[0].(metastore.Meta)
	row := rows[last].(metastore.LogRow)
	slot := rows[1].(metastore.SlotRow)
	row.Record = slot.Record
	row.Owner, row.Seq, row.Prev = metastore.SlotID{}, meta.Seq, slot.Seq
	return row
}

// importPanics: rows that panic leave nothing, and the store usable.
func importPanics(f fixture) (err error) {
	rows, err := f.elsewhere()
	if err != nil {
		return err
	}
	e, err := metastore.AsExporter(f.s)
	if err != nil {
		return err
	}
	before, err := f.rows()
	if err != nil {
		return err
	}
	func() {
		defer func() {
			if recover() == nil {
				err = fmt.Errorf("a panic of rows was swallowed")
			}
		}()
		_ = e.Import(f.ctx, func(yield func(metastore.Row, error) bool) {
			yieldRows(rows[:len(rows)/2], nil)(yield)
			panic("in the middle")
		})
	}()
	return first(err, f.sameRows(before), f.importRows(rows, nil), f.sameRows(rows))
}
