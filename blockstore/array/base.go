package array

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
)

// Base is the part of a Store that all layouts have in common; they embed it.
type Base struct{ a *Array }

// Base gives the calls that need nothing of the layout.
func (a *Array) Base() Base { return Base{a} }

// Delete implements blockstore.Store: every member must have deleted the block.
// Unavailable if one doesn't answer, with the block gone from the others.
func (b Base) Delete(ctx context.Context, id blockstore.ID) error {
	return b.DeleteBatch(ctx, []blockstore.ID{id})
}

// DeleteBatch implements blockstore.BatchDeleter, as Delete.
func (b Base) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	if err := b.a.Enter(ctx, "delete"); err != nil {
		return err
	}
	defer b.a.Leave()
	return b.a.delete(ctx, ids)
}

// Marker implements blockstore.Marker: the newest that the members know.
func (b Base) Marker(ctx context.Context) ([]byte, error) {
	if err := b.a.Enter(ctx, "marker"); err != nil {
		return nil, err
	}
	defer b.a.Leave()
	return b.a.getMarker(ctx)
}

// SetMarker implements blockstore.Marker: as many members must take it as a
// write needs, the others get it when they are back.
func (b Base) SetMarker(ctx context.Context, data []byte) error {
	if err := b.a.Enter(ctx, "set marker"); err != nil {
		return err
	}
	defer b.a.Leave()
	return b.a.setMarker(ctx, data)
}

// Status implements blockstore.Maintainer.
func (b Base) Status(ctx context.Context, o blockstore.StatusOptions) blockstore.Status {
	if err := b.a.Enter(ctx, "status"); err != nil {
		return blockstore.Status{Layout: b.a.level.String(), State: blockstore.StateDown, Detail: err.Error()}
	}
	defer b.a.Leave()
	return b.a.status(ctx, o)
}

// Scrub implements blockstore.Maintainer.
func (b Base) Scrub(ctx context.Context, o blockstore.ScrubOptions, report func(blockstore.Finding)) (blockstore.Totals, error) {
	if err := b.a.Enter(ctx, "scrub"); err != nil {
		return blockstore.Totals{}, err
	}
	defer b.a.Leave()
	return b.a.scrub(ctx, o, report)
}

// Rebuild implements blockstore.Maintainer.
func (b Base) Rebuild(ctx context.Context, member string, o blockstore.RebuildOptions, report func(blockstore.Finding)) (blockstore.Totals, error) {
	if err := b.a.Enter(ctx, "rebuild"); err != nil {
		return blockstore.Totals{}, err
	}
	defer b.a.Leave()
	return b.a.rebuildNamed(ctx, member, o, report)
}

// ReadsIn implements blockstore.InReader: every member does, as far as it is open.
func (b Base) ReadsIn() bool {
	return !slices.ContainsFunc(b.a.members, func(m *member) bool { return !blockstore.ReadsIn(m.store) })
}

// Close implements blockstore.Store: it closes the members too.
func (b Base) Close() error { return b.a.close() }
