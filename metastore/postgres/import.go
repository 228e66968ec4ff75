package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Import implements metastore.Exporter, in one transaction, while which others wait
// to write.
func (s *Store) Import(ctx context.Context, rows iter.Seq2[metastore.Row, error]) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	conn, err := s.acquire(ctx)
	if err != nil {
		return failed(ctx, "import", err)
	}
	defer conn.Release()
	next, stop := iter.Pull2(metastore.CheckRows(rows))
	defer stop()
	i := &importer{s: s, ctx: ctx, conn: conn.Conn(), next: next}
	err = i.run()
	if err != nil {
		rollback(i.conn)
	}
	if i.panicked != nil {
		panic(i.panicked)
	}
	return failed(ctx, "import", err)
}

// importer reads rows on behalf of COPY, which asks for one after another.
type importer struct {
	s    *Store
	ctx  context.Context
	conn *pgx.Conn
	next func() (metastore.Row, error, bool)

	row      metastore.Row // the one that was read last; nil at the end
	err      error         // of rows
	panicked any           // what rows panicked with, elsewhere than in our goroutine
	values   []any         // of the row that COPY gets next
	read     func() []any  // gives those of i.row and reads on, or nil

	slots int64 // imported
}

func (i *importer) run() error {
	if err := i.begin(); err != nil {
		return err
	}
	i.advance()
	meta, ok := i.row.(metastore.Meta)
	if !ok {
		return i.err // CheckRows has seen to it that there is one
	}
	i.advance()
	for _, t := range i.tables() {
		n, err := i.conn.CopyFrom(i.ctx, pgx.Identifier{i.s.c.schema, t.name}, t.columns, i.of(t.values))
		switch {
		case i.err != nil:
			return i.err
		case codeOf(err) == uniqueViolation:
			return fmt.Errorf("postgres: import: a row of table %s comes twice: %w", t.name, kind.Invalid)
		case err != nil:
			return err
		}
		if t.name == "imported" {
			i.slots = n
		}
	}
	return i.finish(meta)
}

// begin locks everybody out and requires that nothing is there.
func (i *importer) begin() error {
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue("SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true), set_config('enable_seqscan', 'on', true)")
	b.Queue("SELECT pg_advisory_xact_lock($1, $2)", i.s.key, lockView)
	b.Queue("SELECT pg_advisory_xact_lock($1, $2)", i.s.key, lockCommit)
	var full bool
	b.Queue(`SELECT (` + newest + `) > 1 OR EXISTS (SELECT FROM blk) OR EXISTS (SELECT FROM draft) OR EXISTS (SELECT FROM pin)
		OR EXISTS (SELECT FROM charge) OR EXISTS (SELECT FROM repair)`).QueryRow(into(&full))
	b.Queue("DELETE FROM log")
	b.Queue("DELETE FROM total")
	if err := send(i.ctx, i.conn, b); err != nil {
		return err
	}
	if full {
		return fmt.Errorf("postgres: import: the metastore is not empty: %w", kind.Conflict)
	}
	return nil
}

// advance reads the next row. COPY calls it in a goroutine of its own, where a
// panic would end the process.
func (i *importer) advance() {
	defer func() {
		if p := recover(); p != nil {
			i.row, i.panicked, i.err = nil, p, fmt.Errorf("postgres: import: broken off: %w", kind.Other)
		}
	}()
	row, err, more := i.next()
	if err == nil && i.ctx.Err() != nil {
		err = fmt.Errorf("postgres: import: %w: %w", kind.Canceled, i.ctx.Err())
	}
	if i.row = row; err != nil || !more {
		i.row, i.err = nil, err
	}
}

// of reads what a table takes of the rows that come next: values gives nil for the
// first row that is another's.
func (i *importer) of(values func() []any) pgx.CopyFromSource {
	i.read = values
	return i
}

// Next implements pgx.CopyFromSource.
func (i *importer) Next() bool {
	if i.err != nil || i.row == nil {
		return false
	}
	i.values = i.read()
	return i.values != nil && i.err == nil
}

// Values implements pgx.CopyFromSource.
func (i *importer) Values() ([]any, error) { return i.values, nil }

// Err implements pgx.CopyFromSource.
func (i *importer) Err() error { return i.err }

type importedTable struct {
	name    string
	columns []string
	values  func() []any
}

// one gives the values of the next row if that is an R.
func one[R metastore.Row](i *importer, values func(R) []any) func() []any {
	return func() []any {
		r, ok := i.row.(R)
		if !ok {
			return nil
		}
		v := values(r)
		i.advance()
		return v
	}
}

