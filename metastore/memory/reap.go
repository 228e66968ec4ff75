package memory

import (
	"context"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// Reap implements metastore.Collector.
func (c *collector) Reap(ctx context.Context, keep time.Duration, dryRun bool) (got metastore.Reaped, err error) {
	err = c.s.write(ctx, func(t *tables, now time.Time) error {
		if !dryRun {
			t.floor = t.seq
		}
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
