package filestore

import (
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
)

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
