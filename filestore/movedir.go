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

// errWayChanged is the answer of a directory's move when the directories above
// its target aren't what they were.
var errWayChanged = fmt.Errorf("the way to the target has changed: %w", kind.Conflict)

// below refuses to move a directory to where it contains itself, as far as the
// way to the target shows it, and has the transaction check that what lookInside
// has seen still holds.
func (r *renaming) below(b *batch, e *dirtree.Entry) error {
	for n := r.dst.dir; n != nil; n = n.parent {
		if n.id() == slotID(e.Dir.ID()) {
			return errBelowItself()
		}
	}
	if r.inside == nil {
		return nil
	}
	if _, looked := r.inside.slots[slotID(e.Dir.ID())]; !looked {
		return errWayChanged
	}
	b.own().checks = append(b.own().checks, r.inside.unchanged)
	return nil
}

// lookInside refuses to move a directory below itself where the way to the
// target doesn't show it. As long as a way leads from home to home, it shows all
// directories that the target is in. Where source or target are reached by a
// link to a directory that has its home elsewhere, that home may be below what
// is moved, and then nothing would lead there any more.
func (r *renaming) lookInside(ctx context.Context) error {
	e := r.src.entry
	if e == nil || e.Kind != dirtree.Directory || r.src.dir.id() == r.dst.dir.id() ||
		!r.src.dir.byLink() && !r.dst.dir.byLink() {
		return nil
	}
	view, err := retry.Value(ctx, func() (metastore.View, error) { return r.t.fs.o.Meta.Collector().Snapshot(ctx) })
	if err != nil {
		return fmt.Errorf("read the metastore: %w", err)
	}
	defer view.Close()
	r.inside = newWhole(r.t.fs, view)
	r.inside.dirsOnly = true
	if err := r.inside.add(ctx, dirtree.Child{Kind: e.Kind, Slot: e.Dir.Verify()}); err != nil {
		return err
	}
	for n := r.dst.dir; n != nil; n = n.parent {
		if _, inside := r.inside.slots[n.id()]; inside {
			return errBelowItself()
		}
	}
	return nil
}

// byLink reports whether the way to n leads through a link to a directory that
// has its home elsewhere.
func (n *node) byLink() bool {
	for ; n.parent != nil; n = n.parent {
		if n.v == nil || n.v.state.Home != n.parent.id() {
			return true
		}
	}
	return false
}

func errBelowItself() error {
	return fmt.Errorf("a directory can't move below itself: %w", kind.Invalid)
}

// rehome gives a directory that moves to another one its new home, and has the
// transaction check that it doesn't move below itself: the moves of all
// gateways pass there one after the other (formats 10).
func (r *renaming) rehome(ctx context.Context, b *batch, src, dst *work, e *dirtree.Entry) error {
	b.own().dirMove = true
	b.own().checks = append(b.own().checks, r.t.way(r.dst.dir, slotID(e.Dir.ID())))
	if e.DirWrite == nil {
		return nil
	}
	child, err := b.dir(ctx, *e.DirWrite)
	if errors.Is(err, kind.NotExist) {
		return nil // its home has gone before; only the link moves
	}
	if err != nil {
		return err
	}
	if child.next.Home == dst.id() {
		return fmt.Errorf("the directory has its home there: %w", kind.Exist)
	}
	if child.next.Home == src.id() {
		child.next.Home = dst.id()
		child.touch()
	}
	return nil
}
