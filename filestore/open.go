package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
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
		f, err := t.openOnce(ctx, p, w, o, try == maxOpens)
		if f != nil || err != nil {
			return f, err
		}
		if try >= maxOpens {
			return nil, fmt.Errorf("the directory keeps changing: %w", kind.Conflict)
		}
	}
}

// openOnce is one attempt at openFile; nil if what the path led to has changed
// since. With force that counts as what is there.
func (t *Tree) openOnce(ctx context.Context, p Path, w want, o OpenOptions, force bool) (*File, error) {
	rd := t.fs.open.begin()
	defer t.fs.open.end(rd)
	pl, err := t.resolve(ctx, p, w)
	if err != nil {
		return nil, err
	}
	if err := t.mayOpen(&pl, o); err != nil {
		return nil, err
	}
	if !pl.exists() {
		if err := t.room(ctx, 1, 0); err != nil {
			return nil, err
		}
	}
	switch {
	case pl.immutable():
		return t.fs.enterImmutable(&pl, o, rd.seq), nil
	case pl.entry != nil && pl.entry.Kind == dirtree.MutableFile:
		if pl.slot == nil {
			if pl.slot, err = t.fs.slots.load(ctx, pl.entry.Dir); err != nil {
				return nil, err
			}
		}
		in, err := pl.slot.contents(ctx)
		if err != nil {
			return nil, err
		}
		return t.fs.enterMutable(&pl, in, t, o, force), nil
	}
	return t.fs.enter(&pl, t, o, force), nil
}

// mayOpen decides whether what the path led to can be opened this way.
func (t *Tree) mayOpen(pl *place, o OpenOptions) error {
	switch {
	case pl.node != nil, pl.dir == nil && pl.entry == nil:
		return kind.IsDir
	case !pl.exists() && !o.Create:
		return kind.NotExist
	case !pl.exists() && o.Mutable && t.fs.keepsVersions(pl.dir):
		return errVersioned("a mutable file")
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
		case e.Kind == dirtree.Foreign && !isLiteral(e):
			return foreignErr(e)
		}
		if _, sealed := e.Attr(dirtree.AttrClientSeal); sealed {
			return fmt.Errorf("its key is with an S3 client: %w", kind.Denied)
		}
		if pl.dir != nil {
			mode = e.Mode
		}
	} else {
		mode = pl.file.created.Mode
		if a := pl.file.attrs.Load(); a != nil && a.Has(AttrMode) {
			mode = a.Mode // set since
		}
	}
	if err := isMutable(pl, o); err != nil || !o.Write {
		return err
	}
	switch {
	case pl.immutable():
		return fmt.Errorf("what is named here never changes: %w", kind.ReadOnly)
	case pl.dir == nil && pl.entry.DirWrite == nil, pl.dir != nil && pl.dir.write == nil,
		pl.entry != nil && pl.entry.Kind == dirtree.MutableFile && pl.entry.DirWrite == nil:
		return fmt.Errorf("the capability at hand is read-only: %w", kind.ReadOnly)
	case mode&ownerWrite == 0:
		return fmt.Errorf("the file is no-write: %w", kind.ReadOnly)
	case pl.entry != nil:
		return lockOf(pl.entry).holds(t.fs.now(), false)
	}
	return nil
}

// isMutable demands, where a mutable file is to be made, that what is there
// already is one.
func isMutable(pl *place, o OpenOptions) error {
	is := pl.file != nil && pl.file.mutable || pl.entry != nil && pl.entry.Kind == dirtree.MutableFile
	if o.Create && o.Mutable && !is {
		return fmt.Errorf("what is there is no mutable file: %w", kind.Exist)
	}
	return nil
}

