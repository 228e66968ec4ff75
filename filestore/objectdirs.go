package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The directories of a key, in the working copies of a batch. Those that a put
// makes are implicit: they carry an attribute, and go with the last object below
// them when it is deleted (formats 4).

// rung is a directory on the way to an object.
type rung struct {
	w *work
	e *dirtree.Entry // that leads to it; nil: the bucket's own
}

// descend opens the directories of a key from the bucket's on, as far as they are
// there, hidden ones included.
func (t *Tree) descend(ctx context.Context, b *batch, dirs []string) ([]rung, error) {
	bucket := slotID(t.read.ID())
	w, err := b.dir(ctx, *t.write)
	if err != nil {
		return nil, err
	}
	w.below(bucket)
	way := []rung{{w: w}}
	for _, name := range dirs {
		e, _, err := w.child(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case e == nil:
			return way, nil
		case e.Kind != dirtree.Directory || e.DirWrite == nil:
			return nil, fmt.Errorf("a directory of the key can't be written: %w", kind.ReadOnly)
		}
		if w, err = b.dir(ctx, *e.DirWrite); err != nil {
			return nil, err
		}
		w.below(bucket)
		way = append(way, rung{w, e})
	}
	return way, nil
}

// mayChange tells whether objects may be made or taken away in the directory.
func (r rung) mayChange() error {
	if r.e != nil && r.e.Mode&ownerWrite == 0 {
		return fmt.Errorf("the directory is no-write: %w", kind.ReadOnly)
	}
	return nil
}

// imply makes the directories of a key that aren't there yet, below the last of
// the way, and returns the whole way.
func (t *Tree) imply(ctx context.Context, b *batch, way []rung, dirs []string) ([]rung, error) {
	for _, name := range dirs[len(way)-1:] {
		w, child := way[len(way)-1].w, randomSlot(caps.SlotDirectory)
		e := &dirtree.Entry{
			Kind: dirtree.Directory, Name: name, FileID: newFileID(), Mode: defaultDirMode, Mtime: b.fs.now().UnixNano(),
			Dir: child.Read(), DirWrite: &child, Attrs: []dirtree.Attr{{Type: dirtree.AttrImplicit}},
		}
		next := b.create(child, w.id(), t.ownerUnder(w))
		next.edit = dirtree.Open(dirtree.Keys{Write: &child}, dirtree.Root{}, b.fs.source, b.fs.nodeCache).Edit()
		next.below(slotID(t.read.ID()))
		w.namesChanged()
		if err := w.put(ctx, e); err != nil {
			return nil, err
		}
		way = append(way, rung{next, e})
	}
	return way, nil
}

func implicit(e *dirtree.Entry) bool {
	_, is := e.Attr(dirtree.AttrImplicit)
	return is
}
