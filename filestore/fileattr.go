package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/internal/kind"
)

func (f *openFile) setAttrs(a Attr) {
	if a.Set == 0 {
		f.attrs.Store(nil)
		return
	}
	f.attrs.Store(&a)
}

// SetAttr sets attributes. They are committed with the contents, at Sync or
// Close. AttrSize is as Truncate.
func (f *File) SetAttr(ctx context.Context, a Attr) error {
	if err := f.use(); err != nil {
		return wrap("setattr", err)
	}
	if f.readOnly {
		return wrap("setattr", kind.ReadOnly)
	}
	if a.Has(AttrSize) {
		if err := f.Truncate(ctx, a.Size); err != nil {
			return err
		}
	}
	if f.file().mutable {
		return wrap("setattr", f.setAttrMutable(ctx, a))
	}
	if a.Set&^AttrSize != 0 {
		return f.do(func(of *openFile) error { return of.addAttrs(f, a) })
	}
	return nil
}

func (f *openFile) addAttrs(h *File, a Attr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.into.Load() != nil {
		return errMerged
	}
	f.wroteBy(h)
	f.mergeAttrs(a)
	return nil
}

// addAttrsPending is addAttrs for a file that is still being created, and
// reports whether it was: after its last commit nothing would come of them.
func (f *openFile) addAttrsPending(a Attr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isPending() {
		return false
	}
	f.mergeAttrs(a)
	return true
}

// mergeAttrs is called with mu held.
func (f *openFile) mergeAttrs(a Attr) {
	var old Attr
	if p := f.attrs.Load(); p != nil {
		old = *p
	}
	f.setAttrs(old.with(a))
}

// Stat describes the file as its handles see it. The name is the one that it
// has now, as far as this node knows.
func (f *File) Stat(ctx context.Context) (Info, error) {
	if err := f.use(); err != nil {
		return Info{}, wrap("stat", err)
	}
	i := f.file().stat()
	i.ReadOnly = f.readOnly
	if f.link != nil && !i.Pending {
		f.link.show(&i)
	}
	return i, nil
}

func (f *openFile) stat() Info {
	f.fs.open.mu.Lock()
	name, id, pending := f.at.name, f.key.id, f.pending
	switch {
	case f.newSlot != nil:
		id = mutableFileID(f.newSlot.Read())
	case f.mutable:
		id = FileID(f.key.dir[:16])
	}
	f.fs.open.mu.Unlock()
	if pending {
		return pendingInfo(name, f)
	}
	e := f.shown.Load()
	if n := f.newer.Load(); n != nil && !f.dirty.Load() {
		e = n
	}
	i := entryInfo(e, false)
	i.Name, i.FileID, i.Kind, i.Mutable = name, id, KindFile, f.mutable
	f.overlay(&i)
	return i
}
