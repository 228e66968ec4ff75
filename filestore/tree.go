package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Tree is what one root capability gives access to. It is safe for concurrent
// use, and needs no Close.
//
// Every change is durable when its method returns nil, and decided by the
// filestore alone: a frontend asks and translates the error's kind.
type Tree struct {
	fs    *FS
	read  caps.SlotRead
	write *caps.SlotWrite // nil: a read capability
}

// ReadOnly reports whether the root capability allows no change.
func (t *Tree) ReadOnly() bool { return t.write == nil }

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
		return t.dirInfo(pl.node), nil
	case pl.entry != nil:
		i := t.entryInfo(pl.entry, pl.dir.write == nil)
		if f := t.fs.open.file(fileKey{pl.dir.id(), pl.entry.FileID}); f != nil {
			f.overlay(&i)
		}
		return i, nil
	case pl.file != nil:
		return t.pendingInfo(pl.name, pl.file), nil
	}
	return Info{}, wrap("stat", kind.NotExist)
}

// dirInfo describes an opened directory. Its times come from its own slot,
// everything else from the entry that leads to it.
func (t *Tree) dirInfo(n *node) Info {
	i := Info{Kind: KindDir, Mode: defaultDirMode, ReadOnly: n.write == nil}
	if n.entry != nil {
		i = t.entryInfo(n.entry, n.write == nil)
	}
	fromSlot(&i, n.v)
	return i
}

// fromSlot adds what a directory's own slot tells.
func fromSlot(i *Info, v *version) {
	i.Entries = int64(v.state.Entries)
	i.Mtime = time.Unix(0, v.state.Mtime)
	if i.Atime.IsZero() {
		i.Atime = i.Mtime
	}
}

func (t *Tree) entryInfo(e *dirtree.Entry, readOnly bool) Info {
	i := Info{
		Name: e.Name, FileID: e.FileID, Size: int64(e.Size), Mode: e.Mode & modeBits, UID: e.UID, GID: e.GID,
		Mtime: time.Unix(0, e.Mtime), ReadOnly: readOnly,
	}
	if at, ok := e.Atime(); ok {
		i.Atime = time.Unix(0, at)
	} else if !e.Kind.IsDir() {
		i.Atime = i.Mtime
	}
	switch {
	case e.Kind == dirtree.Directory:
		i.Kind, i.Size = KindDir, 0
	case e.Kind == dirtree.Symlink:
		i.Kind, i.Target, i.Size = KindSymlink, string(e.Data), int64(len(e.Data))
	case isFile(e.Kind):
		i.Kind = KindFile
	default:
		i.Kind = KindOther
	}
	return i
}

// pendingInfo describes a file that is being created.
func (t *Tree) pendingInfo(name string, f *openFile) Info {
	i := Info{Name: name, Kind: KindFile, FileID: f.created.FileID, Pending: true}
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
