package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Register implements metastore.Store.
func (s *Store) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
	return s.write(ctx, func(t *tables, now time.Time) error {
		fresh := make(map[metastore.ID]bool, len(rows))
		for _, b := range rows {
			if _, there := t.blocks[b.ID]; there || fresh[b.ID] {
				return fmt.Errorf("memory: block %v has a row already: %w", b.ID, kind.Conflict)
			}
			fresh[b.ID] = true
		}
		for _, b := range rows {
			t.blocks[b.ID] = metastore.Block{BlockRow: b, State: metastore.BlockNew, Draft: d, Seen: now}
		}
		ttl := t.gateways[g].ttl
		if ttl <= 0 {
			ttl = metastore.DefaultLease
		}
		t.drafts[d] = draft{gateway: g, lease: now.Add(ttl)}
		return nil
	})
}

// EndDraft implements metastore.Store.
func (s *Store) EndDraft(ctx context.Context, d metastore.DraftID) error {
	return s.write(ctx, func(t *tables, _ time.Time) error {
		delete(t.drafts, d)
		return nil
	})
}

// Heartbeat implements metastore.Store.
func (s *Store) Heartbeat(ctx context.Context, g metastore.GatewayID, oldestOpen uint64, ttl time.Duration) error {
	return s.write(ctx, func(t *tables, now time.Time) error {
		if oldestOpen == 0 {
			oldestOpen = t.seq
		}
		old, known := t.gateways[g]
		t.gateways[g] = gateway{lease: now.Add(ttl), ttl: ttl, oldest: oldestOpen}
		if known && !old.lease.After(now) {
			return fmt.Errorf("memory: the gateway's lease had lapsed: %w", kind.Conflict)
		}
		for id, d := range t.drafts {
			if d.gateway == g {
				d.lease = now.Add(ttl)
				t.drafts[id] = d
			}
		}
		return nil
	})
}

// SetCharged implements metastore.Store.
func (s *Store) SetCharged(ctx context.Context, root metastore.SlotID, files, bytes int64) error {
	if files < 0 || bytes < 0 {
		return fmt.Errorf("memory: counters of %d files, %d bytes: %w", files, bytes, kind.Invalid)
	}
	return s.write(ctx, func(t *tables, _ time.Time) error {
		t.charges[root] = metastore.ChargeRow{Root: root, Files: files, Bytes: bytes}
		return nil
	})
}
