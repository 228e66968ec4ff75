package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// SetAttr sets attributes of what stands at p; follow tells whether a symbolic
// link at its end is followed. They are durable when it returns, except those
// of a file that is being created, which are committed with it. AttrSize cuts
// or grows a file and commits it.
//
// Of a tree's root only Mtime can be set; anything else that isn't what Stat
// shows is Denied.
func (t *Tree) SetAttr(ctx context.Context, p Path, a Attr, follow bool) error {
	return wrap("setattr", t.setAttr(ctx, p, a, follow))
}

func (t *Tree) setAttr(ctx context.Context, p Path, a Attr, follow bool) error {
	w := wantSelf
	if follow {
		w = wantDir
	}
	pl, err := t.resolve(ctx, p, w)
	if err != nil {
		return err
	}
	return t.setAttrAt(ctx, pl, p, a, follow)
}

// setAttrAt is setAttr of what p led to.
func (t *Tree) setAttrAt(ctx context.Context, pl place, p Path, a Attr, follow bool) error {
	switch {
	case !pl.exists():
		return kind.NotExist
	case pl.node != nil && a.Has(AttrSize):
		return kind.IsDir
	case pl.readOnly():
		return kind.ReadOnly
	case pl.dir == nil && pl.node != nil:
		return t.setRootAttr(ctx, pl.node, a)
	case a.Set == 0:
		return nil
	case a.Has(AttrSize):
		return t.setSize(ctx, p, a, follow)
	case pl.file != nil:
		if pl.file.addAttrsPending(a) {
			return nil
		}
		return t.setAttr(ctx, p, a, follow) // it has been committed since, or dropped
	case pl.node != nil:
		return t.setSlotAttr(ctx, &pl, pl.node.write, a)
	case pl.entry.Kind == dirtree.MutableFile:
		return t.setMutableAttr(ctx, &pl, a)
	}
	return t.setFileAttr(ctx, &pl, a)
}

// Diminish replaces, in the entry at p, the write capability of a directory or
// mutable file by its read capability, for good: whoever comes by this path may
// only read from then on, other links are as they were, and only who holds the
// write capability elsewhere can undo it. It follows symbolic links. Nothing
// changes if the entry has no write capability; Invalid for what never has one,
// Denied for the tree's root.
func (t *Tree) Diminish(ctx context.Context, p Path) error {
	return wrap("diminish", t.diminish(ctx, p))
}

func (t *Tree) diminish(ctx context.Context, p Path) error {
	pl, err := t.resolve(ctx, p, wantTarget)
	switch {
	case err != nil:
		return err
	case !pl.exists():
		return kind.NotExist
	case pl.dir == nil:
		return fmt.Errorf("the root of a tree has no link: %w", kind.Denied)
	case pl.dir.write == nil:
		return kind.ReadOnly
	}
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, *pl.dir.write)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, w, pl.name)
		switch {
		case err != nil:
			return err
		case e == nil:
			return kind.NotExist
		case e.Kind != dirtree.Directory && e.Kind != dirtree.MutableFile:
			return fmt.Errorf("neither a directory nor a mutable file: %w", kind.Invalid)
		case e.DirWrite == nil:
			return nil
		}
		lesser := *e
		lesser.DirWrite = nil
		return w.put(ctx, &lesser)
	}})
}

// setSize is SetAttr through a handle.
func (t *Tree) setSize(ctx context.Context, p Path, a Attr, follow bool) error {
	f, err := t.openFile(ctx, p, OpenOptions{Write: true, NoFollow: !follow})
	if err != nil {
		return err
	}
	if err := f.SetAttr(ctx, a); err != nil {
		f.Discard()
		return err
	}
	return f.Close(ctx)
}

func (t *Tree) setFileAttr(ctx context.Context, pl *place, a Attr) error {
	err := t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.in(ctx, pl.dir)
		if err != nil {
			return err
		}
		return w.setAttrs(ctx, pl.name, a)
	}})
	if err != nil {
		return err
	}
	if f := t.fs.open.file(pl.key()); f != nil {
		f.attrsCommitted(a)
	}
	return nil
}

