package metastoretest

import (
	"context"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

// What a Faulty store answers truly.

// Seq implements metastore.Store.
func (f *Faulty) Seq(ctx context.Context) (uint64, error) { return f.s.Seq(ctx) }

// EndDraft implements metastore.Store.
func (f *Faulty) EndDraft(ctx context.Context, d metastore.DraftID) error {
	return f.s.EndDraft(ctx, d)
}

// Heartbeat implements metastore.Store.
func (f *Faulty) Heartbeat(ctx context.Context, g metastore.GatewayID, oldestOpen uint64, ttl time.Duration) error {
	return f.s.Heartbeat(ctx, g, oldestOpen, ttl)
}

// Blocks implements metastore.Store.
func (f *Faulty) Blocks(ctx context.Context, ids []metastore.ID) ([]metastore.Block, error) {
	return f.s.Blocks(ctx, ids)
}

// Charged implements metastore.Store.
func (f *Faulty) Charged(ctx context.Context, root metastore.SlotID) (files, bytes int64, err error) {
	return f.s.Charged(ctx, root)
}

// SetCharged implements metastore.Store.
func (f *Faulty) SetCharged(ctx context.Context, root metastore.SlotID, files, bytes int64) error {
	return f.s.SetCharged(ctx, root, files, bytes)
}

// SealedRows implements metastore.Store.
func (f *Faulty) SealedRows(ctx context.Context, kind uint8, after metastore.SealedPlace, limit int) ([]metastore.SealedRow, error) {
	return f.s.SealedRows(ctx, kind, after, limit)
}

// SealedState implements metastore.Store.
func (f *Faulty) SealedState(ctx context.Context, kind uint8) (metastore.SealedState, error) {
	return f.s.SealedState(ctx, kind)
}

// Identity implements metastore.Store.
func (f *Faulty) Identity(ctx context.Context) (metastore.Identity, error) { return f.s.Identity(ctx) }

// Collector implements metastore.Store.
func (f *Faulty) Collector() metastore.Collector { return f.s.Collector() }

// Close implements metastore.Store.
func (f *Faulty) Close() error { return f.s.Close() }
