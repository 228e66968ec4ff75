package sqlite

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// reaper is one run of Reap. It looks through a view and changes in steps.
type reaper struct {
	v      *view
	cutoff int64 // log rows written before go
	pins   []metastore.Pin
	keep   map[uint64]bool // log rows that the oldest pin needs
	dryRun bool
	got    metastore.Reaped

	oldestKept, logPage, nodeInfo *stmt // of the view's connection
}

// Reap implements metastore.Collector. Its view keeps the write-ahead log, which on a
// full disk lacks room before all is dropped: then it goes on with another one.
func (c *collector) Reap(ctx context.Context, keep time.Duration, dryRun bool) (all metastore.Reaped, err error) {
	for {
		got, err := c.reap(ctx, keep, dryRun)
		all.Nodes += got.Nodes
		all.NodeBytes += got.NodeBytes
		all.LogRows += got.LogRows
		if kind.Of(err) != kind.NoSpace || got == (metastore.Reaped{}) {
			return all, err
		}
	}
}

func (c *collector) reap(ctx context.Context, keep time.Duration, dryRun bool) (metastore.Reaped, error) {
	opened, err := c.Snapshot(ctx)
	if err != nil {
		return metastore.Reaped{}, err
	}
	defer opened.Close()
	v := opened.(*view)
	r := &reaper{v: v, cutoff: v.at - int64(keep), dryRun: dryRun}
	if err := r.prepare(ctx); err != nil {
		return metastore.Reaped{}, err
	}
	if err := r.drop(ctx); err != nil || dryRun {
		return r.got, err
	}
	return r.got, r.reapLapsed(ctx, v.at-int64(max(keep, longLapsed)))
}

func (r *reaper) drop(ctx context.Context) error {
	if err := r.reapNodes(ctx); err != nil {
		return err
	}
	return r.reapLog(ctx)
}

const nodeInfoSQL = "SELECT born, length(data) FROM blk JOIN node ON node.n = blk.n WHERE blk.id = ? AND state IS NULL"

func (r *reaper) prepare(ctx context.Context) (err error) {
	err = r.v.use(ctx, func() error {
		return r.v.r.c.prepareAll([]statement{
			{&r.oldestKept, "SELECT seq FROM log WHERE at >= ? AND slots IS NOT NULL ORDER BY seq LIMIT 1"},
			{&r.logPage, "SELECT seq, at, length(slots), dead FROM log WHERE seq > ? ORDER BY seq LIMIT 256"},
			{&r.nodeInfo, nodeInfoSQL},
		})
	})
	if err != nil {
		return err
	}
	if err := r.readPins(ctx); err != nil || len(r.pins) == 0 {
		return err
	}
	r.keep = map[uint64]bool{}
	for rec, err := range r.v.SlotsAt(ctx, r.pins[0].Seq) {
		if err != nil {
			return err
		}
		r.keep[rec.Seq] = true
	}
	return nil
}

// readPins says, before anything is dropped, that commits below the view can't be
// pinned any more, and reads in the same transaction those that are.
func (r *reaper) readPins(ctx context.Context) (err error) {
	if r.dryRun {
		r.pins, err = r.v.Pins(ctx)
		return err
	}
	return r.v.s.change(ctx, func(t *tx) error {
		if err := t.raiseFloor(r.v.seq); err != nil {
			return err
		}
		r.pins, err = readPins(t.pinsGet, t.now)
		return err
	})
}

// horizon is what formats 11 calls h.
func (r *reaper) horizon(ctx context.Context) (h uint64, err error) {
	err = r.v.s.change(ctx, func(t *tx) error {
		h, err = t.oldestOpen()
		return err
	})
	if err != nil {
		return 0, err
	}
	h = r.v.s.oldestView(h)
	err = r.v.use(ctx, func() error {
		r.oldestKept.setInt(1, r.cutoff)
		row, err := r.oldestKept.step()
		if row {
			h = min(h, uint64(r.oldestKept.int(0)))
			r.oldestKept.reset()
		}
		return err
	})
	return h, err
}

