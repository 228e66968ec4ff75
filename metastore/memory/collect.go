package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

type collector struct{ s *Store }

// Collector implements metastore.Store.
func (s *Store) Collector() metastore.Collector { return &collector{s} }

// Condemn implements metastore.Collector.
func (c *collector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (n int, err error) {
	err = c.s.write(ctx, func(t *tables, now time.Time) error {
		for _, id := range ids {
			b, there := t.blocks[id]
			if !there || b.State > metastore.BlockLive {
				continue
			}
			if b.CondemnedAt.IsZero() && b.Seen.Before(v.Time()) {
				b.CondemnedAt, b.CondemnedSeq = now, v.Seq()
				t.blocks[id] = b
			}
			if !b.CondemnedAt.IsZero() {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Absolve implements metastore.Collector.
func (c *collector) Absolve(ctx context.Context, ids []metastore.ID) error {
	return c.s.write(ctx, func(t *tables, _ time.Time) error {
		for _, id := range ids {
			if b, there := t.blocks[id]; there && b.State <= metastore.BlockLive {
				b.CondemnedAt, b.CondemnedSeq = time.Time{}, 0
				t.blocks[id] = b
			}
		}
		return nil
	})
}

// BeginDelete implements metastore.Collector.
func (c *collector) BeginDelete(ctx context.Context, ids []metastore.ID, before time.Time) (rows []metastore.Block, err error) {
	err = c.s.write(ctx, func(t *tables, now time.Time) error {
		oldest := t.oldestOpen(now)
		for _, id := range ids {
			b, there := t.blocks[id]
			if !there || b.State > metastore.BlockLive || b.CondemnedAt.IsZero() ||
				!b.CondemnedAt.Before(before) || b.CondemnedSeq > oldest {
				continue
			}
			b.State = metastore.BlockDeleting
			t.blocks[id] = b
			rows = append(rows, b)
		}
		return nil
	})
	return rows, err
}

// EndDelete implements metastore.Collector.
func (c *collector) EndDelete(ctx context.Context, ids []metastore.ID) error {
	return c.s.write(ctx, func(t *tables, _ time.Time) error {
		for _, id := range ids {
			b, there := t.blocks[id]
			if !there || b.State != metastore.BlockDeleting {
				continue
			}
			b.State = metastore.BlockDeleted
			t.blocks[id] = b
			if b.Inline {
				delete(t.nodes, id)
			}
		}
		return nil
	})
}

// oldestOpen is the smallest of the live gateways' oldest open seqs.
func (t *tables) oldestOpen(now time.Time) uint64 {
	oldest := t.seq
	for _, g := range t.gateways {
		if g.lease.After(now) {
			oldest = min(oldest, g.oldest)
		}
	}
	return oldest
}

// Pin implements metastore.Collector.
func (c *collector) Pin(ctx context.Context, until time.Time, why string) (seq uint64, err error) {
	err = c.s.write(ctx, func(t *tables, _ time.Time) error {
		seq = t.seq
		p := metastore.Pin{Seq: seq, Until: until.Round(0).UTC(), Why: why}
		if old, there := t.pins[seq]; there && !p.Until.After(old.Until) {
			p = old
		}
		t.pins[seq] = p
		return nil
	})
	return seq, err
}

// Unpin implements metastore.Collector.
func (c *collector) Unpin(ctx context.Context, seq uint64) error {
	return c.s.write(ctx, func(t *tables, _ time.Time) error {
		delete(t.pins, seq)
		return nil
	})
}

func (t *tables) livePins(now time.Time) []metastore.Pin {
	var pins []metastore.Pin
	for _, p := range t.pins {
		if p.Until.After(now) {
			pins = append(pins, p)
		}
	}
	slices.SortFunc(pins, func(a, b metastore.Pin) int { return cmp.Compare(a.Seq, b.Seq) })
	return pins
}

// Reap implements metastore.Collector.
func (c *collector) Reap(ctx context.Context, keep time.Duration, dryRun bool) (got metastore.Reaped, err error) {
	err = c.s.write(ctx, func(t *tables, now time.Time) error {
		pins := t.livePins(now)
		horizon := t.oldestOpen(now)
		for _, seq := range c.s.views {
			horizon = min(horizon, seq)
		}
		for _, rows := range t.log {
			for _, row := range rows {
				if !row.at.Before(now.Add(-keep)) {
					horizon = min(horizon, row.rec.Seq)
				}
			}
		}
		for id, n := range t.nodes {
			if n.died == 0 || n.died > horizon || pinned(pins, n.born, n.died) {
				continue
			}
			got.Nodes++
			got.NodeBytes += int64(len(n.data))
			if !dryRun {
				delete(t.nodes, id)
			}
		}
		got.LogRows = t.reapLog(now.Add(-keep), pins, dryRun)
		if !dryRun {
			t.reapLapsed(now, keep)
		}
		return nil
	})
	return got, err
}

func pinned(pins []metastore.Pin, born, died uint64) bool {
	return slices.ContainsFunc(pins, func(p metastore.Pin) bool { return born <= p.Seq && p.Seq < died })
}

// reapLog drops log rows written before cutoff that were replaced and show no pinned tree.
func (t *tables) reapLog(cutoff time.Time, pins []metastore.Pin, dryRun bool) (dropped int) {
	for id, rows := range t.log {
		var kept []logRow
		for i, row := range rows {
			newest := i+1 == len(rows)
			if newest || !row.at.Before(cutoff) || pinned(pins, row.rec.Seq, rows[i+1].rec.Seq) {
				kept = append(kept, row)
			}
		}
		dropped += len(rows) - len(kept)
		if !dryRun {
			t.log[id] = kept
		}
	}
	return dropped
}

// longLapsed is how long a lapsed gateway is remembered at least, so that it
// hears from Heartbeat that it had lapsed.
const longLapsed = 90 * 24 * time.Hour

func (t *tables) reapLapsed(now time.Time, keep time.Duration) {
	cutoff := now.Add(-max(keep, longLapsed))
	for id, d := range t.drafts {
		if d.lease.Before(cutoff) {
			delete(t.drafts, id)
		}
	}
	for id, g := range t.gateways {
		if g.lease.Before(cutoff) {
			delete(t.gateways, id)
		}
	}
	for seq, p := range t.pins {
		if !p.Until.After(now) {
			delete(t.pins, seq)
		}
	}
}
