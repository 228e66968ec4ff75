package postgres

import (
	"bytes"
	"context"
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
	cutoff  int64 // records written before go
	newest  uint64
	horizon uint64 // what formats 11 calls h
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
	if err := r.reapNodes(ctx); err != nil {
		return r.got, err
	}
	if err := r.reapRecords(ctx); err != nil {
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
		var oldest, kept *uint64
		b := &pgx.Batch{}
		b.Queue("SELECT FROM gateway ORDER BY id FOR SHARE")
		b.Queue("SELECT ("+newest+"), (SELECT min(oldest) FROM gateway WHERE lease > $1)", now).QueryRow(into(&r.newest, &oldest))
		b.Queue("SELECT (SELECT seq FROM log WHERE at >= $1 AND slots ORDER BY seq LIMIT 1)", r.cutoff).QueryRow(into(&kept))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		r.horizon = r.newest
		for _, seq := range []*uint64{oldest, kept} {
			if seq != nil {
				r.horizon = min(r.horizon, *seq)
			}
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

// logDead is a row of log that has dead nodes.
type logDead struct {
	seq  uint64
	dead []byte
}

// deadRows is how many of them one transaction deals with.
const deadRows = 64

func (r *reaper) reapNodes(ctx context.Context) error {
	for after := uint64(0); ; {
		var rows []logDead
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
			err = r.s.read(ctx, "count dead nodes", func(ctx context.Context, c *pgx.Conn) error { return step(ctx, c, 0) })
		} else {
			err = r.s.transact(ctx, "drop dead nodes", step)
		}
		if err != nil || len(rows) == 0 {
			return err
		}
		r.got.Nodes += got.Nodes
		r.got.NodeBytes += got.NodeBytes
		after = rows[len(rows)-1].seq
	}
}

func (r *reaper) page(ctx context.Context, c *pgx.Conn, after uint64) (rows []logDead, err error) {
	sql := "SELECT seq, dead FROM log WHERE seq > $1 AND seq <= $2 AND dead IS NOT NULL ORDER BY seq LIMIT $3"
	if !r.dryRun {
		sql += " FOR UPDATE" // a repeated request may revive nodes
	}
	err = query(ctx, c, func(row pgx.CollectableRow) error {
		var l logDead
		err := row.Scan(&l.seq, &l.dead)
		rows = append(rows, l)
		return err
	}, sql, after, r.horizon, deadRows)
	return rows, err
}

// deadNode is what counts of a node that is said to be dead.
type deadNode struct {
	born   uint64
	size   int64
	ofSlot bool
}

// sift counts, and drops but in a dry run, those of the nodes in rows that nobody
// needs; rows keep those that a pin needs.
func (r *reaper) sift(ctx context.Context, c *pgx.Conn, rows []logDead) (got metastore.Reaped, err error) {
	nodes, err := deadNodes(ctx, c, rows)
	if err != nil {
		return got, err
	}
	var drop, kept [][]byte
	seqs := make([]uint64, len(rows))
	for i, row := range rows {
		var keep []byte
		for id := range slices.Chunk(row.dead, 32) {
			n, there := nodes[metastore.ID(id)]
			switch {
			case !there || !n.ofSlot || n.born > row.seq:
			case slices.ContainsFunc(r.pins, func(p metastore.Pin) bool { return n.born <= p.Seq && p.Seq < row.seq }):
				keep = append(keep, id...)
			default:
				got.Nodes++
				got.NodeBytes += n.size
				drop = append(drop, id)
				delete(nodes, metastore.ID(id)) // the first death counts
			}
		}
		seqs[i], kept = row.seq, append(kept, keep)
	}
	if r.dryRun {
		return got, nil
	}
	b := &pgx.Batch{}
	slices.SortFunc(drop, bytes.Compare)
	b.Queue("DELETE FROM node WHERE id = ANY($1)", drop)
	b.Queue("UPDATE log SET dead = u.dead FROM unnest($1::bigint[], $2::bytea[]) AS u(seq, dead) WHERE log.seq = u.seq", seqs, kept)
	return got, send(ctx, c, b)
}

func deadNodes(ctx context.Context, c *pgx.Conn, rows []logDead) (map[metastore.ID]deadNode, error) {
	var ids [][]byte
	for _, row := range rows {
		if len(row.dead)%32 != 0 {
			return nil, corrupt("row %d of log is damaged", row.seq)
		}
		ids = slices.AppendSeq(ids, slices.Chunk(row.dead, 32))
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

// unpinned, for a row l of slotlog that was written before $1 and replaced by commit
// $3 or before it: no pin that holds at $2 needs it.
const unpinned = "l.at < $1 AND l.until <= $3 AND NOT EXISTS (SELECT FROM pin p WHERE p.until > $2 AND l.seq <= p.seq AND p.seq < l.until)"

// recordRows is how many rows of slotlog or log one transaction drops.
const recordRows = 2048

func (r *reaper) reapRecords(ctx context.Context) error {
	if r.dryRun {
		return r.s.read(ctx, "count old records", func(ctx context.Context, c *pgx.Conn) error {
			return c.QueryRow(ctx, "SELECT count(*) FROM slotlog l WHERE "+unpinned, r.cutoff, r.now, r.newest).Scan(&r.got.LogRows)
		})
	}
	return r.inPages(ctx, "drop old records", `WITH old AS (SELECT id, seq FROM slotlog l WHERE `+unpinned+` ORDER BY at LIMIT $4),
		w AS (DELETE FROM slotlog l USING old WHERE l.id = old.id AND l.seq = old.seq RETURNING 1)
		SELECT count(*) FROM w`, &r.got.LogRows, r.cutoff, r.now, r.newest, recordRows)
}

// reapLog drops rows of log that are older than the cutoff and have no dead any
// more, but never the newest.
func (r *reaper) reapLog(ctx context.Context) error {
	dropped := 0
	return r.inPages(ctx, "shorten the log", `WITH old AS (SELECT seq FROM log WHERE dead IS NULL AND seq < least($1,
			(SELECT seq FROM log WHERE at >= $2 ORDER BY seq LIMIT 1)) ORDER BY seq LIMIT $3),
		w AS (DELETE FROM log USING old WHERE log.seq = old.seq AND dead IS NULL RETURNING 1)
		SELECT count(*) FROM w`, &dropped, r.newest, r.cutoff, recordRows)
}

// inPages runs a statement that drops rows, and counts them, until it finds no more.
func (r *reaper) inPages(ctx context.Context, op, sql string, dropped *int, args ...any) error {
	for {
		n := 0
		err := r.s.change(ctx, op, func(b *pgx.Batch) { b.Queue(sql, args...).QueryRow(into(&n)) })
		if err != nil || n == 0 {
			return err
		}
		*dropped += n
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
