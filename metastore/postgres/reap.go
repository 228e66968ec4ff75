package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/metastore"
)

// longLapsed is how long a lapsed gateway is remembered at least, so that it
// hears from Heartbeat that it had lapsed.
const longLapsed = 90 * 24 * time.Hour

// reaper is one run of Reap.
type reaper struct {
	s       *Store
	now     int64
	cutoff  int64 // records that were replaced before go
	newest  uint64
	horizon uint64 // what formats 11 calls h
	end     uint64 // of the log that is looked at
	pins    []metastore.Pin
	dryRun  bool
	got     metastore.Reaped
}

// Reap implements metastore.Collector.
func (c *collector) Reap(ctx context.Context, keep time.Duration, dryRun bool) (metastore.Reaped, error) {
	r := &reaper{s: c.s, dryRun: dryRun}
	if err := r.begin(ctx, keep); err != nil {
		return r.got, err
	}
	if err := r.reapNamed(ctx); err != nil {
		return r.got, err
	}
	if dryRun {
		return r.got, nil
	}
	if err := r.reapLog(ctx); err != nil {
		return r.got, err
	}
	return r.got, r.reapLapsed(ctx, r.now-int64(max(keep, longLapsed)))
}

// begin finds the newest commit and the horizon, which is no younger, raises the
// floor to the former, and then reads the pins: one that is not seen by then pins
// the newest commit or a younger one (see Pin and PinAt), which needs nothing that
// died or was replaced by the newest. The gateways' rows are locked as in BeginDelete.
func (r *reaper) begin(ctx context.Context, keep time.Duration) error {
	err := r.s.transact(ctx, "find what may be dropped", func(ctx context.Context, c *pgx.Conn, now int64) error {
		r.now, r.cutoff = now, now-int64(keep)
		var oldest, kept, young *uint64
		b := &pgx.Batch{}
		b.Queue("SELECT FROM gateway ORDER BY id FOR SHARE")
		b.Queue("SELECT ("+newest+"), (SELECT min(oldest) FROM gateway WHERE lease > $1)", now).QueryRow(into(&r.newest, &oldest))
		b.Queue(`SELECT (SELECT seq FROM log WHERE at >= $1 AND slots ORDER BY seq LIMIT 1), (SELECT seq FROM log WHERE at >= $1 ORDER BY seq LIMIT 1)`,
			r.cutoff).QueryRow(into(&kept, &young))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		r.horizon = r.newest
		for _, seq := range []*uint64{oldest, kept} {
			if seq != nil {
				r.horizon = min(r.horizon, *seq)
			}
		}
		if r.end = r.newest; young != nil {
			r.end = max(r.horizon, *young)
		}
		if r.dryRun {
			return nil
		}
		b = &pgx.Batch{}
		queueFloor(b, r.newest)
		return send(ctx, c, b)
	})
	if err != nil {
		return err
	}
	r.horizon = r.s.oldestView(r.horizon)
	return r.s.read(ctx, "read pins", func(ctx context.Context, c *pgx.Conn) (err error) {
		r.pins, err = readPins(ctx, c, r.now)
		return err
	})
}

// logNames is a row of log with what it names.
type logNames struct {
	seq            uint64
	old            bool // replaced before the cutoff
	replaced, dead []byte
}

// replacedEntry is the length of an entry of replaced: id, seq.
const replacedEntry = 32 + 8

// nameRows is how many of them one transaction deals with.
const nameRows = 64

// reapNamed drops the nodes and records that the log names as dead and replaced.
func (r *reaper) reapNamed(ctx context.Context) error {
	for after := uint64(0); ; {
		var rows []logNames
		var got metastore.Reaped
		step := func(ctx context.Context, c *pgx.Conn, _ int64) (err error) {
			got = metastore.Reaped{}
			if rows, err = r.page(ctx, c, after); err != nil || len(rows) == 0 {
				return err
			}
			got, err = r.sift(ctx, c, rows)
			return err
		}
		var err error
		if r.dryRun {
			err = r.s.read(ctx, "count what is dead", func(ctx context.Context, c *pgx.Conn) error { return step(ctx, c, 0) })
		} else {
			err = r.s.transact(ctx, "drop what is dead", step)
		}
		if err != nil || len(rows) == 0 {
			return err
		}
		r.got.Nodes += got.Nodes
		r.got.NodeBytes += got.NodeBytes
		r.got.LogRows += got.LogRows
		after = rows[len(rows)-1].seq
	}
}

func (r *reaper) page(ctx context.Context, c *pgx.Conn, after uint64) (rows []logNames, err error) {
	sql := `SELECT seq, at < $3, replaced, dead FROM log WHERE seq > $1 AND seq <= $2
		AND (replaced IS NOT NULL AND at < $3 OR dead IS NOT NULL AND seq <= $4) ORDER BY seq LIMIT $5`
	if !r.dryRun {
		sql += " FOR UPDATE" // a repeated request may revive nodes
	}
	err = query(ctx, c, func(row pgx.CollectableRow) error {
		var l logNames
		err := row.Scan(&l.seq, &l.old, &l.replaced, &l.dead)
		if err == nil && (len(l.dead)%32 != 0 || len(l.replaced)%replacedEntry != 0) {
			err = corrupt("row %d of log is damaged", l.seq)
		}
		rows = append(rows, l)
		return err
	}, sql, after, r.end, r.cutoff, r.horizon, nameRows)
	return rows, err
}

