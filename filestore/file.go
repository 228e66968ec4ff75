package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// File is a handle on an open file. All handles on one file, of whatever
// session on this node, see each other's writes. Its methods are safe for
// concurrent use.
//
// What is written becomes visible to other nodes, and durable, at Sync and at
// Close; an error of a write that was answered before surfaces there. A handle
// that is dropped by Discard commits nothing.
type File struct {
	of       atomic.Pointer[openFile]
	link     *openLink // of a mutable file: the entry that led to it; nil: none did
	readOnly bool      // the capability at hand is

	read   bool
	write  bool
	append bool
	closed atomic.Bool
	dirty  atomic.Bool // something was written or set through this handle
	ahead  readAhead
}

func (f *File) use() error {
	if f.closed.Load() {
		return fmt.Errorf("file: %w", kind.Closed)
	}
	return f.file().failed()
}

// file is the open file that the handle is on now.
func (f *File) file() *openFile {
	for {
		of := f.of.Load()
		into := of.into.Load()
		if into == nil {
			return of
		}
		f.of.CompareAndSwap(of, into)
	}
}

// errMerged is the answer of an open file to who waited for its lock while
// another one took its place.
var errMerged = errors.New("the open file has been merged into another")

// do runs an operation on the open file, and again if another one has taken its
// place meanwhile.
func (f *File) do(op func(of *openFile) error) error {
	for {
		if err := op(f.file()); err != errMerged {
			return err
		}
	}
}

// ReadAt reads len(b) bytes from off, fewer only at the end, where it returns
// io.EOF. Every byte has been verified.
func (f *File) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	if err := f.use(); err != nil {
		return 0, wrap("read", err)
	}
	if !f.read {
		return 0, wrap("read", fmt.Errorf("not opened for reading: %w", kind.Denied))
	}
	if off < 0 {
		return 0, wrap("read", fmt.Errorf("at %d: %w", off, kind.Invalid))
	}
	var n int
	var r *filetree.Reader
	err := f.do(func(of *openFile) (err error) {
		n, r, err = of.readAt(ctx, b, off)
		return err
	})
	if r != nil && n > 0 {
		f.ahead.after(f.file().fs, r, off, n)
	}
	if err != nil && err != io.EOF {
		err = wrap("read", err)
	}
	return n, err
}

// readAt reads what the handles of the file see. The reader that it returns is
// of the base, if that was all that had to be asked.
func (f *openFile) readAt(ctx context.Context, b []byte, off int64) (int, *filetree.Reader, error) {
	f.mu.RLock()
	if f.into.Load() != nil {
		f.mu.RUnlock()
		return 0, nil, errMerged
	}
	if f.draft != nil {
		defer f.mu.RUnlock()
		n := int(min(int64(len(b)), max(0, f.draft.size-off)))
		if n > 0 {
			if err := f.draft.read(ctx, b[:n], off); err != nil {
				return 0, nil, err
			}
		}
		return n, nil, eofIf(n < len(b))
	}
	stale, base := f.newer.Load() != nil, f.base
	f.mu.RUnlock()
	if stale {
		f.mu.Lock()
		f.refresh()
		f.mu.Unlock()
		return f.readAt(ctx, b, off)
	}
	n := int(min(int64(len(b)), max(0, base.size-off)))
	if n > 0 {
		if err := base.readAt(ctx, b[:n], off); err != nil {
			return 0, nil, err
		}
	}
	return n, base.reader, eofIf(n < len(b))
}

func eofIf(end bool) error {
	if end {
		return io.EOF
	}
	return nil
}

// WriteAt writes b at off; through a handle opened with Append, at the then end
// of the file if off isn't that already. It returns when the draft has it, and
// waits while too much of the draft is on its way to the storage.
func (f *File) WriteAt(ctx context.Context, b []byte, off int64) (int, error) {
	if err := f.mayWrite(); err != nil {
		return 0, wrap("write", err)
	}
	var n int
	err := f.do(func(of *openFile) (err error) {
		n, err = of.writeAt(ctx, f, b, off)
		return err
	})
	return n, wrap("write", err)
}