// tables are in the order of metastore.Row. What is missing is made up by finish.
func (i *importer) tables() []importedTable {
	return []importedTable{
		{"imported", []string{"id", "seq", "owner", "rec"}, one(i, func(r metastore.SlotRow) []any {
			return []any{r.ID[:], int64(r.Seq), orNull(r.Owner), r.Bytes}
		})},
		{"record", []string{"id", "seq", "prev", "at", "epoch", "ver", "rec"}, one(i, func(r metastore.LogRow) []any {
			return []any{r.ID[:], int64(r.Seq), int64(r.Prev), metastore.Nanos(r.At), int64(r.Epoch), int64(r.Version), r.Bytes}
		})},
		{"node", []string{"id", "slot", "born", "data"}, one(i, func(r metastore.NodeRow) []any {
			return []any{r.ID[:], orNull(r.Slot), int64(r.Born), r.Data}
		})},
		{"log", []string{"seq", "at", "slots", "dead"}, i.dead},
		{
			"blk",
			[]string{"id", "len", "state", "inline", "seen", "owner", "draft", "condemned_at", "condemned_seq"},
			one(i, blockValues),
		},
		{"root", []string{"id", "sealed", "source", "seen"}, one(i, func(r metastore.Root) []any {
			return []any{r.ID[:], append([]byte{}, r.Sealed...), r.Source, metastore.Nanos(r.Seen)}
		})},
		{"pin", []string{"seq", "until", "why"}, one(i, func(r metastore.Pin) []any {
			return []any{int64(r.Seq), metastore.Nanos(r.Until), r.Why}
		})},
		{"charge", []string{"root", "n", "files", "bytes"}, one(i, func(r metastore.ChargeRow) []any {
			return []any{r.Root[:], int64(1), r.Files, r.Bytes}
		})},
		{"repair", []string{"member", "id"}, one(i, func(r metastore.RepairRow) []any {
			return []any{r.Member, r.ID[:]}
		})},
		{"sealed", []string{"kind", "key", "rev", "data"}, one(i, func(r metastore.SealedRow) []any {
			return []any{int16(r.Kind), r.Key[:], int64(r.Rev), r.Data}
		})},
	}
}

func blockValues(b metastore.Block) []any {
	var draft []byte
	var at, seq *int64
	if b.Draft != (metastore.DraftID{}) {
		draft = b.Draft[:]
	}
	if !b.CondemnedAt.IsZero() {
		condemned, by := metastore.Nanos(b.CondemnedAt), int64(b.CondemnedSeq)
		at, seq = &condemned, &by
	}
	return []any{b.ID[:], b.Len, int16(b.State), b.Inline, metastore.Nanos(b.Seen), orNull(b.Owner), draft, at, seq}
}

// dead gathers the dead of one commit.
func (i *importer) dead() []any {
	d, ok := i.row.(metastore.DeadRow)
	if !ok {
		return nil
	}
	seq := d.Died
	var list []byte
	for ok && d.Died == seq {
		list = append(list, d.ID[:]...)
		i.advance()
		d, ok = i.row.(metastore.DeadRow)
	}
	return []any{int64(seq), int64(0), false, list}
}

// finish makes up what follows from the rows, and requires that each slot is what
// its log leads to.
func (i *importer) finish(meta metastore.Meta) error {
	if i.row != nil {
		return fmt.Errorf("postgres: import: a %T does not fit here: %w", i.row, kind.Invalid)
	}
	var matched int64
	var astray bool
	b := &pgx.Batch{}
	b.Queue("SELECT count(*) FROM imported s JOIN record r ON r.id = s.id AND r.seq = s.seq AND r.rec = s.rec").QueryRow(into(&matched))
	b.Queue("SELECT EXISTS (SELECT FROM record r LEFT JOIN imported s USING (id) WHERE s.id IS NULL OR r.seq > s.seq)").QueryRow(into(&astray))
	b.Queue("INSERT INTO slot (id, owner) SELECT id, owner FROM imported")
	b.Queue("DELETE FROM imported")
	b.Queue(`INSERT INTO log (seq, at, slots, replaced)
		SELECT seq, max(at), true, string_agg(id || int8send(before), '' ORDER BY id) FILTER (WHERE before IS NOT NULL)
		FROM (SELECT id, seq, at, lag(seq) OVER (PARTITION BY id ORDER BY seq) AS before FROM record) AS r GROUP BY seq
		ON CONFLICT (seq) DO UPDATE SET at = excluded.at, slots = true, replaced = excluded.replaced`)
	b.Queue("INSERT INTO log (seq, at, slots) SELECT $1, 0, false ON CONFLICT DO NOTHING", int64(meta.Seq))
	b.Queue("UPDATE log SET at = (SELECT max(at) FROM log) WHERE seq = $1", int64(meta.Seq))
	b.Queue("INSERT INTO charge (root, n, files, bytes) SELECT root, 0, 0, 0 FROM charge")
	b.Queue("INSERT INTO total SELECT count(*), sum(len)::bigint FROM blk WHERE state <= 2 HAVING count(*) > 0")
	b.Queue("UPDATE identity SET uuid = $1, nonce = $2, floor = $3", meta.Identity.UUID[:], meta.Identity.Nonce[:], meta.Seq)
	if err := send(i.ctx, i.conn, b); err != nil {
		return err
	}
	if matched != i.slots || astray {
		return fmt.Errorf("postgres: import: the log does not lead to the slots: %w", kind.Invalid)
	}
	_, err := i.conn.Exec(context.WithoutCancel(i.ctx), "commit")
	if err != nil && !answered(err) && !errors.Is(err, kind.Canceled) {
		return fmt.Errorf("postgres: import: the outcome is unknown: %w: %w", kind.Unavailable, err)
	}
	return err
}
