package filestore_test

import (
	"context"

	"github.com/truckee-fs/truckee/metastore"
)

// lossy is a metastore whose snapshots lack slots.
type lossy struct {
	metastore.Store
	lacks func(metastore.Record) bool
}

// withoutSlot is st without one slot.
func withoutSlot(st metastore.Store, id metastore.SlotID) lossy {
	return lossy{st, func(r metastore.Record) bool { return r.ID == id }}
}

// withoutSlotsBelow is st without the directories that were made through a root, but
// with the root itself.
func withoutSlotsBelow(st metastore.Store, root metastore.SlotID) lossy {
	return lossy{st, func(r metastore.Record) bool { return r.Owner == root && r.ID != root }}
}

func (s lossy) Collector() metastore.Collector {
	return lossyCollector{s.Store.Collector(), s.lacks}
}

type lossyCollector struct {
	metastore.Collector
	lacks func(metastore.Record) bool
}

func (c lossyCollector) Snapshot(ctx context.Context) (metastore.View, error) {
	v, err := c.Collector.Snapshot(ctx)
	return lossyView{v, c.lacks}, err
}

func (c lossyCollector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
	return c.Collector.Condemn(ctx, v.(lossyView).View, ids)
}

type lossyView struct {
	metastore.View
	lacks func(metastore.Record) bool
}

func (v lossyView) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	recs, err := v.View.Slots(ctx, ids)
	for i, rec := range recs {
		if v.lacks(rec) {
			recs[i] = metastore.Record{ID: rec.ID}
		}
	}
	return recs, err
}
