//go:build linux

// Package fsx does random things to one file of a file system and to a copy of it
// in memory, and compares the two, after the idea of Apple's fsx: reads, writes
// and appends of all sizes, truncation both ways, shared mappings, several
// handles, renaming, closing and opening again.
package fsx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Run is one file and what it should hold.
type Run struct {
	dir    string
	name   string
	mmap   bool
	rng    *rand.Rand
	want   []byte
	files  []*os.File
	append *os.File
	log    []string // the newest operations
	done   int
}

const (
	maxSize  = 3 << 20 // three chunks
	maxOp    = 200_000
	handles  = 3
	remember = 40
)

// New begins with an empty file in dir. Runs of one seed do the same, as long as
// they say the same of mmap.
func New(dir string, seed uint64, mmap bool) (*Run, error) {
	r := &Run{dir: dir, name: "file", mmap: mmap, rng: rand.New(rand.NewPCG(seed, 0))}
	return r, r.open(os.O_CREATE)
}

func (r *Run) path() string { return filepath.Join(r.dir, r.name) }

func (r *Run) open(extra int) error {
	for len(r.files) < handles {
		f, err := os.OpenFile(r.path(), os.O_RDWR|extra, 0o644)
		if err != nil {
			return err
		}
		r.files = append(r.files, f)
	}
	var err error
	r.append, err = os.OpenFile(r.path(), os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// Close closes all handles.
func (r *Run) Close() error {
	var errs []error
	for _, f := range append(r.files, r.append) {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	r.files, r.append = nil, nil
	return errors.Join(errs...)
}

// Done is how many operations were done.
func (r *Run) Done() int { return r.done }

// Steps does n operations. The error tells the first that went wrong, and those
// before it.
func (r *Run) Steps(n int) error {
	for range n {
		if err := r.step(); err != nil {
			return fmt.Errorf("operation %d: %w; it came after\n%s", r.done, err, strings.Join(r.log, "\n"))
		}
		r.done++
	}
	return nil
}

func (r *Run) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
	r.log = r.log[max(0, len(r.log)-remember):]
}

func (r *Run) step() error {
	f := r.files[r.rng.IntN(len(r.files))]
	switch n := r.rng.IntN(100); {
	case n < 30:
		return r.write(f)
	case n < 55:
		return r.read(f)
	case n < 63:
		return r.truncate(f)
	case n < 73:
		return r.appendTo()
	case n < 83:
		return r.mapped(f)
	case n < 87:
		r.note("fsync")
		return f.Sync()
	case n < 91:
		return r.reopen()
	case n < 94:
		return r.rename()
	case n < 97:
		return r.Whole()
	default:
		return r.stat(f)
	}
}

// span is a place and a length, small ones and those at boundaries most often.
func (r *Run) span(limit int) (off, n int) {
	off, n = r.rng.IntN(limit+1), 1+r.rng.IntN(maxOp)
	if r.rng.IntN(2) == 0 {
		n = 1 + r.rng.IntN(5000)
	}
	if r.rng.IntN(3) == 0 {
		off = max(0, off&^(64<<10-1)-r.rng.IntN(3))
	}
	return off, n
}

// data is n bytes that no earlier write has had.
func (r *Run) data(n int) []byte {
	b := make([]byte, n)
	x := r.rng.Uint64()
	for i := range b {
		b[i] = byte(x>>(i%8*8)) + byte(i>>8)
	}
	return b
}

// put is what a write does to the copy.
func (r *Run) put(b []byte, off int) {
	if grow := off + len(b) - len(r.want); grow > 0 {
		r.want = append(r.want, make([]byte, grow)...)
	}
	copy(r.want[off:], b)
}

func (r *Run) write(f *os.File) error {
	off, n := r.span(min(maxSize, len(r.want)+100_000)) // beyond the end, too: a hole
	n = min(n, maxSize-off)
	b := r.data(n)
	r.note("write %d at %d", n, off)
	if _, err := f.WriteAt(b, int64(off)); err != nil {
		return err
	}
	r.put(b, off)
	return nil
}

func (r *Run) appendTo() error {
	_, n := r.span(0)
	n = min(n, maxSize-len(r.want))
	b := r.data(n)
	r.note("append %d at %d", n, len(r.want))
	if _, err := r.append.Write(b); err != nil {
		return err
	}
	r.put(b, len(r.want))
	return nil
}

func (r *Run) read(f *os.File) error {
	off, n := r.span(len(r.want) + 1000)
	r.note("read %d at %d", n, off)
	b := make([]byte, n)
	got, err := f.ReadAt(b, int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return r.same(b[:got], off, min(n, max(0, len(r.want)-off)))
}

// same compares what was read at off with the n bytes that are there.
func (r *Run) same(got []byte, off, n int) error {
	if len(got) != n {
		return fmt.Errorf("%d bytes at %d of %d, not %d", len(got), off, len(r.want), n)
	}
	if n == 0 {
		return nil
	}
	want := r.want[off : off+n]
	if bytes.Equal(got, want) {
		return nil
	}
	first, wrong := -1, 0
	for i := range got {
		if got[i] != want[i] {
			if first < 0 {
				first = i
			}
			wrong++
		}
	}
	return fmt.Errorf("%d of %d bytes read at %d are wrong, from %d on: %x, not %x", wrong, n, off, off+first, got[first:min(n, first+16)], want[first:min(n, first+16)])
}

func (r *Run) truncate(f *os.File) error {
	size := r.rng.IntN(len(r.want) + 1)
	if r.rng.IntN(2) == 0 {
		size = r.rng.IntN(maxSize)
	}
	byPath := r.rng.IntN(3) == 0
	r.note("truncate to %d (by path: %v)", size, byPath)
	var err error
	if byPath {
		err = os.Truncate(r.path(), int64(size))
	} else {
		err = f.Truncate(int64(size))
	}
	if err != nil {
		return err
	}
	r.put(nil, size)
	r.want = r.want[:size:size]
	return nil
}

// mapped reads and writes by a shared mapping, or by the handle where there are none.
func (r *Run) mapped(f *os.File) error {
	if !r.mmap || len(r.want) == 0 {
		return r.read(f)
	}
	off, n := r.span(len(r.want) - 1)
	n = min(n, len(r.want)-off)
	page := off &^ (os.Getpagesize() - 1)
	b := r.data(n)
	r.note("map, read and write %d at %d", n, off)
	m, err := unix.Mmap(int(f.Fd()), int64(page), off-page+n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	err = r.same(m[off-page:], off, n)
	copy(m[off-page:], b)
	r.put(b, off)
	return errors.Join(err, unix.Msync(m, unix.MS_SYNC), unix.Munmap(m))
}

func (r *Run) reopen() error {
	r.note("close all, open again")
	if err := r.Close(); err != nil {
		return err
	}
	return r.open(0)
}

func (r *Run) rename() error {
	name := fmt.Sprintf("file%d", r.rng.IntN(5))
	r.note("rename %s to %s", r.name, name)
	if err := os.Rename(r.path(), filepath.Join(r.dir, name)); err != nil {
		return err
	}
	r.name = name
	return nil
}

func (r *Run) stat(f *os.File) error {
	i, err := f.Stat()
	if err != nil {
		return err
	}
	r.note("stat")
	if i.Size() != int64(len(r.want)) {
		return fmt.Errorf("fstat: %d bytes, not %d", i.Size(), len(r.want))
	}
	return nil
}

// Whole compares all of the file, through a handle of its own.
func (r *Run) Whole() error {
	r.note("read all")
	b, err := os.ReadFile(r.path())
	if err != nil {
		return err
	}
	return r.same(b, 0, len(r.want))
}

// Path and Want are where the file is and what it holds.
func (r *Run) Path() string { return r.path() }

// Want is what the file should hold.
func (r *Run) Want() []byte { return r.want }
