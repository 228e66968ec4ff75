package filestore

import (
	"context"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

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
		n, r, err = of.readAt(ctx, b, off, &f.ahead)
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

// readAt reads what the handles of the file see, for the one that ahead is of. The
// reader that it returns is of the base, if that was all that had to be asked.
func (f *openFile) readAt(ctx context.Context, b []byte, off int64, ahead *readAhead) (int, *filetree.Reader, error) {
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
		return f.readAt(ctx, b, off, ahead)
	}
	n := int(min(int64(len(b)), max(0, base.size-off)))
	if n > 0 && (base.reader == nil || !ahead.read(ctx, base.reader, b[:n], off)) {
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