// logRow is what reaping looks at of a row of log.
type logRow struct {
	seq   uint64
	at    int64
	slots int // entries
	dead  []byte
}

func (r *reaper) page(ctx context.Context, after uint64) (rows []logRow, err error) {
	err = r.v.use(ctx, func() error {
		s := r.logPage
		s.setInt(1, int64(after))
		for {
			row, err := s.step()
			if err != nil || !row {
				return err
			}
			rows = append(rows, logRow{uint64(s.int(0)), s.int(1), int(s.int(2)) / logEntry, bytes.Clone(s.lent(3))})
		}
	})
	return rows, err
}

// eachRow calls fn with the rows of log in pages, as long as it wants more.
func (r *reaper) eachRow(ctx context.Context, fn func([]logRow) (more bool, err error)) error {
	for after := uint64(0); ; {
		rows, err := r.page(ctx, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		if more, err := fn(rows); err != nil || !more {
			return err
		}
		after = rows[len(rows)-1].seq
	}
}

func (r *reaper) reapNodes(ctx context.Context) error {
	h, err := r.horizon(ctx)
	if err != nil {
		return err
	}
	return r.eachRow(ctx, func(rows []logRow) (bool, error) {
		for _, row := range rows {
			if row.seq > h {
				return false, nil
			}
			if len(row.dead) == 0 {
				continue
			}
			if err := r.reapDead(ctx, row); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// reapDead drops the nodes that died by one commit, but those that a pin needs.
func (r *reaper) reapDead(ctx context.Context, row logRow) (err error) {
	var got metastore.Reaped
	if r.dryRun {
		err = r.v.use(ctx, func() error {
			_, got, err = r.sift(r.nodeInfo, row.seq, row.dead, nil)
			return err
		})
	} else {
		err = r.v.s.change(ctx, func(t *tx) error {
			got, err = r.dropDead(t, row.seq)
			if err != nil {
				return t.fail(err)
			}
			return nil
		})
	}
	if err == nil {
		r.got.Nodes += got.Nodes
		r.got.NodeBytes += got.NodeBytes
	}
	return err
}

// dropDead reads the row again: a repeated request may have revived nodes since
// the view was opened.
func (r *reaper) dropDead(t *tx, seq uint64) (got metastore.Reaped, err error) {
	t.deadGet.setInt(1, int64(seq))
	there, err := t.deadGet.step()
	if err != nil || !there {
		return got, err
	}
	dead := bytes.Clone(t.deadGet.lent(0))
	t.deadGet.reset()
	kept, got, err := r.sift(t.nodeInfo, seq, dead, t)
	if err == nil && len(kept) < len(dead) {
		err = t.setDead(int64(seq), kept)
	}
	return got, err
}

// sift counts, and with t deletes, the nodes of dead that nobody needs, and gives the others.
func (r *reaper) sift(info *stmt, died uint64, dead []byte, t *tx) (kept []byte, got metastore.Reaped, err error) {
	for d := range slices.Chunk(dead, 32) {
		info.setBlob(1, d)
		row, err := info.step()
		if err != nil {
			return nil, got, err
		}
		if !row {
			continue
		}
		born, size := uint64(info.int(0)), info.int(1)
		isDead := born <= died
		info.reset()
		switch {
		case !isDead:
		case slices.ContainsFunc(r.pins, func(p metastore.Pin) bool { return born <= p.Seq && p.Seq < died }):
			kept = append(kept, d...)
		default:
			got.Nodes++
			got.NodeBytes += size
			if t == nil {
				continue
			}
			t.dirty = true
			for _, s := range []*stmt{t.nodeDelete, t.keyDelete} {
				s.setBlob(1, d)
				if err := s.run(); err != nil {
					return nil, got, err
				}
			}
		}
	}
	return kept, got, nil
}
