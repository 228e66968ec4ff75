package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// Unlink takes the name at p away and leaves what it leads to as it is, for who
// comes there by another way: a directory whose home is elsewhere or that is a
// root, with all that is in it; a frozen directory; a file. NotEmpty for a
// directory that has its home here and isn't empty: all in it would be lost.
func (t *Tree) Unlink(ctx context.Context, p Path) error {
	return wrap("unlink", t.unlink(ctx, p))
}

func (t *Tree) unlink(ctx context.Context, p Path) error {
	var err error
	for range maxRebases {
		if err = t.unlinkOnce(ctx, p); !errors.Is(err, errWayChanged) {
			break
		}
	}
	return err
}

func (t *Tree) unlinkOnce(ctx context.Context, p Path) error {
	pl, err := t.toRemove(ctx, p, errRoot)
	if err != nil {
		return err
	}
	if pl.entry == nil || !pl.entry.Kind.IsDir() {
		return t.remove(ctx, p)
	}
	t.renewChild(ctx, pl.entry)
	u := &unlinking{t: t, pl: pl}
	if err := u.look(ctx); err != nil {
		return err
	}
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.in(ctx, pl.dir)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, w, pl.name)
		switch {
		case err != nil:
			return err
		case e == nil:
			return kind.NotExist
		case !e.Kind.IsDir():
			return kind.NotDir
		}
		if e.Kind == dirtree.Directory {
			if hide, err := b.canHide(ctx, w, e); err != nil || hide {
				if err == nil {
					err = w.hide(ctx, e)
				}
				return err
			}
			if err := b.release(ctx, w, e); err != nil {
				return err
			}
			if err := u.stillFree(b, w, e); err != nil {
				return err
			}
		}
		w.namesChanged()
		return w.delete(ctx, e)
	}})
}

// unlinking is one Unlink on its way.
type unlinking struct {
	t    *Tree
	pl   place
	free *whole // the directories below, in which nothing is locked; nil: nobody has looked
}

// look refuses to unlink a directory in which something is locked from where it can't
// be told which bucket that is: who comes by the capability of a directory inside of
// one doesn't pass it.
func (u *unlinking) look(ctx context.Context) error {
	e, fs := u.pl.entry, u.t.fs
	if e.Kind != dirtree.Directory || !u.pl.dir.unplaced() || !fs.buckets.anyLock() {
		return nil
	}
	view, err := retry.Value(ctx, func() (metastore.View, error) { return fs.o.Meta.Collector().Snapshot(ctx) })
	if err != nil {
		return fmt.Errorf("read the metastore: %w", err)
	}
	defer view.Close()
	u.free = newWhole(fs, view)
	return u.free.withoutLocks(ctx, e.Dir, true)
}

// stillFree has the commit check that what look has seen still holds.
func (u *unlinking) stillFree(b *batch, parent *work, e *dirtree.Entry) error {
	if parent.bucket != (slotID{}) || !b.fs.buckets.anyLock() || !u.pl.dir.unplaced() {
		return nil // release has judged
	}
	if err := b.single(); err != nil {
		return err
	}
	if u.free == nil {
		return errWayChanged // there are locks since a moment ago: look
	}
	if _, looked := u.free.slots[slotID(e.Dir.ID())]; !looked {
		return errWayChanged
	}
	b.own().checks = append(b.own().checks, u.free.unchanged)
	return nil
}

// release demands that the directory that e, an entry of parent, links goes on
// elsewhere when it is unlinked; else that it is empty, and buries it.
func (b *batch) release(ctx context.Context, parent *work, e *dirtree.Entry) error {
	id := slotID(e.Dir.ID())
	home := slotID{}
	if w := b.works[id]; w != nil {
		home = w.next.Home
	} else {
		v, err := b.fs.slots.load(ctx, e.Dir)
		if err != nil {
			return err
		}
		home = v.state.Home
	}
	// Its home can't become this directory without a change of this directory,
	// which would have the operation tried again.
	rules := parent.rules()
	locks := rules != nil && rules.Lock
	if home != parent.id() && locks {
		return errInLocked
	}
	if home != parent.id() {
		return nil
	}
	is, err := b.fs.o.Meta.IsRoot(ctx, []slotID{id})
	if err != nil {
		return fmt.Errorf("look up a root: %w", err)
	}
	switch {
	case !is[0]:
		return b.bury(ctx, parent, e)
	case locks:
		return errInLocked // it would go on as a root, without its keys
	}
	b.own().requireRoot(id, true)
	return nil
}

// errInLocked refuses to take a directory, with what is in it, out of a bucket in
// which something may be locked.
var errInLocked = fmt.Errorf("a directory in a bucket with object lock: %w", kind.Denied)