// deadNode is what counts of a node that is said to be dead.
type deadNode struct {
	born   uint64
	size   int64
	ofSlot bool
}

// pinned tells whether a pin needs what was valid from one commit until another.
func (r *reaper) pinned(from, until uint64) bool {
	return slices.ContainsFunc(r.pins, func(p metastore.Pin) bool { return from <= p.Seq && p.Seq < until })
}

// sift counts, and drops but in a dry run, those of the nodes and records that rows
// name and nobody needs. The rows keep the others' names.
func (r *reaper) sift(ctx context.Context, c *pgx.Conn, rows []logNames) (got metastore.Reaped, err error) {
	nodes, err := r.deadNodes(ctx, c, rows)
	if err != nil {
		return got, err
	}
	var dropNodes, dropRecords, keptReplaced, keptDead [][]byte
	var seqs, recordSeqs []int64
	for i := range rows {
		row := &rows[i]
		drop, kept := r.siftNodes(row, nodes, &got)
		dropNodes, keptDead = append(dropNodes, drop...), append(keptDead, kept)
		kept = nil
		for e := range slices.Chunk(row.replaced, replacedEntry) {
			seq := binary.BigEndian.Uint64(e[32:])
			if !row.old || r.pinned(seq, row.seq) {
				kept = append(kept, e...)
			} else {
				dropRecords, recordSeqs = append(dropRecords, e[:32]), append(recordSeqs, int64(seq))
			}
		}
		seqs, keptReplaced = append(seqs, int64(row.seq)), append(keptReplaced, kept)
	}
	got.LogRows = len(dropRecords)
	if r.dryRun {
		return got, nil
	}
	b := &pgx.Batch{}
	slices.SortFunc(dropNodes, bytes.Compare)
	b.Queue("DELETE FROM node WHERE id = ANY($1)", dropNodes)
	b.Queue("DELETE FROM record r USING unnest($1::bytea[], $2::bigint[]) AS u(id, seq) WHERE r.id = u.id AND r.seq = u.seq", dropRecords, recordSeqs)
	b.Queue(`UPDATE log SET replaced = u.replaced, dead = u.dead FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS u(seq, replaced, dead)
		WHERE log.seq = u.seq`, seqs, keptReplaced, keptDead)
	return got, send(ctx, c, b)
}

// siftNodes does so for the nodes that one row names. One that is dropped is forgotten
// in nodes: of several deaths the first counts.
func (r *reaper) siftNodes(row *logNames, nodes map[metastore.ID]deadNode, got *metastore.Reaped) (drop [][]byte, kept []byte) {
	if row.seq > r.horizon {
		return nil, row.dead
	}
	for id := range slices.Chunk(row.dead, 32) {
		n, there := nodes[metastore.ID(id)]
		switch {
		case !there || !n.ofSlot || n.born > row.seq:
		case r.pinned(n.born, row.seq):
			kept = append(kept, id...)
		default:
			got.Nodes++
			got.NodeBytes += n.size
			drop = append(drop, id)
			delete(nodes, metastore.ID(id))
		}
	}
	return drop, kept
}

func (r *reaper) deadNodes(ctx context.Context, c *pgx.Conn, rows []logNames) (map[metastore.ID]deadNode, error) {
	var ids [][]byte
	for i := range rows {
		if rows[i].seq <= r.horizon {
			ids = slices.AppendSeq(ids, slices.Chunk(rows[i].dead, 32))
		}
	}
	nodes := make(map[metastore.ID]deadNode, len(ids))
	err := query(ctx, c, func(row pgx.CollectableRow) error {
		var id []byte
		var n deadNode
		if err := row.Scan(&id, &n.born, &n.size, &n.ofSlot); err != nil {
			return err
		}
		var key metastore.ID
		err := setID(key[:], id, "node")
		nodes[key] = n
		return err
	}, "SELECT id, born, octet_length(data), slot IS NOT NULL FROM node WHERE id = ANY($1)", ids)
	return nodes, err
}

// droppedRows is how many rows of log one transaction drops.
const droppedRows = 2048

// reapLog drops rows of log that are older than the cutoff and name nothing any
// more, but never the newest.
func (r *reaper) reapLog(ctx context.Context) error {
	const sql = `WITH old AS (SELECT seq FROM log WHERE replaced IS NULL AND dead IS NULL AND at < $2 AND seq < $1 AND seq <= $3 ORDER BY seq LIMIT $4),
		w AS (DELETE FROM log USING old WHERE log.seq = old.seq AND replaced IS NULL AND dead IS NULL RETURNING 1)
		SELECT count(*) FROM w`
	for {
		n := 0
		err := r.s.change(ctx, "shorten the log", func(b *pgx.Batch) {
			b.Queue(sql, r.newest, r.cutoff, r.end, droppedRows).QueryRow(into(&n))
		})
		if err != nil || n < droppedRows {
			return err
		}
	}
}

func (r *reaper) reapLapsed(ctx context.Context, before int64) error {
	err := r.s.change(ctx, "drop what has lapsed", func(b *pgx.Batch) {
		b.Queue("DELETE FROM draft WHERE lease < $1", before)
		b.Queue("DELETE FROM gateway WHERE lease < $1", before)
		b.Queue("DELETE FROM pin WHERE until <= $1", r.now)
	})
	if err == nil {
		r.s.foldNow(ctx)
	}
	return err
}
