package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

type collector struct{ s *Store }

// Collector implements metastore.Store.
func (s *Store) Collector() metastore.Collector { return &collector{s} }

// Condemn implements metastore.Collector.
func (c *collector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (n int, err error) {
	err = c.s.write(ctx, func(t *tables, now time.Time) error {
		t.floor = max(t.floor, v.Seq())
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
		t.pin(seq, until, why)
		return nil
	})
	return seq, err
}

// PinAt implements metastore.Collector.
func (c *collector) PinAt(ctx context.Context, seq uint64, until time.Time, why string) error {
	return c.s.write(ctx, func(t *tables, now time.Time) error {
		switch held := t.pins[seq].Until.After(now); {
		case seq == 0 || seq > t.seq:
			return fmt.Errorf("memory: no commit %d to pin: %w", seq, kind.Invalid)
		case seq < t.floor && !held:
			return fmt.Errorf("memory: some of commit %d may be gone: %w", seq, kind.Conflict)
		}
		t.pin(seq, until, why)
		return nil
	})
}

func (t *tables) pin(seq uint64, until time.Time, why string) {
	p := metastore.Pin{Seq: seq, Until: until.Round(0).UTC(), Why: why}
	if old, there := t.pins[seq]; there && old.Until.After(p.Until) {
		return
	}
	t.pins[seq] = p
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

// Share implements metastore.Collector.
func (c *collector) Share(ctx context.Context, blocks []metastore.ID, slots []metastore.SlotID) error {
	return c.s.write(ctx, func(t *tables, _ time.Time) error {
		for _, id := range blocks {
			if b, there := t.blocks[id]; there {
				b.Owner = metastore.SlotID{}
				t.blocks[id] = b
			}
		}
		for _, id := range slots {
			if rec := t.slots[id]; rec != nil {
				shared := *rec
				shared.Owner = metastore.SlotID{}
				t.slots[id] = &shared
			}
		}
		return nil
	})
}

// SetNonce implements metastore.Collector.
func (c *collector) SetNonce(ctx context.Context, old, new [16]byte) error {
	return c.s.write(ctx, func(t *tables, _ time.Time) error {
		if t.identity.Nonce != old {
			return fmt.Errorf("memory: the nonce has changed: %w", kind.Conflict)
		}
		t.identity.Nonce = new
		return nil
	})
}

// Lead implements metastore.Collector.
func (c *collector) Lead(ctx context.Context, g metastore.GatewayID, ttl time.Duration) (leads bool, err error) {
	if ttl < 0 {
		return false, fmt.Errorf("memory: a lease of %v: %w", ttl, kind.Invalid)
	}
	err = c.s.write(ctx, func(t *tables, now time.Time) error {
		held := t.lead.until.After(now)
		switch {
		case held && t.lead.gateway != g:
		case ttl == 0:
			leads, t.lead = held, lead{}
		default:
			leads, t.lead = true, lead{g, now.Add(ttl)}
		}
		return nil
	})
	return leads, err
}
