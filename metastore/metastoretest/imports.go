package metastoretest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// Imports: a store that takes none fails these.
func importChecks() []Check {
	return []Check{
		on("Import", imported),
		on("ImportGoesOn", importGoesOn),
		on("ImportNotEmpty", importNotEmpty),
		on("ImportAllOrNothing", importAllOrNothing),
		on("ImportInvalid", importInvalid),
		on("ImportPanics", importPanics),
	}
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
