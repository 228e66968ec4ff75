package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sys/unix"
)

// openFiles bounds the segments that are kept open for reading.
const openFiles = 512

// handle names an open file: a segment, read past the page cache or through it.
type handle struct {
	seg    uint32
	direct bool
}

// files keeps segments open for reading. An evicted file is closed when the
// reads under way on it end; who comes too late opens it again.
type files struct {
	dir  *os.Root // of the segments
	open *lru.Cache[handle, *os.File]
}

func newFiles(dir *os.Root) (*files, error) {
	open, err := lru.NewWithEvict(openFiles, func(_ handle, f *os.File) { f.Close() })
	if err != nil {
		return nil, err
	}
	return &files{dir: dir, open: open}, nil
}

func (fs *files) get(h handle) (*os.File, error) {
	if f, ok := fs.open.Get(h); ok {
		return f, nil
	}
	flags := os.O_RDONLY
	if h.direct {
		flags |= unix.O_DIRECT
	}
	f, err := fs.dir.OpenFile(segmentName(h.seg), flags, 0)
	if err != nil {
		return nil, err
	}
	if other, ok, _ := fs.open.PeekOrAdd(h, f); ok {
		f.Close()
		return other, nil
	}
	return f, nil
}

// readAt fills b from off. The end of the file before that is an error.
func (fs *files) readAt(h handle, b []byte, off int64) error {
	for {
		f, err := fs.get(h)
		if err != nil {
			return err
		}
		n, err := f.ReadAt(b, off)
		switch {
		case n == len(b):
			return nil
		case errors.Is(err, os.ErrClosed):
			continue // evicted since
		case err == io.EOF:
			return fmt.Errorf("segment %d ends at %d: %w", h.seg, off+int64(n), io.ErrUnexpectedEOF)
		default:
			return err
		}
	}
}

// drop closes the files of a segment that is no more.
func (fs *files) drop(seg uint32) {
	fs.open.Remove(handle{seg, false})
	fs.open.Remove(handle{seg, true})
}

func (fs *files) close() { fs.open.Purge() }

// gone reports whether a read failed because its segment was compacted away.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