func (f *File) mayWrite() error {
	if err := f.use(); err != nil {
		return err
	}
	if !f.write {
		return fmt.Errorf("not opened for writing: %w", kind.Denied)
	}
	return nil
}

func (f *openFile) writeAt(ctx context.Context, h *File, b []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return 0, err
	}
	d := f.draft
	if h.append {
		off = d.size
	}
	n, err := d.write(ctx, b, off)
	if n > 0 && h.append {
		d.appends, _ = d.appends.add(off, off+int64(n))
	}
	if n > 0 {
		f.wroteBy(h)
	}
	f.wrote()
	return n, err
}

// begin makes sure that there is a draft. It is called with mu held.
func (f *openFile) begin(ctx context.Context) error {
	if f.into.Load() != nil {
		return errMerged
	}
	if err := f.failed(); err != nil {
		return err
	}
	f.refresh()
	if f.draft != nil {
		return f.draft.failed()
	}
	d, err := f.newDraft(ctx)
	if err != nil {
		return err
	}
	f.draft = d
	return nil
}

// wrote brings what stat shows up to date. It is called with mu held.
func (f *openFile) wrote() {
	f.size.Store(f.draft.size)
	f.mtime.Store(f.fs.now().UnixNano())
	f.dirty.Store(true)
	if a := f.attrs.Load(); a != nil && a.Has(AttrMtime) {
		b := *a
		b.Set &^= AttrMtime
		f.setAttrs(b)
	}
}

func (f *openFile) setAttrs(a Attr) {
	if a.Set == 0 {
		f.attrs.Store(nil)
		return
	}
	f.attrs.Store(&a)
}

// Truncate cuts or grows the file to size bytes; what is added reads as zeros.
func (f *File) Truncate(ctx context.Context, size int64) error {
	if err := f.mayWrite(); err != nil {
		return wrap("truncate", err)
	}
	return wrap("truncate", f.do(func(of *openFile) error { return of.truncate(ctx, f, size) }))
}

func (f *openFile) truncate(ctx context.Context, h *File, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return err
	}
	f.wroteBy(h)
	err := f.draft.setSize(ctx, size)
	f.wrote()
	return err
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

// Sync commits what was written and set so far, by all handles, and returns
// when it is durable.
func (f *File) Sync(ctx context.Context) error {
	if err := f.use(); err != nil {
		return wrap("sync", err)
	}
	return wrap("sync", f.do(func(of *openFile) error { return of.commit(ctx) }))
}

// Close commits what was written and set so far, as Sync, if this handle may
// write or has set something, and releases the handle in any case. A file that
// was removed meanwhile takes nothing any more; that is no error.
func (f *File) Close(ctx context.Context) error {
	if f.closed.Swap(true) {
		return wrap("close", kind.Closed)
	}
	err := f.file().failed()
	if err == nil && (f.write || f.dirty.Load()) {
		err = f.do(func(of *openFile) error { return of.commit(ctx) })
	}
	f.put()
	return wrap("close", err)
}

// Discard releases the handle and commits nothing. What only this handle wrote
// and set since the last commit is dropped; with the last handle that could
// commit, everything is, and a file that was never committed vanishes.
// Discarding a closed handle does nothing.
func (f *File) Discard() {
	if !f.closed.Swap(true) {
		f.put()
	}
}

// put gives the handle back.
func (f *File) put() {
	r := f.of.Load().fs.open
	r.mu.Lock()
	of := f.file()
	drop := of.release(f)
	r.mu.Unlock()
	if drop {
		of.dispose()
	} else if f.dirty.Load() {
		of.disown(f)
	}
}

// release takes a handle off f, and reports whether what is written and not
// committed is to be dropped. It is called with the registry's mutex held.
func (f *openFile) release(h *File) (drop bool) {
	r := f.fs.open
	f.handles--
	if h.write {
		f.writers--
	}
	r.leaveLink(h.link)
	last := f.handles == 0
	drop = f.writers == 0 && (last || f.pending || f.dirty.Load())
	if drop && f.pending {
		f.gone, f.pending = true, false
		r.forget(f)
	}
	if last {
		r.forget(f)
		r.leave(f)
	}
	return drop
}
