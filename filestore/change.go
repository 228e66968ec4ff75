package filestore

import (
	"context"
	"fmt"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Permission bits of what is made without a mode.
const (
	defaultFileMode = 0o644
	defaultDirMode  = 0o755
	linkMode        = 0o777
	modeBits        = 0o7777
)

// Mkdir makes an empty directory. Exist if anything of that name is there.
func (t *Tree) Mkdir(ctx context.Context, p Path, a Attr) error {
	child := randomSlot(caps.SlotDirectory)
	e := dirtree.Entry{Kind: dirtree.Directory, Mode: defaultDirMode, Dir: child.Read(), DirWrite: &child}
	err := t.make(ctx, p, e, a, func(b *batch, parent *work) {
		w := b.create(child, parent.id(), t.ownerUnder(parent))
		if a.Has(AttrMtime) {
			w.next.Mtime = a.Mtime.UnixNano()
		}
	})
	return wrap("mkdir", err)
}

// Symlink makes a symbolic link. Exist if anything of that name is there.
func (t *Tree) Symlink(ctx context.Context, p Path, target string, a Attr) error {
	if len(target) == 0 || len(target) > maxTarget || strings.Contains(target, "\x00") {
		return wrap("symlink", fmt.Errorf("a target of %d bytes, or with NUL: %w", len(target), kind.NameInvalid))
	}
	e := dirtree.Entry{Kind: dirtree.Symlink, Mode: linkMode, Size: uint64(len(target)), Data: []byte(target)}
	return wrap("symlink", t.make(ctx, p, e, a, nil))
}

// maxTarget is the longest target of a symbolic link, in bytes, as Linux has it.
const maxTarget = 4095

// make adds a new entry under p; with is called in every attempt after the
// conditions hold.
func (t *Tree) make(ctx context.Context, p Path, e dirtree.Entry, a Attr, with func(*batch, *work)) error {
	pl, err := t.resolve(ctx, p, wantEntry)
	if err != nil {
		return err
	}
	if pl.exists() {
		return kind.Exist
	}
	if err := pl.dir.mayChange(); err != nil {
		return err
	}
	e.Name, e.FileID = pl.name, newFileID()
	e.Mtime = t.fs.now().UnixNano()
	e = a.of(e)
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.in(ctx, pl.dir)
		if err != nil {
			return err
		}
		if err := b.absent(ctx, w, pl.name); err != nil {
			return err
		}
		if e.Kind == dirtree.Directory {
			shown, err := b.remake(ctx, w, &e, a)
			if shown || err != nil {
				return err
			}
		}
		if with != nil {
			with(b, w)
		}
		w.namesChanged()
		return w.put(ctx, &e)
	}})
}

// remake makes a directory of a hidden one that has its name, and reports whether
// there is one: what is kept in it is found where it was.
func (b *batch) remake(ctx context.Context, w *work, e *dirtree.Entry, a Attr) (bool, error) {
	old, hidden, err := w.child(ctx, e.Name)
	if err != nil || !hidden {
		return false, err
	}
	child, err := b.dir(ctx, *old.DirWrite)
	if err != nil {
		return false, err
	}
	child.setMtime(b.fs.now())
	if a.Has(AttrMtime) {
		child.setMtime(a.Mtime)
	}
	if err := w.show(ctx, old); err != nil {
		return false, err
	}
	made := *e
	made.FileID, made.Dir, made.DirWrite = old.FileID, old.Dir, old.DirWrite
	return true, w.put(ctx, &made)
}

// absent demands that nothing has the name, a file being created included.
func (b *batch) absent(ctx context.Context, w *work, name string) error {
	e, err := lookup(ctx, w, name)
	if err != nil {
		return err
	}
	if e != nil || b.pending(w, name) != nil {
		return kind.Exist
	}
	return nil
}

// ownerUnder is the owner of what is made under a directory: the tree's root,
// unless the directory is reached from several (formats 11).
func (t *Tree) ownerUnder(w *work) slotID { return t.ownerOf(w.owner) }

func (t *Tree) ownerOf(owner slotID) slotID {
	if owner == t.rootID() {
		return owner
	}
	return slotID{}
}

// of gives a copy of e with the attributes in a.
func (a Attr) of(e dirtree.Entry) dirtree.Entry {
	if a.Has(AttrMode) {
		e.Mode = a.Mode & modeBits
	}
	if a.Has(AttrUID) {
		e.UID = a.UID
	}
	if a.Has(AttrGID) {
		e.GID = a.GID
	}
	if a.Has(AttrMtime) {
		e.Mtime = a.Mtime.UnixNano()
	}
	if a.Has(AttrAtime) {
		e.Attrs = dirtree.WithAttr(e.Attrs, dirtree.AtimeAttr(a.Atime.UnixNano()))
	}
	return e
}

// wrap names the operation of an error. The path is left to the frontend, which
// knows it as the client wrote it: names don't go into errors.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}
