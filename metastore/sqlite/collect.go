package sqlite

import (
	"bytes"
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

// stepRows is how many rows a collection changes in one transaction: commits
// wait for no more than one such step.
const stepRows = 512

// inSteps runs fn for ids in transactions of stepRows each, and gives what it
// found. A transaction may be tried again: only fn's results count.
func inSteps[R any](ctx context.Context, s *Store, ids []metastore.ID, fn func(*tx, metastore.ID) ([]R, error)) (all []R, err error) {
	if len(ids) == 0 {
		return nil, s.usable(ctx)
	}
	for step := range slices.Chunk(ids, stepRows) {
		var found []R
		err := s.change(ctx, func(t *tx) error {
			found = found[:0]
			for _, id := range step {
				r, err := fn(t, id)
				if err != nil {
					return t.fail(err)
				}
				found = append(found, r...)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Condemn implements metastore.Collector.
func (c *collector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
	opened := v.Time()
	if err := c.s.change(ctx, func(t *tx) error { return t.raiseFloor(v.Seq()) }); err != nil {
		return 0, err
	}
	condemned, err := inSteps(ctx, c.s, ids, func(t *tx, id metastore.ID) ([]metastore.ID, error) {
		b, there, err := t.block(id)
		switch {
		case err != nil || !there || b.State > metastore.BlockLive:
			return nil, err
		case !b.CondemnedAt.IsZero():
			return []metastore.ID{id}, nil
		case !b.Seen.Before(opened):
			return nil, nil
		}
		t.dirty = true
		t.blockCondemn.setBlob(1, id[:])
		t.blockCondemn.setInt(2, t.now)
		t.blockCondemn.setInt(3, int64(v.Seq()))
		return []metastore.ID{id}, t.blockCondemn.run()
	})
	return len(condemned), err
}

// Absolve implements metastore.Collector.
func (c *collector) Absolve(ctx context.Context, ids []metastore.ID) error {
	_, err := inSteps(ctx, c.s, ids, func(t *tx, id metastore.ID) ([]metastore.ID, error) {
		t.blockAbsolve.setBlob(1, id[:])
		err := t.blockAbsolve.run()
		t.dirty = t.dirty || t.c.changes() > 0
		return nil, err
	})
	return err
}

// BeginDelete implements metastore.Collector. On an error, rows of earlier steps
// may be in state deleting already; a later collection finishes them.
func (c *collector) BeginDelete(ctx context.Context, ids []metastore.ID, before time.Time) ([]metastore.Block, error) {
	return inSteps(ctx, c.s, ids, func(t *tx, id metastore.ID) ([]metastore.Block, error) {
		oldest, err := t.oldestOpen()
		if err != nil {
			return nil, err
		}
		b, there, err := t.block(id)
		if err != nil || !there || b.State > metastore.BlockLive || b.CondemnedAt.IsZero() ||
			!b.CondemnedAt.Before(before) || b.CondemnedSeq > oldest {
			return nil, err
		}
		t.st.blocks--
		t.st.bytes -= b.Len
		b.State = metastore.BlockDeleting
		return []metastore.Block{b}, t.setBlockState(id, metastore.BlockDeleting)
	})
}

// EndDelete implements metastore.Collector.
func (c *collector) EndDelete(ctx context.Context, ids []metastore.ID) error {
	_, err := inSteps(ctx, c.s, ids, func(t *tx, id metastore.ID) ([]metastore.ID, error) {
		b, there, err := t.block(id)
		if err != nil || !there || b.State != metastore.BlockDeleting {
			return nil, err
		}
		if b.Inline {
			for _, s := range []*stmt{t.nodeDelete, t.nodeForget} {
				s.setBlob(1, id[:])
				if err := s.run(); err != nil {
					return nil, err
				}
			}
		}
		return nil, t.setBlockState(id, metastore.BlockDeleted)
	})
	return err
}

// Share implements metastore.Collector.
func (c *collector) Share(ctx context.Context, blocks []metastore.ID, slots []metastore.SlotID) error {
	share := func(by func(*tx) *stmt) func(*tx, metastore.ID) ([]metastore.ID, error) {
		return func(t *tx, id metastore.ID) ([]metastore.ID, error) {
			s := by(t)
			s.setBlob(1, id[:])
			err := s.run()
			t.dirty = t.dirty || t.c.changes() > 0
			return nil, err
		}
	}
	if _, err := inSteps(ctx, c.s, blocks, share(func(t *tx) *stmt { return t.blockShare })); err != nil {
		return err
	}
	ids := make([]metastore.ID, len(slots))
	for i, id := range slots {
		ids[i] = metastore.ID(id)
	}
	_, err := inSteps(ctx, c.s, ids, share(func(t *tx) *stmt { return t.slotShare }))
	return err
}

// SetNonce implements metastore.Collector.
func (c *collector) SetNonce(ctx context.Context, old, new [16]byte) error {
	return c.s.change(ctx, func(t *tx) error {
		t.nonceUpdate.setBlob(1, old[:])
		t.nonceUpdate.setBlob(2, new[:])
		if err := t.nonceUpdate.run(); err != nil {
			return err
		}
		if t.c.changes() == 0 {
			return fmt.Errorf("sqlite: the nonce has changed: %w", kind.Conflict)
		}
		t.dirty = true
		return nil
	})
}

// Lead implements metastore.Collector.
func (c *collector) Lead(ctx context.Context, g metastore.GatewayID, ttl time.Duration) (leads bool, err error) {
	if ttl < 0 {
		return false, fmt.Errorf("sqlite: a lease of %v: %w", ttl, kind.Invalid)
	}
	err = c.s.change(ctx, func(t *tx) error {
		held, own, err := t.leader(g)
		if leads = own || !held && ttl > 0; err != nil || !leads {
			return err
		}
		t.dirty = true
		t.leadUpsert.setBlob(1, g[:])
		t.leadUpsert.setInt(2, metastore.AfterNanos(t.now, ttl))
		return t.leadUpsert.run()
	})
	return leads && err == nil, err
}

// leader tells whether the lease to collect is held, and by g.
func (t *tx) leader(g metastore.GatewayID) (held, own bool, err error) {
	row, err := t.leadGet.step()
	if err != nil || !row {
		return false, false, err
	}
	defer t.leadGet.reset()
	held = t.leadGet.int(1) > t.now
	return held, held && bytes.Equal(t.leadGet.lent(0), g[:]), nil
}
