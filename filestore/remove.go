package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Remove takes away a file, symlink or whatever is no directory. Handles that
// have a file open go on.
func (t *Tree) Remove(ctx context.Context, p Path) error {
	return wrap("remove", t.remove(ctx, p))
}

func (t *Tree) remove(ctx context.Context, p Path) error {
	pl, err := t.toRemove(ctx, p, kind.IsDir)
	if err != nil {
		return err
	}
	o := &op{}
	var gone *fileKey
	dropped := false
	o.won = func() {
		if gone != nil {
			t.fs.open.removed(*gone)
		}
	}
	o.apply = func(ctx context.Context, b *batch) error {
		gone = nil
		if dropped {
			return nil
		}
		w, err := b.in(ctx, pl.dir)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, w, pl.name)
		switch {
		case err != nil:
			return err
		case e == nil:
			// No create is under way beside this round, so this is final.
			if dropped = t.fs.open.dropPending(w.id(), pl.name); !dropped {
				return kind.NotExist
			}
			return nil
		case e.Kind.IsDir():
			return kind.IsDir
		}
		if isObject(e) {
			r, err := w.remove(ctx, e.SortKey())
			gone = r.gone
			return err
		}
		gone = b.takeAway(w, e)
		w.namesChanged()
		return w.delete(ctx, e)
	}
	return t.do(ctx, o)
}

// errRoot is the answer where a tree's root, which stands in no directory, is to be
// moved or removed.
var errRoot = fmt.Errorf("the root of a tree: %w", kind.Denied)

// toRemove finds what is to be removed, in a directory that may be changed. For the
// root it is the error ofRoot.
func (t *Tree) toRemove(ctx context.Context, p Path, ofRoot error) (place, error) {
	pl, err := t.resolve(ctx, p, wantEntry)
	switch {
	case err != nil:
		return place{}, err
	case pl.dir == nil:
		return place{}, ofRoot
	case !pl.exists():
		return place{}, kind.NotExist
	}
	return pl, pl.dir.mayChange()
}

// takeAway notes for the rest of the round that a file is gone, and gives the
// key that it had.
func (b *batch) takeAway(w *work, e *dirtree.Entry) *fileKey {
	k := fileKey{w.id(), e.FileID}
	b.moved[k] = nil
	return &k
}

// Rmdir removes an empty directory.
func (t *Tree) Rmdir(ctx context.Context, p Path) error {
	return wrap("rmdir", t.rmdir(ctx, p))
}

func (t *Tree) rmdir(ctx context.Context, p Path) error {
	pl, err := t.toRemove(ctx, p, errRoot)
	if err != nil {
		return err
	}
	if b := t.bucketOf(pl.entry); b != nil {
		return b.delete(ctx, t)
	}
	t.renewChild(ctx, pl.entry)
	o := &op{}
	o.apply = func(ctx context.Context, b *batch) error {
		w, err := b.in(ctx, pl.dir)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, w, pl.name)
		switch {
		case err != nil:
			return err
		case e == nil && b.pending(w, pl.name) != nil:
			return kind.NotDir
		case e == nil:
			return kind.NotExist
		case !e.Kind.IsDir():
			return kind.NotDir
		}
		return b.vacate(ctx, w, e)
	}
	return t.do(ctx, o)
}

// renewChild brings the cache up to date about a directory that is to be
// removed or replaced: the path's own revalidation doesn't reach it, and one
// that another gateway has emptied must not be refused. Errors surface later.
func (t *Tree) renewChild(ctx context.Context, e *dirtree.Entry) {
	if e != nil && e.Kind == dirtree.Directory && !t.fs.slots.authoritative {
		_, _ = t.fs.slots.load(ctx, e.Dir)
	}
}

// bury demands that the directory that e, an entry of parent, links is empty,
// and makes it a tombstone if parent is its home and it is no root; through
// any other link it is only unlinked (formats 10).
//
// Denied for a bucket's directory, which goes with the bucket only.
func (b *batch) bury(ctx context.Context, parent *work, e *dirtree.Entry) error {
	if e.Kind == dirtree.Directory && b.fs.buckets.at(slotID(e.Dir.ID())) != nil {
		return errBucketDir
	}
	return b.buryDirectory(ctx, parent, e)
}

func (b *batch) buryDirectory(ctx context.Context, parent *work, e *dirtree.Entry) error {
	if e.Kind == dirtree.FrozenDir {
		if e.Frozen.Root != (caps.RootID{}) {
			return kind.NotEmpty // Unlink takes it away
		}
		return nil
	}
	id := slotID(e.Dir.ID())
	if b.fs.open.anyPending(id) {
		return kind.NotEmpty
	}
	if e.DirWrite == nil {
		return b.emptyAsRead(ctx, e.Dir)
	}
	if w := b.works[id]; w == nil {
		v, _, err := b.fs.slots.get(ctx, e.Dir)
		if err != nil {
			return err
		}
		if v.state.Tombstone {
			return nil // removed through its home before
		}
	}
	w, err := b.dir(ctx, *e.DirWrite)
	if err != nil {
		return err
	}
	if err := w.empty(); err != nil {
		return err
	}
	if w.next.Home != parent.id() {
		w.touch()
		return nil
	}
	isRoot := false
	if b.op.tries > 0 {
		is, err := b.fs.o.Meta.IsRoot(ctx, []slotID{id})
		if err != nil {
			return fmt.Errorf("look up a root: %w", err)
		}
		isRoot = is[0]
	}
	b.own().requireRoot(id, isRoot)
	if isRoot {
		w.touch()
		return nil
	}
	b.changes()
	w.changed = true
	w.next = dirtree.SlotState{Tombstone: true, Mtime: w.next.Mtime, Home: w.next.Home}
	return nil
}

// empty demands that nothing is in w, no history either.
func (w *work) empty() error {
	if w.hasHistory() {
		return kind.NotEmpty
	}
	if w.edit != nil && !w.edit.IsEmpty() {
		return kind.NotEmpty
	}
	return nil
}

// emptyAsRead demands that a directory that this tree can't write is empty,
// now and when the request is committed.
func (b *batch) emptyAsRead(ctx context.Context, r caps.SlotRead) error {
	v, err := b.fs.slots.load(ctx, r)
	if err != nil {
		return err
	}
	if v.state.Root != (dirtree.Root{}) || v.state.History != (dirtree.Root{}) {
		return kind.NotEmpty
	}
	b.own().checks = append(b.own().checks, unchanged(v))
	return nil
}
