package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Open opens or creates the file at p, symbolic links followed. A file that is
// created is visible on this node at once, and committed at the first Sync or
// Close. Opening an existing no-write file (mode without 0200) for writing is
// ReadOnly; the handle that creates one may write.
func (t *Tree) Open(ctx context.Context, p Path, o OpenOptions) (*File, error) {
	f, err := t.openFile(ctx, p, o)
	if err != nil {
		return nil, wrap("open", err)
	}
	if o.Truncate && o.Write {
		if err := f.Truncate(ctx, 0); err != nil {
			f.Discard()
			return nil, err
		}
	}
	return f, nil
}

// maxOpens bounds how often a path is resolved again because its directory
// changed between the look-up and the entry in the registry.
const maxOpens = 32

func (t *Tree) openFile(ctx context.Context, p Path, o OpenOptions) (*File, error) {
	switch {
	case !o.Read && !o.Write:
		return nil, fmt.Errorf("neither for reading nor for writing: %w", kind.Invalid)
	case (o.Create || o.Truncate || o.Append) && !o.Write:
		return nil, fmt.Errorf("create, truncate and append need write: %w", kind.Invalid)
	}
	w := wantTarget
	if o.NoFollow || o.Create && o.Exclusive {
		w = wantEntry
	}
	for try := 1; ; try++ {
		pl, err := t.resolve(ctx, p, w)
		if err != nil {
			return nil, err
		}
		if err := t.mayOpen(&pl, o); err != nil {
			return nil, err
		}
		if of := t.fs.enter(&pl, t, o, try == maxOpens); of != nil {
			f := &File{read: o.Read, write: o.Write, append: o.Append}
			f.of.Store(of)
			return f, nil
		}
		if try >= maxOpens {
			return nil, fmt.Errorf("the directory keeps changing: %w", kind.Conflict)
		}
	}
}

// mayOpen decides whether what the path led to can be opened this way.
func (t *Tree) mayOpen(pl *place, o OpenOptions) error {
	switch {
	case pl.dir == nil:
		return kind.IsDir
	case !pl.exists() && !o.Create:
		return kind.NotExist
	case !pl.exists():
		return pl.dir.mayChange()
	case o.Create && o.Exclusive:
		return kind.Exist
	}
	mode := uint32(ownerWrite)
	if e := pl.entry; e != nil {
		switch {
		case e.Kind.IsDir():
			return kind.IsDir
		case e.Kind == dirtree.Symlink:
			return fmt.Errorf("a symbolic link: %w", kind.Invalid)
		case !isFile(e.Kind):
			return fmt.Errorf("%v: %w", e.Kind, kind.Unsupported)
		}
		mode = e.Mode
	} else {
		mode = pl.file.created.Mode
	}
	if !o.Write {
		return nil
	}
	if pl.dir.write == nil {
		return fmt.Errorf("the capability at hand is read-only: %w", kind.ReadOnly)
	}
	if mode&ownerWrite == 0 {
		return fmt.Errorf("the file is no-write: %w", kind.ReadOnly)
	}
	return nil
}

// enter notes a handle in the registry and returns its file; nil if the
// directory isn't what it was when the path was resolved.
func (fs *FS) enter(pl *place, t *Tree, o OpenOptions, force bool) *openFile {
	r := fs.open
	r.mu.Lock()
	defer r.mu.Unlock()
	// Commits publish under the same lock: as long as the version is current,
	// so is what was found in it.
	if cur := fs.slots.cached(pl.dir.v.read); !force && (cur == nil || cur.rec.Hash != pl.dir.v.rec.Hash) {
		return nil
	}
	d := r.dirOf(pl.dir.id())
	var f *openFile
	switch {
	case pl.entry != nil:
		f = d.byID[pl.entry.FileID]
		if f != nil && f.seen != identityOf(pl.entry) {
			f = fs.renew(f, pl.entry)
		}
		if f == nil {
			f = fs.newOpenFile(pl, t, pl.entry)
			d = r.dirOf(pl.dir.id())
			d.byID[f.key.id] = f
		}
	case d.pending[pl.name] != nil:
		if pl.file == nil { // it has come since; the conditions are to be checked
			return nil
		}
		f = d.pending[pl.name]
	case pl.file != nil: // it has gone since
		r.tidy(pl.dir.id())
		return nil
	default:
		f = fs.newPending(pl, t, o)
		d.pending[pl.name] = f
	}
	f.handles++
	if pl.entry != nil {
		f.at.name, f.at.version = pl.entry.Name, max(f.at.version, pl.dir.v.rec.Version)
	}
	if o.Write {
		f.writers++
		if f.at.dir.IsZero() {
			f.at.dir = *pl.dir.write
		}
		if f.tree == nil {
			f.tree = t
		}
	}
	return f
}

// renew decides what becomes of an open file whose entry another gateway has
// changed: handles that only read keep their version, and new ones get a file
// of their own (nil); where somebody may write, all follow. It is called with
// the registry's mutex held.
func (fs *FS) renew(f *openFile, e *dirtree.Entry) *openFile {
	if f.writers == 0 {
		fs.open.forget(f)
		return nil
	}
	if !f.dirty.Load() {
		f.seen = identityOf(e)
		f.newer.Store(e)
	}
	return f
}

func (fs *FS) newOpenFile(pl *place, t *Tree, e *dirtree.Entry) *openFile {
	f := &openFile{
		fs: fs, key: fileKey{pl.dir.id(), e.FileID}, at: spot{name: e.Name},
		owner: t.ownerOf(pl.dir.v.rec.Owner), seen: identityOf(e), entry: *e, base: fs.baseOf(e),
	}
	if pl.dir.write != nil {
		f.at.dir = *pl.dir.write
	}
	f.shown.Store(e)
	fs.open.hold(f)
	return f
}

func (fs *FS) newPending(pl *place, t *Tree, o OpenOptions) *openFile {
	now := fs.now()
	e := o.Attr.of(dirtree.Entry{
		Name: pl.name, Kind: dirtree.EmptyFile, FileID: newFileID(), Mode: defaultFileMode, Mtime: now.UnixNano(),
	})
	f := &openFile{
		fs: fs, key: fileKey{pl.dir.id(), e.FileID}, at: spot{dir: *pl.dir.write, name: pl.name},
		owner: t.ownerOf(pl.dir.v.rec.Owner), pending: true, entry: e, created: e,
		exclusive: o.Exclusive, replaces: true,
	}
	f.shown.Store(&f.created)
	f.mtime.Store(e.Mtime)
	if o.Attr.Has(AttrMtime) {
		f.attrs.Store(&Attr{Set: AttrMtime, Mtime: o.Attr.Mtime})
	}
	fs.open.hold(f)
	return f
}
