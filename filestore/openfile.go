package filestore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// openFile is one file that is open on this node, whoever opened it and
// however often: the base that is committed, and the draft over it that all
// its handles share (formats 8).
type openFile struct {
	fs    *FS
	owner slotID

	created dirtree.Entry   // what it was created as; never changes
	mutable bool            // a mutable file; never changes
	newSlot *caps.SlotWrite // of a mutable file that was created here; never changes

	// Guarded by the registry's mutex.
	key     fileKey
	at      spot
	tree    *Tree    // through which it was first opened for writing; nil: never
	several bool     // trees of several roots write to it
	opened  *Tree    // through which it was first opened
	seen    identity // of the contents that were last committed or opened here
	handles int
	writers int
	pending bool    // being created; not in the directory
	gone    bool    // removed: what is written goes nowhere
	reader  *reader // what it keeps from being reaped

	// What stat shows over the committed entry, without waiting for mu.
	dirty atomic.Bool
	size  atomic.Int64
	mtime atomic.Int64 // unix ns
	attrs atomic.Pointer[Attr]
	shown atomic.Pointer[dirtree.Entry] // what entry is, for who doesn't wait for mu
	newer atomic.Pointer[dirtree.Entry] // another gateway's commit, to be taken as base while clean
	lost  atomic.Pointer[error]         // why nothing can be done with the file any more
	into  atomic.Pointer[openFile]      // the open file that has taken this one's place; set under mu and the registry's mutex

	mu        sync.RWMutex  // guards the fields below
	entry     dirtree.Entry // the base; of a file being created, what it will be but for its contents
	base      base
	draft     *draft         // nil: nothing was written since the last commit
	authors   map[*File]bool // who wrote or set something since the last commit
	exclusive bool           // its creation fails if the name has appeared meanwhile
	replaces  bool           // created or cut to zero since the last commit: the next one replaces all contents, whoever else wrote
}

// base is the committed contents under a draft.
type base struct {
	size   int64
	data   []byte           // an inline file
	reader *filetree.Reader // a stored one
}

// identity tells contents apart.
type identity struct {
	kind dirtree.Kind
	id   [32]byte
	size uint64
	data string
}

func identityOf(e *dirtree.Entry) identity {
	return identity{e.Kind, e.File.ID, e.Size, string(e.Data)}
}

func (fs *FS) baseOf(e *dirtree.Entry) base {
	switch e.Kind {
	case dirtree.OneChunk, dirtree.TreeFile:
		return base{size: int64(e.Size), reader: filetree.NewReader(blocks{fs.source}, e.File, fs.fileCache)}
	case dirtree.Inline:
		return base{size: int64(len(e.Data)), data: e.Data}
	case dirtree.Foreign:
		data, _ := literalOf(e)
		return base{size: int64(len(data)), data: data}
	}
	return base{}
}

// readAt fills p from off; what lies past the end is zero.
func (b *base) readAt(ctx context.Context, p []byte, off int64) error {
	n := int(min(int64(len(p)), max(0, b.size-off)))
	clear(p[n:])
	if n == 0 {
		return nil
	}
	if b.reader == nil {
		copy(p[:n], b.data[off:])
		return nil
	}
	_, err := b.reader.ReadAt(ctx, p[:n], off)
	return err
}

// fail makes every further use of the file answer err.
func (f *openFile) fail(err error) { f.lost.CompareAndSwap(nil, &err) }

func (f *openFile) failed() error {
	if err := f.lost.Load(); err != nil {
		return *err
	}
	return nil
}

// overlay puts what is written but not committed over an entry's Info.
func (f *openFile) overlay(i *Info) {
	if f.dirty.Load() {
		i.Size = f.size.Load()
		i.Mtime = time.Unix(0, f.mtime.Load())
		if i.Atime.IsZero() {
			i.Atime = i.Mtime
		}
	}
	if a := f.attrs.Load(); a != nil {
		a.over(i)
	}
}

// over puts the attributes in a over an Info.
func (a *Attr) over(i *Info) {
	if a.Has(AttrMode) {
		i.Mode = a.Mode & modeBits
	}
	if a.Has(AttrUID) {
		i.UID = a.UID
	}
	if a.Has(AttrGID) {
		i.GID = a.GID
	}
	if a.Has(AttrMtime) {
		i.Mtime = a.Mtime
	}
	if a.Has(AttrAtime) {
		i.Atime = a.Atime
	}
}

// with returns a with the fields of b set over it.
func (a Attr) with(b Attr) Attr {
	c := a
	c.Set |= b.Set &^ AttrSize
	if b.Has(AttrMode) {
		c.Mode = b.Mode
	}
	if b.Has(AttrUID) {
		c.UID = b.UID
	}
	if b.Has(AttrGID) {
		c.GID = b.GID
	}
	if b.Has(AttrMtime) {
		c.Mtime = b.Mtime
	}
	if b.Has(AttrAtime) {
		c.Atime = b.Atime
	}
	return c
}

// wroteBy notes that h wrote or set something. It is called with mu held.
func (f *openFile) wroteBy(h *File) {
	if f.authors == nil {
		f.authors = make(map[*File]bool)
	}
	f.authors[h] = true
	h.dirty.Store(true)
}

// disown drops what h alone wrote or set since the last commit. What others
// wrote beside it stays, and with it what h wrote: their ranges may overlap.
func (f *openFile) disown(h *File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.authors[h] {
		return
	}
	if delete(f.authors, h); len(f.authors) > 0 {
		return
	}
	if f.draft != nil {
		f.draft.drop()
		f.draft = nil
		f.size.Store(f.base.size)
	}
	f.dirty.Store(false)
	if !f.isPending() {
		f.setAttrs(Attr{})
	}
}

// refresh takes a newer base, if another gateway has committed one and nothing
// is written over the old. It is called with mu held.
func (f *openFile) refresh() {
	if f.draft != nil || f.newer.Load() == nil {
		return
	}
	if e := f.newer.Swap(nil); e != nil {
		f.setBase(e)
	}
}

// setBase makes e what the file is without its draft. It is called with mu held.
func (f *openFile) setBase(e *dirtree.Entry) {
	f.entry, f.base = *e, f.fs.baseOf(e)
	f.shown.Store(e)
}

// dispose drops what is written and not committed.
func (f *openFile) dispose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draft != nil {
		f.draft.drop()
		f.draft = nil
	}
	f.dirty.Store(false)
	clear(f.authors)
}
