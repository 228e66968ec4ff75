package postgres

import (
	"context"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Export implements metastore.Exporter, in a view of its own.
func (s *Store) Export(ctx context.Context) iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		v, err := s.openView(ctx)
		if err != nil {
			yield(nil, failed(ctx, "export", err))
			return
		}
		defer v.Close()
		v.mu.Lock()
		defer v.mu.Unlock()
		e := &exporter{v: v, yield: func(r metastore.Row) bool { return yield(r, nil) }}
		if err := e.run(ctx); err != nil && !e.ended {
			yield(nil, failed(ctx, "export", err))
		}
	}
}

type exporter struct {
	v     *view
	yield func(metastore.Row) bool
	ended bool // the reader has had enough
}

func (e *exporter) give(r metastore.Row) error {
	if !e.yield(r) {
		e.ended = true
		return kind.Canceled // heard by Export only
	}
	return nil
}

// run streams table by table. Here, and only here, whole tables are read.
func (e *exporter) run(ctx context.Context) error {
	c := e.v.conn
	if c == nil {
		return kind.Closed
	}
	_, err := c.Exec(ctx, "SELECT set_config('statement_timeout', '0', true), set_config('enable_seqscan', 'on', true)")
	if err != nil {
		return err
	}
	id, err := readIdentity(ctx, c)
	if err != nil {
		return err
	}
	if err := e.give(metastore.Meta{Identity: id, Seq: e.v.seq}); err != nil {
		return err
	}
	for _, table := range e.tables() {
		if err := query(ctx, c, table.row, table.sql); err != nil {
			return err
		}
	}
	return nil
}

type exportedTable struct {
	sql string
	row func(pgx.CollectableRow) error
}

// tables are in the order of metastore.Row.
func (e *exporter) tables() []exportedTable {
	return []exportedTable{
		{"SELECT " + slotColumns + " FROM slot s, LATERAL (SELECT * FROM record WHERE record.id = s.id ORDER BY record.seq DESC LIMIT 1) AS r ORDER BY s.id", e.slot},
		{"SELECT id, seq, prev, at, epoch, ver, NULL::bytea AS owner, rec FROM record ORDER BY seq, id", e.log},
		{"SELECT id, data, slot, born FROM node", e.node},
		{"SELECT seq, dead FROM log WHERE dead IS NOT NULL ORDER BY seq", e.dead},
		{"SELECT " + blockColumns + " FROM blk ORDER BY id", e.block},
		{"SELECT id, sealed, source, seen FROM root ORDER BY id", e.root},
		{"SELECT seq, until, why FROM pin ORDER BY seq", e.pin},
		{"SELECT DISTINCT ON (root) root, files, bytes FROM charge ORDER BY root, n DESC", e.charge},
		{"SELECT member, id FROM repair ORDER BY member, id", e.repair},
		{"SELECT " + sealedColumns + " FROM sealed ORDER BY kind, key", e.sealed},
	}
}

func (e *exporter) slot(row pgx.CollectableRow) error {
	var r slotRow
	if err := r.scan(row); err != nil {
		return err
	}
	return e.give(metastore.SlotRow{Record: r.Record})
}

func (e *exporter) log(row pgx.CollectableRow) error {
	var r slotRow
	if err := r.scan(row); err != nil {
		return err
	}
	return e.give(metastore.LogRow{Record: r.Record, At: timeOf(r.at), Prev: r.prev})
}

func (e *exporter) node(row pgx.CollectableRow) error {
	var n metastore.NodeRow
	var id, slot []byte
	if err := row.Scan(&id, &n.Data, &slot, &n.Born); err != nil {
		return err
	}
	if err := setID(n.ID[:], id, "node"); err != nil {
		return err
	}
	if err := setOptional(n.Slot[:], slot, "node"); err != nil {
		return err
	}
	return e.give(n)
}

func (e *exporter) dead(row pgx.CollectableRow) error {
	var l logNames
	if err := row.Scan(&l.seq, &l.dead); err != nil {
		return err
	}
	for id := range slices.Chunk(l.dead, 32) {
		d := metastore.DeadRow{Died: l.seq}
		if err := setID(d.ID[:], id, "log"); err != nil {
			return err
		}
		if err := e.give(d); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) block(row pgx.CollectableRow) error {
	b, err := scanBlock(row)
	if err != nil {
		return err
	}
	return e.give(b)
}

func (e *exporter) root(row pgx.CollectableRow) error {
	var r metastore.Root
	if _, err := scanRoot(row, &r); err != nil {
		return err
	}
	return e.give(r)
}

func (e *exporter) pin(row pgx.CollectableRow) error {
	p, err := scanPin(row)
	if err != nil {
		return err
	}
	return e.give(p)
}

func (e *exporter) charge(row pgx.CollectableRow) error {
	var c metastore.ChargeRow
	var root []byte
	if err := row.Scan(&root, &c.Files, &c.Bytes); err != nil {
		return err
	}
	if err := setID(c.Root[:], root, "charge"); err != nil {
		return err
	}
	return e.give(c)
}

func (e *exporter) repair(row pgx.CollectableRow) error {
	var r metastore.RepairRow
	var id []byte
	if err := row.Scan(&r.Member, &id); err != nil {
		return err
	}
	if err := setID(r.ID[:], id, "repair"); err != nil {
		return err
	}
	return e.give(r)
}

func (e *exporter) sealed(row pgx.CollectableRow) error {
	r, err := scanSealed(row)
	if err != nil {
		return err
	}
	return e.give(r)
}
