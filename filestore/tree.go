package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Tree is what one root capability gives access to: a directory and what is
// below it, or a single file, which is then what the empty path names. It is
// safe for concurrent use, and needs no Close.
//
// Every change is durable when its method returns nil, and decided by the
// filestore alone: a frontend asks and translates the error's kind.
type Tree struct {
	fs    *FS
	read  caps.SlotRead   // of a live directory; zero: root is set
	write *caps.SlotWrite // of that; nil: a read capability

	// root is what the capability leads to if that is no live directory: an
	// entry without a name, of a file, a mutable file or a frozen directory.
	root *dirtree.Entry

	used *usedRoot // nil: it keeps nothing in the root table
	o    MountOptions
	part *part // nil: it is a whole one
}

// part says which root a tree is a part of that was mounted further down: a
// bucket's. What is written through it belongs to that root and is charged to it.
type part struct {
	of     slotID
	secret caps.Key // that root's convergence secret
}

// ReadOnly reports whether the root capability allows no change.
func (t *Tree) ReadOnly() bool {
	return t.write == nil && (t.root == nil || t.root.DirWrite == nil)
}

// IsDir reports whether the root is a directory.
func (t *Tree) IsDir() bool { return t.root == nil || t.root.Kind.IsDir() }

// Stat describes what p leads to, symbolic links followed (40 at most, inside
// of the root only: absolute targets begin there, and ".." stops there).
func (t *Tree) Stat(ctx context.Context, p Path) (Info, error) {
	return t.stat(ctx, p, wantDir)
}

// Lstat describes what stands at p, a symbolic link itself if it is one.
func (t *Tree) Lstat(ctx context.Context, p Path) (Info, error) {
	return t.stat(ctx, p, wantSelf)
}

func (t *Tree) stat(ctx context.Context, p Path, w want) (Info, error) {
	pl, err := t.resolve(ctx, p, w)
	if err != nil {
		return Info{}, wrap("stat", err)
	}
	switch {
	case pl.node != nil:
		return dirInfo(pl.node), nil
	case pl.entry != nil:
		i := entryInfo(pl.entry, pl.dir == nil && pl.readOnly() || pl.dir != nil && pl.dir.readOnly(pl.entry))
		if pl.slot != nil {
			fromContents(&i, pl.slot)
		}
		if f := t.fs.open.file(pl.key()); f != nil {
			f.overlay(&i)
		}
		return i, nil
	case pl.file != nil:
		return pendingInfo(pl.name, pl.file), nil
	}
	return Info{}, wrap("stat", kind.NotExist)
}

// dirInfo describes an opened directory. The times of a live one come from its
// own slot, everything else from the entry that leads to it.
func dirInfo(n *node) Info {
	i := Info{Kind: KindDir, Mode: defaultDirMode, ReadOnly: n.write == nil, Frozen: n.v == nil}
	if n.entry != nil {
		i = entryInfo(n.entry, n.write == nil)
	}
	if n.v != nil {
		home := slotID{}
		if n.parent != nil {
			home = n.parent.id()
		}
		fromSlot(&i, n.v, home)
	}
	return i
}

// fromSlot adds what a directory's own slot tells; parent is the directory of
// the entry that leads to it, zero for a root.
func fromSlot(i *Info, v *version, parent slotID) {
	i.Entries = int64(v.state.Entries)
	i.Linked = parent != slotID{} && v.state.Home != parent
	i.Mtime = time.Unix(0, v.state.Mtime)
	if i.Atime.IsZero() {
		i.Atime = i.Mtime
	}
}

// fromContents adds what a mutable file's own slot tells.
func fromContents(i *Info, v *version) {
	i.Size, i.Mtime = int64(v.state.Bytes), time.Unix(0, v.state.Mtime)
	if i.Atime.IsZero() {
		i.Atime = i.Mtime
	}
}

func entryInfo(e *dirtree.Entry, readOnly bool) Info {
	i := Info{
		Name: e.Name, FileID: e.FileID, Size: int64(e.Size), Mode: e.Mode & modeBits, UID: e.UID, GID: e.GID,
		Mtime: time.Unix(0, e.Mtime), ReadOnly: readOnly,
	}
	if at, ok := e.Atime(); ok {
		i.Atime = time.Unix(0, at)
	} else if e.Kind != dirtree.Directory && e.Kind != dirtree.MutableFile {
		i.Atime = i.Mtime
	}
	switch {
	case e.Kind == dirtree.Directory:
		i.Kind, i.Size = KindDir, 0
	case e.Kind == dirtree.FrozenDir:
		i.Kind, i.Size, i.Frozen = KindDir, 0, true
	case e.Kind == dirtree.MutableFile:
		i.Kind, i.Size, i.Mutable, i.FileID = KindFile, 0, true, mutableFileID(e.Dir)
	case e.Kind == dirtree.Symlink:
		i.Kind, i.Target, i.Size = KindSymlink, string(e.Data), int64(len(e.Data))
	case e.Kind.IsFile(), isLiteral(e):
		i.Kind = KindFile
	default:
		i.Kind = KindOther
	}
	return i
}

// pendingInfo describes a file that is being created.
func pendingInfo(name string, f *openFile) Info {
	i := Info{Name: name, Kind: KindFile, FileID: f.created.FileID, Pending: true}
	if f.newSlot != nil {
		i.Mutable, i.FileID = true, mutableFileID(f.newSlot.Read())
	}
	i.Mode, i.UID, i.GID = f.created.Mode&modeBits, f.created.UID, f.created.GID
	i.Size, i.Mtime = f.size.Load(), time.Unix(0, f.mtime.Load())
	if a := f.attrs.Load(); a != nil {
		a.over(&i)
	}
	if i.Atime.IsZero() {
		i.Atime = i.Mtime
	}
	return i
}

// Readlink gives the target of the symbolic link at p. Invalid if it is none.
func (t *Tree) Readlink(ctx context.Context, p Path) (string, error) {
	pl, err := t.resolve(ctx, p, wantEntry)
	switch {
	case err != nil:
		return "", wrap("readlink", err)
	case !pl.exists():
		return "", wrap("readlink", kind.NotExist)
	case pl.entry == nil || pl.entry.Kind != dirtree.Symlink:
		return "", wrap("readlink", fmt.Errorf("no symbolic link: %w", kind.Invalid))
	}
	return string(pl.entry.Data), nil
}
