package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A directory in which nothing is current, but in which versions are kept, can't be
// removed. It is hidden: it leaves its parent's tree and stands in the parent's
// history tree, as the null version of its own sort key, until something below it
// is current again. So a directory that is shown has nothing hidden to hide behind,
// and one that has only hidden ones in it is itself empty, with a history.

// hiddenKey is the sort key in a history tree of the hidden directory of a name.
func hiddenKey(name string) string { return dirtree.HistoryKey(name+"/", 0, 0) + "/" }

// child finds the directory of a name, hidden or not; nil if there is none.
func (w *work) child(ctx context.Context, name string) (e *dirtree.Entry, hidden bool, err error) {
	if e, err = get(ctx, w, name+"/"); e != nil || err != nil {
		return e, false, err
	}
	past, err := w.lookPast(ctx, hiddenKey(name))
	if past == nil || err != nil {
		return nil, false, err
	}
	found := *past
	found.Name = name
	return &found, true, nil
}

// show puts a hidden directory, as child found it, back in the tree.
func (w *work) show(ctx context.Context, e *dirtree.Entry) error {
	if err := w.deletePast(ctx, inPast(e)); err != nil {
		return err
	}
	w.namesChanged()
	return w.put(ctx, e)
}

// hide takes a directory out of the tree and keeps it in the history. When it is
// shown again it is one that goes with what is in it.
func (w *work) hide(ctx context.Context, e *dirtree.Entry) error {
	hidden := inPast(e)
	hidden.Attrs = dirtree.WithAttr(hidden.Attrs, dirtree.Attr{Type: dirtree.AttrImplicit})
	if err := w.putPast(ctx, hidden); err != nil {
		return err
	}
	w.namesChanged()
	return w.take(ctx, e)
}

func inPast(e *dirtree.Entry) *dirtree.Entry {
	past := *e
	past.Name = dirtree.HistoryKey(e.Name+"/", 0, 0)
	return &past
}

// canHide reports whether e, a directory in the tree, is one that is hidden where
// others are removed: it is at home here, empty, and keeps versions.
func (b *batch) canHide(ctx context.Context, parent *work, e *dirtree.Entry) (bool, error) {
	if e.Kind != dirtree.Directory || e.DirWrite == nil || parent.bucket == (slotID{}) && !parent.hasHistory() {
		return false, nil
	}
	child, err := b.dir(ctx, *e.DirWrite)
	if errors.Is(err, kind.NotExist) {
		return false, nil // a link to what was removed
	}
	if err != nil {
		return false, err
	}
	return child.next.Home == parent.id() && child.hasHistory() && child.edit.IsEmpty() && !b.fs.open.anyPending(child.id()), nil
}

// vacate removes e, an empty directory in parent's tree, or hides it. NotEmpty if
// it isn't empty.
func (b *batch) vacate(ctx context.Context, parent *work, e *dirtree.Entry) error {
	hide, err := b.canHide(ctx, parent, e)
	if err != nil {
		return err
	}
	if hide {
		return parent.hide(ctx, e)
	}
	if err := b.bury(ctx, parent, e); err != nil {
		return err
	}
	parent.namesChanged()
	return parent.delete(ctx, e)
}

// settle does what a change of objects makes of the directories on the way to
// them, from the end up: hidden ones in which something is current again are
// shown, and those that nobody made for their own sake go, or hide, with the last
// that is in them. A directory in which a file is being created stays.
func (b *batch) settle(ctx context.Context, way []rung) error {
	for i := len(way) - 1; i > 0; i-- {
		parent, child := way[i-1].w, way[i].w
		e, hidden, err := parent.child(ctx, way[i].e.Name)
		if err != nil || e == nil {
			return err
		}
		empty := child.edit == nil || child.edit.IsEmpty()
		switch {
		case !empty && !hidden: // it may have been made just now, in one that is hidden
		case empty && hidden && child.hasHistory(), empty && !hidden && !implicit(e):
			return nil
		case !empty:
			err = parent.show(ctx, e)
		case hidden:
			err = b.buryHidden(ctx, parent, e)
		case b.fs.open.anyPending(child.id()):
			return nil
		default:
			err = b.vacate(ctx, parent, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// buryHidden removes a hidden directory, as child found it, that keeps nothing any
// more.
func (b *batch) buryHidden(ctx context.Context, parent *work, e *dirtree.Entry) error {
	if err := b.bury(ctx, parent, e); err != nil {
		return err
	}
	return parent.deletePast(ctx, inPast(e))
}

// errVersioned refuses what would lose versions, or keep none, in a bucket that
// keeps them.
func errVersioned(what string) error {
	return fmt.Errorf("%s in a bucket that keeps versions: %w", what, kind.Unsupported)
}

// keepsVersions reports whether changes in the directory make versions.
func (w *work) keepsVersions() bool { return w.versioning(nil) != VersioningNever }
