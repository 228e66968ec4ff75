package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// CreateRoot makes a new, empty directory, enters it in the root table with the
// source given, and returns its write capability: the only copy that there is.
func (fs *FS) CreateRoot(ctx context.Context, source string) (caps.Write, error) {
	slot := randomSlot()
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

// Mount opens the tree below a root capability. It reads the current record,
// and enters it in the root table if it isn't there: what hangs below is kept
// from collection from then on. Unsupported for a capability of a form that
// can't be opened, Invalid for one that is no directory, Corrupt if its slot is
// missing.
func (fs *FS) Mount(ctx context.Context, root caps.Cap, o MountOptions) (*Tree, error) {
	t, err := fs.tree(root)
	if err != nil {
		return nil, wrap("mount", err)
	}
	v, err := fs.slots.load(ctx, t.read)
	if err != nil {
		return nil, wrap("mount", err)
	}
	if v.state.Tombstone {
		return nil, wrap("mount", fmt.Errorf("the directory was removed: %w", kind.NotExist))
	}
	is, err := retry.Value(ctx, func() ([]bool, error) { return fs.o.Meta.IsRoot(ctx, []slotID{v.rec.ID}) })
	if err != nil {
		return nil, wrap("mount", err)
	}
	if is[0] {
		return t, nil
	}
	row := fs.rootRow(t.read.Verify(), o.Source)
	err = retry.Do(ctx, func() error {
		return fs.o.Meta.Commit(ctx, &metastore.Request{Roots: []metastore.Root{row}})[0]
	})
	if err != nil {
		return nil, wrap("mount", fmt.Errorf("enter a root: %w", err))
	}
	return t, nil
}

func (fs *FS) tree(root caps.Cap) (*Tree, error) {
	t := &Tree{fs: fs}
	switch c := root.(type) {
	case caps.Write:
		if w, ok := c.SlotWrite(); ok {
			t.write, t.read = &w, w.Read()
		}
	case caps.Read:
		if r, ok := c.SlotRead(); ok {
			t.read = r
		}
	}
	switch {
	case t.read.IsZero() && !root.IsDir():
		return nil, fmt.Errorf("%v is no directory's: %w", root, kind.Invalid)
	case t.read.IsZero():
		return nil, fmt.Errorf("%v can't be mounted by this build: %w", root, kind.Unsupported)
	case t.read.Type() != caps.SlotDirectory:
		return nil, fmt.Errorf("%v is no directory's: %w", root, kind.Invalid)
	}
	return t, nil
}

// rootRow is the row of the root table for a slot.
func (fs *FS) rootRow(v caps.SlotVerify, source string) metastore.Root {
	return metastore.Root{ID: slotID(v.ID()), Sealed: fs.sealRoot(v), Source: source, Seen: fs.now()}
}
