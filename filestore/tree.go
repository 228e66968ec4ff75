package filestore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
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

// List yields the entries of the directory at p, in the order of their sort
// keys (bytewise, a directory's name taken with a "/" at its end): one version
// of the directory as it was committed, and the files that are being created
// in it on this node. An error ends the sequence.
func (t *Tree) List(ctx context.Context, p Path) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		done := t.fs.open.reading()
		defer done()
		pl, err := t.resolve(ctx, p, wantDir)
		switch {
		case err != nil:
		case !pl.exists():
			err = kind.NotExist
		case pl.node == nil && pl.entry != nil && pl.entry.Kind == dirtree.FrozenDir:
			err = fmt.Errorf("a frozen directory: %w", kind.Unsupported)
		case pl.node == nil:
			err = kind.NotDir
		}
		if err != nil {
			yield(Info{}, wrap("list", err))
			return
		}
		l := listing{t: t, dir: pl.node, yield: yield}
		l.run(ctx)
	}
}

// listBatch is how many entries are looked at together, so that the slots of
// the directories among them are read by one query.
const listBatch = 256

// listing is one run of List.
type listing struct {
	t       *Tree
	dir     *node
	yield   func(Info, error) bool
	open    map[FileID]*openFile
	pending []string // names, ascending
	files   map[string]*openFile
}

func (l *listing) run(ctx context.Context) {
	l.open, l.files = l.t.fs.open.in(l.dir.id())
	for name := range l.files {
		l.pending = append(l.pending, name)
	}
	slices.Sort(l.pending)
	batch := make([]*dirtree.Entry, 0, listBatch)
	for e, err := range l.dir.view().Scan(ctx, "") {
		if err != nil {
			if l.flush(ctx, batch) {
				l.yield(Info{}, wrap("list", err))
			}
			return
		}
		if batch = append(batch, e); len(batch) == listBatch {
			if !l.flush(ctx, batch) {
				return
			}
			batch = batch[:0]
		}
	}
	if l.flush(ctx, batch) {
		l.created("", true)
	}
}

// flush yields a batch of entries, and between them the files being created.
func (l *listing) flush(ctx context.Context, batch []*dirtree.Entry) bool {
	dirs, err := l.t.slotsOf(ctx, batch)
	if err != nil {
		l.yield(Info{}, wrap("list", err))
		return false
	}
	for i, e := range batch {
		if !l.created(e.SortKey(), false) {
			return false
		}
		info := l.t.entryInfo(e, l.dir.write == nil)
		if dirs[i] != nil {
			fromSlot(&info, dirs[i])
		}
		if f := l.open[e.FileID]; f != nil {
			f.overlay(&info)
		}
		if !l.yield(info, nil) {
			return false
		}
	}
	return true
}

// created yields the files being created whose names come before key, or all
// that are left. Of one that has been committed since only the entry is shown.
func (l *listing) created(key string, rest bool) bool {
	for len(l.pending) > 0 && (rest || strings.Compare(l.pending[0], key) <= 0) {
		name := l.pending[0]
		l.pending = l.pending[1:]
		if name == key && !rest {
			continue
		}
		if !l.yield(l.t.pendingInfo(name, l.files[name]), nil) {
			return false
		}
	}
	return true
}

// slotsOf returns for each entry that links a directory its current version,
// nil for others and for one that can't be read: its place in a listing stays.
func (t *Tree) slotsOf(ctx context.Context, batch []*dirtree.Entry) ([]*version, error) {
	out := make([]*version, len(batch))
	var reads []caps.SlotRead
	var at []int
	for i, e := range batch {
		if e.Kind != dirtree.Directory || e.Check() != nil {
			continue
		}
		if t.fs.slots.authoritative {
			if out[i] = t.fs.slots.cached(e.Dir); out[i] != nil {
				continue
			}
		}
		reads, at = append(reads, e.Dir), append(at, i)
	}
	if len(reads) == 0 {
		return out, nil
	}
	got, err := t.fs.slots.loadAll(ctx, reads)
	if err != nil {
		return nil, err
	}
	for j, g := range got {
		out[at[j]] = g.v
	}
	return out, nil
}

// CapOf gives the capability of what stands at p: of a file or directory, at
// the authority asked for. Denied if the tree's own authority is less.
func (t *Tree) CapOf(ctx context.Context, p Path, a caps.Authority) (caps.Cap, error) {
	pl, err := t.resolve(ctx, p, wantDir)
	switch {
	case err != nil:
		return nil, wrap("cap", err)
	case pl.node != nil && pl.node.write != nil:
		return atMost(caps.OfSlotWrite(*pl.node.write), a)
	case pl.node != nil:
		return atMost(caps.OfSlotRead(pl.node.v.read), a)
	case pl.file != nil:
		return nil, wrap("cap", fmt.Errorf("the file is still being created: %w", kind.Unavailable))
	case pl.entry == nil:
		return nil, wrap("cap", kind.NotExist)
	}
	return capOfEntry(pl.entry, a)
}

func capOfEntry(e *dirtree.Entry, a caps.Authority) (caps.Cap, error) {
	switch e.Kind {
	case dirtree.EmptyFile, dirtree.Inline:
		c, err := caps.OfLiteral(e.Data)
		if err != nil {
			return nil, wrap("cap", err)
		}
		return atMost(c, a)
	case dirtree.OneChunk, dirtree.TreeFile:
		return atMost(caps.OfFileRead(e.File.FileRead()), a)
	case dirtree.MutableFile:
		if e.DirWrite != nil {
			return atMost(caps.OfSlotWrite(*e.DirWrite), a)
		}
		return atMost(caps.OfSlotRead(e.Dir), a)
	case dirtree.FrozenDir:
		return atMost(caps.OfFrozenRead(e.Frozen), a)
	case dirtree.Foreign:
		if e.Foreign.Write != nil && a == caps.AuthorityWrite {
			return e.Foreign.Write, nil
		}
		return atMost(e.Foreign.Read, a)
	}
	return nil, wrap("cap", fmt.Errorf("a symbolic link has no capability: %w", kind.Invalid))
}

func atMost(c caps.Cap, a caps.Authority) (caps.Cap, error) {
	if a == caps.AuthorityWrite && c.Authority() != caps.AuthorityWrite && c.Form() == caps.FormSlot {
		return nil, wrap("cap", fmt.Errorf("only a read capability is at hand: %w", kind.ReadOnly))
	}
	weak, ok := caps.AtMost(c, a)
	if !ok {
		return nil, wrap("cap", fmt.Errorf("no capability of that authority: %w", kind.Invalid))
	}
	return weak, nil
}