// setAttrs changes the attributes of an entry, if that makes a difference.
func (w *work) setAttrs(ctx context.Context, name string, a Attr) error {
	e, err := lookup(ctx, w, name)
	if err != nil {
		return err
	}
	if e == nil {
		return kind.NotExist
	}
	changed := a.retimed(e)
	if a.sameIn(e) {
		return nil
	}
	if err := w.mayReplace(e, false); err != nil {
		return err
	}
	return w.put(ctx, &changed)
}

// sameIn reports whether e has the attributes in a already.
func (a Attr) sameIn(e *dirtree.Entry) bool {
	at, _ := e.Atime()
	return !(a.Has(AttrMode) && a.Mode&modeBits != e.Mode ||
		a.Has(AttrUID) && a.UID != e.UID || a.Has(AttrGID) && a.GID != e.GID ||
		a.Has(AttrMtime) && a.Mtime.UnixNano() != e.Mtime ||
		a.Has(AttrAtime) && a.Atime.UnixNano() != at)
}

// attrsCommitted brings an open file up to date with a change of its entry.
func (f *openFile) attrsCommitted(a Attr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entry = a.of(f.entry)
	now := f.entry
	f.shown.Store(&now)
	if f.draft != nil && a.Has(AttrMtime) {
		// What was written before must not give it another mtime at the commit.
		var old Attr
		if p := f.attrs.Load(); p != nil {
			old = *p
		}
		f.setAttrs(old.with(Attr{Set: AttrMtime, Mtime: a.Mtime}))
	}
}

// setMutableAttr sets attributes of a mutable file that have to do with the
// entry at hand or with the file, whichever they belong to.
func (t *Tree) setMutableAttr(ctx context.Context, pl *place, a Attr) error {
	if a.Has(AttrMtime) && pl.entry.DirWrite == nil {
		return fmt.Errorf("the capability at hand is read-only: %w", kind.ReadOnly)
	}
	if pl.dir == nil {
		if err := bareAttr(a); err != nil {
			return err
		}
		a.Set &= AttrMtime
	}
	if err := t.setSlotAttr(ctx, pl, pl.entry.DirWrite, a); err != nil {
		return err
	}
	if f := t.fs.open.file(mutableKey(pl.entry)); f != nil && a.Has(AttrMtime) {
		f.attrsCommitted(Attr{Set: AttrMtime, Mtime: a.Mtime})
	}
	if pl.dir != nil {
		if l := t.fs.open.link(fileKey{pl.dir.id(), pl.entry.FileID}); l != nil {
			l.set(a)
		}
	}
	return nil
}

// setSlotAttr sets the mtime of a directory or mutable file in its slot,
// everything else in the entry that leads to it.
func (t *Tree) setSlotAttr(ctx context.Context, pl *place, slot *caps.SlotWrite, a Attr) error {
	inEntry := a
	inEntry.Set &^= AttrMtime
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		if a.Has(AttrMtime) {
			w, err := b.dir(ctx, *slot)
			if err != nil {
				return err
			}
			if w.next.Mtime != a.Mtime.UnixNano() {
				w.setMtime(a.Mtime)
			}
		}
		if inEntry.Set == 0 {
			return nil
		}
		w, err := b.dir(ctx, *pl.dir.write)
		if err != nil {
			return err
		}
		return w.setAttrs(ctx, pl.name, inEntry)
	}})
}

// setRootAttr sets what can be set of a tree's root, which no entry describes.
func (t *Tree) setRootAttr(ctx context.Context, n *node, a Attr) error {
	shown := dirInfo(n)
	// Clients set both times together; the root's atime is its mtime.
	atime := a.Has(AttrAtime) && !a.Has(AttrMtime) && !a.Atime.Equal(shown.Atime)
	if a.Has(AttrMode) && a.Mode&modeBits != shown.Mode || a.Has(AttrUID) && a.UID != shown.UID ||
		a.Has(AttrGID) && a.GID != shown.GID || atime {
		return fmt.Errorf("the root of a tree has its time only: %w", kind.Denied)
	}
	if !a.Has(AttrMtime) {
		return nil
	}
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, *n.write)
		if err != nil {
			return err
		}
		if w.next.Mtime != a.Mtime.UnixNano() {
			w.setMtime(a.Mtime)
		}
		return nil
	}})
}
