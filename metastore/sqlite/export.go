package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Export implements metastore.Exporter, by a view: the write-ahead log keeps
// growing while it runs, and is cut afterwards.
func (s *Store) Export(ctx context.Context) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		opened, err := (&collector{s}).Snapshot(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer opened.Close()
		e := &export{view: opened.(*view)}
		if err := e.prepare(ctx); err != nil {
			yield(nil, err)
			return
		}
		for row, err := range e.rows(ctx) {
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// export is one run of Export.
type export struct {
	*view
	logPage, nodePage, deadPage, pins, charges, members, repairs, sealed *stmt
}

func (e *export) prepare(ctx context.Context) error {
	return e.use(ctx, func() error {
		return e.r.c.prepareAll([]statement{
			{&e.logPage, "SELECT seq, at, slots FROM log WHERE seq > ? AND slots IS NOT NULL ORDER BY seq LIMIT 64"},
			{&e.nodePage, "SELECT n, id, slot, born, data FROM node WHERE n > ? ORDER BY n LIMIT 64"},
			{&e.deadPage, "SELECT seq, dead FROM log WHERE seq > ? AND dead IS NOT NULL ORDER BY seq LIMIT 64"},
			{&e.pins, "SELECT seq, until, why FROM pin WHERE seq > ? ORDER BY seq LIMIT 64"},
			{&e.charges, "SELECT root, files, bytes FROM charge WHERE root > ? ORDER BY root LIMIT 256"},
			{&e.members, "SELECT min(member) FROM repair WHERE member > ?"},
			{&e.repairs, "SELECT id FROM repair WHERE member = ? AND id > ? ORDER BY id LIMIT 256"},
			{&e.sealed, "SELECT kind, key, rev, data FROM sealed WHERE (kind, key) > (?, ?) ORDER BY kind, key LIMIT 16"},
		})
	})
}

// rows yields what metastore.Row lists, in that order.
func (e *export) rows(ctx context.Context) iter.Seq2[metastore.Row, error] {
	parts := []iter.Seq2[metastore.Row, error]{
		e.meta(ctx),
		each(e.AllSlots(ctx), func(r metastore.Record) metastore.Row { return metastore.SlotRow{Record: r} }),
		bySeq(ctx, e, e.logPage, logRows),
		bySeq(ctx, e, e.nodePage, nodeRow),
		bySeq(ctx, e, e.deadPage, deadRows),
		each(e.AllBlocks(ctx), func(b metastore.Block) metastore.Row { return b }),
		each(e.AllRoots(ctx), func(r metastore.Root) metastore.Row { return r }),
		bySeq(ctx, e, e.pins, pinRow),
		each(e.allCharges(ctx), func(c metastore.ChargeRow) metastore.Row { return c }),
		e.allRepairs(ctx),
		e.allSealed(ctx),
	}
	return func(yield func(metastore.Row, error) bool) {
		for _, part := range parts {
			for row, err := range part {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

func (e *export) meta(ctx context.Context) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		var id metastore.Identity
		err := e.use(ctx, func() (err error) { id, err = e.r.identity(); return err })
		if err != nil {
			yield(nil, err)
			return
		}
		yield(metastore.Meta{Identity: id, Seq: e.seq}, nil)
	}
}

// each makes rows of what a view yields.
func each[R any](from iter.Seq2[R, error], row func(R) metastore.Row) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for r, err := range from {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row(r), nil) {
				return
			}
		}
	}
}

// bySeq yields the rows of a table whose key, its first column, is a number
// above zero, a page at a time; read makes rows of one of the table's.
func bySeq(ctx context.Context, e *export, s *stmt, read func(*stmt) ([]metastore.Row, error)) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for after := int64(0); ; {
			var page []metastore.Row
			met := false
			err := e.use(ctx, func() error {
				s.setInt(1, after)
				return s.each(func() error {
					met, after = true, s.int(0)
					rows, err := read(s)
					page = append(page, rows...)
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
			if !met {
				return
			}
		}
	}
}

// logRows gives the records of a log row, ascending by id.
func logRows(s *stmt) ([]metastore.Row, error) {
	seq, at := uint64(s.int(0)), timeOf(s.int(1))
	entries := s.lent(2)
	if len(entries)%logEntry != 0 {
		return nil, fmt.Errorf("sqlite: log row %d is damaged: %w", seq, kind.Corrupt)
	}
	var rows []metastore.Row
	for en := range slices.Chunk(entries, logEntry) {
		row := metastore.LogRow{At: at, Prev: binary.BigEndian.Uint64(en[logPrev:])}
		row.ID = metastore.SlotID(en[:logPrev])
		row.Seq, row.Epoch, row.Version = seq, binary.BigEndian.Uint32(en[logEpoch:]), binary.BigEndian.Uint64(en[logVersion:])
		if err := fill(&row.Record, en[logRecord:]); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b metastore.Row) int {
		x, y := a.(metastore.LogRow).ID, b.(metastore.LogRow).ID
		return bytes.Compare(x[:], y[:])
	})
	return rows, nil
}

func nodeRow(s *stmt) ([]metastore.Row, error) {
	row := metastore.NodeRow{Born: uint64(s.int(3)), Data: bytes.Clone(s.lent(4))}
	if copy(row.ID[:], s.lent(1)) != len(row.ID) {
		return nil, fmt.Errorf("sqlite: a node row is damaged: %w", kind.Corrupt)
	}
	copy(row.Slot[:], s.lent(2))
	return []metastore.Row{row}, nil
}

func deadRows(s *stmt) ([]metastore.Row, error) {
	seq, dead := uint64(s.int(0)), s.lent(1)
	if len(dead)%32 != 0 {
		return nil, fmt.Errorf("sqlite: log row %d is damaged: %w", seq, kind.Corrupt)
	}
	var rows []metastore.Row
	for id := range slices.Chunk(dead, 32) {
		rows = append(rows, metastore.DeadRow{ID: metastore.ID(id), Died: seq})
	}
	return rows, nil
}

func pinRow(s *stmt) ([]metastore.Row, error) {
	return []metastore.Row{metastore.Pin{Seq: uint64(s.int(0)), Until: timeOf(s.int(1)), Why: string(s.lent(2))}}, nil
}

func (e *export) allCharges(ctx context.Context) iter.Seq2[metastore.ChargeRow, error] {
	read := func(s *stmt) (metastore.ChargeRow, error) {
		c := metastore.ChargeRow{Files: s.int(1), Bytes: s.int(2)}
		if copy(c.Root[:], s.lent(0)) != len(c.Root) {
			return c, fmt.Errorf("sqlite: a charge row is damaged: %w", kind.Corrupt)
		}
		return c, nil
	}
	return pages(ctx, e.view, func() *stmt { return e.charges }, read, func(c *metastore.ChargeRow) [32]byte { return c.Root })
}

func (e *export) allRepairs(ctx context.Context) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for member := ""; ; {
			err := e.use(ctx, func() error {
				e.members.setText(1, member)
				member = ""
				return e.members.each(func() error { member = string(e.members.lent(0)); return nil })
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if member == "" {
				return
			}
			for row, err := range each(e.repairsOf(ctx, member), func(id metastore.ID) metastore.Row {
				return metastore.RepairRow{Member: member, ID: id}
			}) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

func (e *export) repairsOf(ctx context.Context, member string) iter.Seq2[metastore.ID, error] {
	query := func() *stmt {
		e.repairs.setText(1, member)
		return e.repairs
	}
	read := func(s *stmt) (id metastore.ID, err error) {
		if copy(id[:], s.lent(0)) != len(id) {
			err = fmt.Errorf("sqlite: a repair row is damaged: %w", kind.Corrupt)
		}
		return id, err
	}
	return pagesFrom(ctx, e.view, 2, query, read, func(id *metastore.ID) [32]byte { return *id })
}
