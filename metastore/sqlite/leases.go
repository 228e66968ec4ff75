package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Register implements metastore.Store.
func (s *Store) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
	return s.submitOne(ctx, &op{run: func(t *tx) error {
		ttl, _, _, err := t.gateway(g)
		if err != nil {
			return err
		}
		if ttl <= 0 {
			ttl = metastore.DefaultLease
		}
		for i := range rows {
			added, err := t.insertBlock(&rows[i], metastore.BlockNew, d, false)
			if err != nil {
				return err
			}
			if !added {
				return t.unregister(rows[:i], rows[i].ID)
			}
		}
		t.dirty = true
		t.draftUpsert.setBlob(1, d[:])
		t.draftUpsert.setBlob(2, g[:])
		t.draftUpsert.setInt(3, metastore.AfterNanos(t.now, ttl))
		return t.draftUpsert.run()
	}})
}

// unregister takes back the rows that a Register wrote before it met one that
// was there.
func (t *tx) unregister(rows []metastore.BlockRow, met metastore.ID) error {
	for i := range rows {
		t.blockDelete.setBlob(1, rows[i].ID[:])
		if err := t.blockDelete.run(); err != nil {
			return err
		}
		t.st.blocks--
		t.st.bytes -= rows[i].Len
	}
	return fmt.Errorf("sqlite: block %v has a row already: %w", met, kind.Conflict)
}

// EndDraft implements metastore.Store.
func (s *Store) EndDraft(ctx context.Context, d metastore.DraftID) error {
	return s.change(ctx, func(t *tx) error {
		t.draftDelete.setBlob(1, d[:])
		err := t.draftDelete.run()
		t.dirty = t.dirty || t.c.changes() > 0
		return err
	})
}

// Heartbeat implements metastore.Store.
func (s *Store) Heartbeat(ctx context.Context, g metastore.GatewayID, oldestOpen uint64, ttl time.Duration) error {
	lapsed := false
	err := s.change(ctx, func(t *tx) error {
		oldest := oldestOpen
		if oldest == 0 {
			oldest = t.st.seq
		}
		_, lease, known, err := t.gateway(g)
		if err != nil {
			return err
		}
		t.dirty = true
		u := t.gatewayUpsert
		u.setBlob(1, g[:])
		u.setInt(2, metastore.AfterNanos(t.now, ttl))
		u.setInt(3, int64(ttl))
		u.setInt(4, int64(oldest))
		if err := u.run(); err != nil {
			return err
		}
		if lapsed = known && lease <= t.now; lapsed {
			return nil
		}
		t.draftRenew.setBlob(1, g[:])
		t.draftRenew.setInt(2, metastore.AfterNanos(t.now, ttl))
		return t.draftRenew.run()
	})
	if err == nil && lapsed {
		return fmt.Errorf("sqlite: the gateway's lease had lapsed: %w", kind.Conflict)
	}
	return err
}

// change submits one op that grows the database by little, if at all.
func (s *Store) change(ctx context.Context, run func(*tx) error) error {
	return s.submitOne(ctx, &op{run: run, frees: true})
}

func (s *Store) submitOne(ctx context.Context, o *op) error {
	if err := s.submit(ctx, o); err != nil {
		return err
	}
	return o.err
}
