package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/metastore"
)

// CreateRoot makes a new, empty directory, enters it in the root table with the
// source given, and returns its write capability: the only copy that there is.
func (fs *FS) CreateRoot(ctx context.Context, source string) (caps.Write, error) {
	slot := randomSlot(caps.SlotDirectory)
	root := fs.rootRow(slot.Read().Verify(), source)
	id := slotID(slot.ID())
	err := fs.commit.do(ctx, &op{apply: func(_ context.Context, b *batch) error {
		b.create(slot, slotID{}, id)
		b.own().roots = append(b.own().roots, root)
		return nil
	}})
	if err != nil {
		return caps.Write{}, wrap("create root", err)
	}
	return caps.OfSlotWrite(slot), nil
}

// rootRow is the row of the root table for a slot.
func (fs *FS) rootRow(v caps.SlotVerify, source string) metastore.Root {
	return metastore.Root{ID: slotID(v.ID()), Sealed: fs.sealRoot(v), Source: source, Seen: fs.now()}
}
