package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// Mount opens the tree below a capability: of a directory, live or frozen, or of
// a file, mutable or not, which is then what the empty path names. It reads the
// current record, or the first block.
//
// A live directory, and a mutable file by its write capability, is entered in
// the root table if it isn't there: what hangs below, and what will be written,
// is kept from collection from then on. Other capabilities keep nothing: what
// they name lives as long as something else leads to it (formats 11).
//
// Unsupported for a capability of a family that can't be opened, Invalid for one
// that can't read, Corrupt if what it names is missing.
func (fs *FS) Mount(ctx context.Context, root caps.Cap, o MountOptions) (*Tree, error) {
	t, err := fs.tree(root)
	if err == nil {
		t.o = o
		err = t.open(ctx, o)
	}
	if err != nil {
		return nil, wrap("mount", err)
	}
	return t, nil
}

// tree tells what a capability leads to.
func (fs *FS) tree(root caps.Cap) (*Tree, error) {
	t := &Tree{fs: fs}
	read, ok := caps.ReadCap(root)
	if !ok {
		return nil, fmt.Errorf("%v can't read: %w", root, kind.Invalid)
	}
	if slot, ok := read.SlotRead(); ok {
		var write *caps.SlotWrite
		if w, ok := root.(caps.Write); ok {
			if s, ok := w.SlotWrite(); ok {
				write = &s
			}
		}
		if slot.Type() == caps.SlotDirectory {
			t.read, t.write = slot, write
		} else {
			t.root = &dirtree.Entry{Kind: dirtree.MutableFile, Mode: defaultFileMode, Dir: slot, DirWrite: write}
		}
		return t, nil
	}
	if t.root = immutableRoot(read); t.root == nil {
		return nil, fmt.Errorf("%v can't be opened here: %w", root, kind.Unsupported)
	}
	return t, nil
}

// immutableRoot is the entry for what never changes, nil for other families.
func immutableRoot(r caps.Read) *dirtree.Entry {
	if f, ok := r.FrozenRead(); ok {
		return &dirtree.Entry{Kind: dirtree.FrozenDir, Mode: defaultDirMode, Frozen: f}
	}
	e := dirtree.Entry{Mode: defaultFileMode}
	if data, ok := r.Literal(); ok {
		e.Kind, e.Data, e.Size = dirtree.Inline, data, uint64(len(data))
		return &e
	}
	f, ok := r.FileRead()
	if !ok {
		return nil
	}
	e.Kind, e.File, e.Size = dirtree.TreeFile, filetree.RefOf(f), f.Size
	if f.Level == filetree.LevelChunk {
		e.Kind = dirtree.OneChunk
	}
	return &e
}

// open sees that the root is there, and enters it in the root table.
func (t *Tree) open(ctx context.Context, o MountOptions) error {
	slot := t.read
	switch {
	case t.root == nil:
	case t.root.Kind == dirtree.MutableFile:
		slot = t.root.Dir
	default:
		return t.probe(ctx, t.root)
	}
	v, err := t.fs.slots.load(ctx, slot)
	switch {
	case err != nil:
		return err
	case v.state.Tombstone:
		return fmt.Errorf("it was removed: %w", kind.NotExist)
	case t.root != nil && t.root.DirWrite == nil:
		return nil
	}
	t.used = t.fs.roots.use(slot.Verify(), o.Source)
	return t.fs.enterRoot(ctx, slot.Verify(), o.Source)
}

// enterRoot enters a slot in the root table, if it isn't there.
func (fs *FS) enterRoot(ctx context.Context, v caps.SlotVerify, source string) error {
	is, err := fs.isRoot(ctx, slotID(v.ID()))
	if err != nil || is {
		return err
	}
	row := fs.rootRow(v, source)
	err = retry.Do(ctx, func() error {
		return fs.o.Meta.Commit(ctx, &metastore.Request{Roots: []metastore.Root{row}})[0]
	})
	if err != nil {
		return fmt.Errorf("enter a root: %w", err)
	}
	return nil
}
