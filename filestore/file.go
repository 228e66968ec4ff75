package filestore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

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
	f.ahead.end()
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
