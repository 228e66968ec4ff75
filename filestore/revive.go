package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// ReviveRoot makes the directory of a capability anew, empty, in a metastore that
// has forgotten it: one in memory, for development. Exist if it is there, Invalid
// for a capability of another form.
func (fs *FS) ReviveRoot(ctx context.Context, root caps.Write, source string) error {
	slot, ok := root.SlotWrite()
	if !ok || slot.Type() != caps.SlotDirectory {
		return wrap("revive root", fmt.Errorf("%v is no directory's: %w", root, kind.Invalid))
	}
	id := slotID(slot.ID())
	there, err := fs.o.Meta.Slots(ctx, []slotID{id})
	if err != nil {
		return wrap("revive root", fmt.Errorf("read the metastore: %w", err))
	}
	if there[0].Bytes != nil {
		return wrap("revive root", fmt.Errorf("slot %v: %w", id, kind.Exist))
	}
	row := fs.rootRow(slot.Read().Verify(), source)
	err = fs.commit.do(ctx, &op{root: id, apply: func(_ context.Context, b *batch) error {
		b.create(slot, slotID{}, id)
		b.own().roots = append(b.own().roots, row)
		return nil
	}})
	return wrap("revive root", err)
}
