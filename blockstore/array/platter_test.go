package array_test

import (
	"context"
	"iter"

	"github.com/truckee-fs/truckee/blockstore"
)

// platter is the store of whatever disk is in at the time. Closing it leaves the
// disk alone.
type platter struct{ *disk }

func (p platter) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	return p.store().Put(ctx, id, data)
}

func (p platter) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	return p.store().Get(ctx, id)
}

func (p platter) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return p.store().GetRange(ctx, id, off, n)
}

func (p platter) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	return p.store().GetRangeIn(ctx, id, off, n, room)
}

func (p platter) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return p.store().Stat(ctx, id)
}

func (p platter) Delete(ctx context.Context, id blockstore.ID) error {
	return p.store().Delete(ctx, id)
}

func (p platter) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return p.store().List(ctx, after)
}

func (p platter) Marker(ctx context.Context) ([]byte, error) { return p.store().Marker(ctx) }

func (p platter) SetMarker(ctx context.Context, data []byte) error {
	return p.store().SetMarker(ctx, data)
}

func (p platter) Close() error { return nil }
