package filestore_test

import (
	"context"

	"github.com/truckee-fs/truckee/metastore"
)

// withoutSlotBelow is a metastore whose snapshots lack every directory that was
// made through a root, but the root itself.
type withoutSlotBelow struct {
	metastore.Store
	root metastore.SlotID
}

func (s withoutSlotBelow) Collector() metastore.Collector {
	return lossyCollector{s.Store.Collector(), s.root}
}

type lossyCollector struct {
	metastore.Collector
	root metastore.SlotID
}

func (c lossyCollector) Snapshot(ctx context.Context) (metastore.View, error) {
	v, err := c.Collector.Snapshot(ctx)
	return lossyView{v, c.root}, err
}

func (c lossyCollector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
	return c.Collector.Condemn(ctx, v.(lossyView).View, ids)
}

type lossyView struct {
	metastore.View
	root metastore.SlotID
}

func (v lossyView) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	recs, err := v.View.Slots(ctx, ids)
	for i, rec := range recs {
		if rec.Owner == v.root && rec.ID != v.root {
			recs[i] = metastore.Record{ID: rec.ID}
		}
	}
	return recs, err
}
