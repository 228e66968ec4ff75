package filestore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// openLink is the entry by which handles on a mutable file found it: what is set
// through them and belongs to the entry goes there, under whatever name it has
// by then.
type openLink struct {
	fs *FS

	// Guarded by the registry's mutex.
	tree    *Tree   // that it was found in, one that may write if any was
	key     fileKey // the directory and the entry's file id
	at      spot
	gone    bool
	handles int

	shown atomic.Pointer[dirtree.Entry]
}

// enterLink notes a handle that came by e, an entry of pl.dir. It is called with
// the registry's mutex held.
func (r *registry) enterLink(t *Tree, pl *place, e *dirtree.Entry) *openLink {
	k := fileKey{pl.dir.id(), e.FileID}
	l := r.links[k]
	if l == nil {
		l = &openLink{fs: t.fs, tree: t, key: k, at: spot{name: e.Name}}
		r.links[k] = l
	}
	if pl.dir.write != nil && l.at.dir.IsZero() {
		l.tree, l.at.dir = t, *pl.dir.write
	}
	l.at.version = max(l.at.version, pl.dir.v.rec.Version)
	l.shown.Store(e)
	l.handles++
	return l
}

// leaveLink gives a handle back. It is called with the registry's mutex held.
func (r *registry) leaveLink(l *openLink) {
	if l == nil {
		return
	}
	if l.handles--; l.handles == 0 && r.links[l.key] == l {
		delete(r.links, l.key)
	}
}

// link returns the open link of an entry, or nil.
func (r *registry) link(k fileKey) *openLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.links[k]
}

// show puts what the entry says over the Info of the file that it leads to.
func (l *openLink) show(i *Info) {
	l.fs.open.mu.Lock()
	i.Name = l.at.name
	l.fs.open.mu.Unlock()
	e := l.shown.Load()
	i.Mode, i.UID, i.GID, i.Atime = e.Mode&modeBits, e.UID, e.GID, i.Mtime
	if at, ok := e.Atime(); ok {
		i.Atime = time.Unix(0, at)
	}
}

// set notes that attributes of the entry were changed.
func (l *openLink) set(a Attr) {
	for {
		old := l.shown.Load()
		if now := a.of(*old); l.shown.CompareAndSwap(old, &now) {
			return
		}
	}
}

// do commits an operation through the tree that the entry was found in.
func (l *openLink) do(ctx context.Context, o *op) error {
	l.fs.open.mu.Lock()
	t := l.tree
	l.fs.open.mu.Unlock()
	return t.do(ctx, o)
}

// setAttr gives the entry attributes, wherever it is now. If it is gone nothing
// is left to be done, as with a file that was removed.
func (l *openLink) setAttr(ctx context.Context, a Attr) error {
	for {
		err := l.do(ctx, l.setting(a))
		if errors.Is(err, errVanished) {
			if err = l.follow(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		l.set(a)
		return nil
	}
}

// setting is the change that setAttr commits.
func (l *openLink) setting(a Attr) *op {
	return &op{apply: func(ctx context.Context, b *batch) error {
		l.fs.open.mu.Lock()
		key, at, gone := l.key, l.at, l.gone
		l.fs.open.mu.Unlock()
		if gone {
			return nil
		}
		w, e, err := b.find(ctx, key, at)
		if err != nil || e == nil || a.sameIn(e) {
			return err
		}
		changed := a.of(*e)
		return w.put(ctx, &changed)
	}}
}

// follow finds where the entry is that another gateway has moved, or that it is
// gone.
func (l *openLink) follow(ctx context.Context) error {
	r := l.fs.open
	r.mu.Lock()
	p := pursuit{fs: l.fs, tree: l.tree, id: l.key.id, at: l.at}
	old := l.key
	r.mu.Unlock()
	if err := p.run(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.at.dir.IsZero() {
		l.gone = true
	} else if l.key == old && !l.gone {
		r.moveLink(l, p.at)
	}
	return nil
}

// moveLink notes where an entry stands now. If another one is known there, by
// who has opened it where another gateway had put it, both go on. It is called
// with the registry's mutex held.
func (r *registry) moveLink(l *openLink, to spot) {
	if r.links[l.key] == l {
		delete(r.links, l.key)
	}
	l.key.dir, l.at = slotID(to.dir.ID()), to
	if r.links[l.key] == nil {
		r.links[l.key] = l
	}
}

// setAttrMutable is SetAttr of a handle on a mutable file, but for its size: the
// mtime is committed with the contents, the rest at once.
func (f *File) setAttrMutable(ctx context.Context, a Attr) error {
	pending := false
	err := f.do(func(of *openFile) (err error) {
		pending, err = of.addAttrsMutable(f, a)
		return err
	})
	if pending || err != nil {
		return err
	}
	a.Set &^= AttrSize | AttrMtime
	if f.link == nil {
		return bareAttr(a)
	}
	if a.Set == 0 {
		return nil
	}
	return f.link.setAttr(ctx, a)
}

// addAttrsMutable adds what is to be committed with the contents: all, as long as
// the file is being created.
func (f *openFile) addAttrsMutable(h *File, a Attr) (pending bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.into.Load() != nil {
		return false, errMerged
	}
	if pending = f.isPending(); !pending {
		a.Set &= AttrMtime
	}
	if a.Set&^AttrSize != 0 {
		f.wroteBy(h)
		f.mergeAttrs(a)
	}
	return pending, nil
}

// bareAttr refuses attributes of an entry where there is none: the file was
// opened by its own capability.
func bareAttr(a Attr) error {
	if a.Has(AttrMode) && a.Mode&modeBits != defaultFileMode || a.Has(AttrUID) && a.UID != 0 || a.Has(AttrGID) && a.GID != 0 {
		return fmt.Errorf("a mutable file that no directory leads to has its size and time only: %w", kind.Denied)
	}
	return nil
}