// enter notes a handle in the registry and returns it; nil if the directory
// isn't what it was when the path was resolved.
func (fs *FS) enter(pl *place, t *Tree, o OpenOptions, force bool) *File {
	r := fs.open
	r.mu.Lock()
	defer r.mu.Unlock()
	// Commits publish under the same lock: as long as the version is current,
	// so is what was found in it.
	if !force && !fs.slots.isCurrent(pl.dir.v) {
		return nil
	}
	d := r.dirOf(pl.dir.id())
	var f *openFile
	switch {
	case pl.entry != nil:
		f = fs.share(pl.key(), pl.entry, func() *openFile { return fs.newOpenFile(pl, t) })
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
	if pl.entry != nil {
		f.at.name, f.at.version = pl.entry.Name, max(f.at.version, pl.dir.v.rec.Version)
	}
	if pl.dir.bucket != (slotID{}) {
		f.at.bucket = pl.dir.bucket
	}
	f.openedThrough(t, o.Write)
	h := f.handle(o, pl.dir.write)
	if f.mutable {
		h.link = r.enterLink(t, pl, &f.created)
	}
	return h
}

// enterMutable is enter for a mutable file that is there; in holds its contents.
func (fs *FS) enterMutable(pl *place, in *dirtree.Entry, t *Tree, o OpenOptions, force bool) *File {
	r := fs.open
	r.mu.Lock()
	defer r.mu.Unlock()
	if !force && !fs.slots.isCurrent(pl.slot) {
		return nil
	}
	f := fs.share(pl.key(), in, func() *openFile {
		f := &openFile{
			fs: fs, key: pl.key(), mutable: true, owner: t.ownerOf(pl.slot.rec.Owner),
			seen: identityOf(in), entry: *in, base: fs.baseOf(in),
		}
		f.shown.Store(in)
		r.hold(f, r.seq)
		return f
	})
	f.openedThrough(t, o.Write)
	h := f.handle(o, pl.entry.DirWrite)
	if pl.dir != nil {
		h.link = r.enterLink(t, pl, pl.entry)
	}
	return h
}

// enterImmutable opens a file that nobody can write to, so that there is nothing
// to be shared; it reads what was there at the commit seq.
func (fs *FS) enterImmutable(pl *place, o OpenOptions, seq uint64) *File {
	r := fs.open
	r.mu.Lock()
	defer r.mu.Unlock()
	e := pl.entry
	f := &openFile{fs: fs, at: spot{name: pl.name}, seen: identityOf(e), entry: *e, base: fs.baseOf(e)}
	f.key.id = e.FileID
	f.shown.Store(e)
	r.hold(f, seq)
	return f.handle(o, nil)
}

// share returns the open file with the key and the contents of e, which fresh
// makes if there is none. It is called with the registry's mutex held.
func (fs *FS) share(k fileKey, e *dirtree.Entry, fresh func() *openFile) *openFile {
	d := fs.open.dirOf(k.dir)
	f := d.byID[k.id]
	if f != nil && f.seen != identityOf(e) {
		f = fs.renew(f, e)
	}
	if f == nil {
		f = fresh()
		fs.open.dirOf(k.dir).byID[k.id] = f
	}
	return f
}

// handle adds a handle that came by the write authority dir: over the directory,
// or over the file's own slot if it is a mutable one. It is called with the
// registry's mutex held.
func (f *openFile) handle(o OpenOptions, dir *caps.SlotWrite) *File {
	f.handles++
	if o.Write {
		f.writers++
	}
	if dir != nil && f.at.dir.IsZero() {
		f.at.dir = *dir
	}
	h := &File{read: o.Read, write: o.Write, append: o.Append, readOnly: dir == nil}
	h.of.Store(f)
	return h
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

func (fs *FS) newOpenFile(pl *place, t *Tree) *openFile {
	e := pl.entry
	f := &openFile{
		fs: fs, key: pl.key(), at: spot{name: e.Name},
		owner: t.ownerOf(pl.dir.v.rec.Owner), seen: identityOf(e), entry: *e, base: fs.baseOf(e),
	}
	f.shown.Store(e)
	fs.open.hold(f, fs.open.seq)
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
	if o.Mutable {
		slot := randomSlot(caps.SlotFile)
		f.newSlot, f.mutable = &slot, true
	}
	f.shown.Store(&f.created)
	f.mtime.Store(e.Mtime)
	if o.Attr.Has(AttrMtime) {
		f.attrs.Store(&Attr{Set: AttrMtime, Mtime: o.Attr.Mtime})
	}
	fs.open.hold(f, fs.open.seq)
	return f
}
