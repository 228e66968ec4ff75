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

// Collector implements metastore.Store.
func (f *Faulty) Collector() metastore.Collector { return f.s.Collector() }

// Close implements metastore.Store.
func (f *Faulty) Close() error { return f.s.Close() }
