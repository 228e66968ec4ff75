package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

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
