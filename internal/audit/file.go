package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/atomicfile"
	"github.com/truckee-fs/truckee/internal/kind"
)

// file is the file that records are appended to. One process at a time has it.
type file struct {
	path string
	most int64 // bytes after which another is begun; 0: never
	f    *os.File
	size int64 // of what is whole
}

// chain is a place between two lines.
type chain struct {
	seq  uint64 // of the line before; 0: there is none
	hash string
}

// open opens or makes the file, for this user alone, and finds its last line.
// Unavailable: another process has it.
func (f *file) open() (chain, error) {
	o, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return chain{}, fmt.Errorf("audit: %w", err)
	}
	i, err := o.Stat()
	if err != nil {
		o.Close()
		return chain{}, fmt.Errorf("audit: %w", err)
	}
	// A device may be everybody's.
	if !i.Mode().IsRegular() {
		f.f, f.size = o, 0
		return chain{hash: noHash}, nil
	}
	if err := unix.Flock(int(o.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		o.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return chain{}, kind.Errorf(kind.Unavailable, "audit: %s: another process writes to it", f.path)
		}
		return chain{}, fmt.Errorf("audit: lock %s: %w", f.path, err)
	}
	size, last, err := lastLine(o)
	if err != nil {
		o.Close()
		return chain{}, fmt.Errorf("audit: %s: %w", f.path, err)
	}
	f.f, f.size = o, size
	return last, nil
}

// noPlace reports whether an error may pass by itself: the disk is full, or ails.
func noPlace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EIO) || errors.Is(err, unix.EROFS)
}

// lastLine finds the end of a file's chain. A line that was cut, by a crash, is
// ended here and counts as it is: what follows says so by opBegin.
func lastLine(o *os.File) (size int64, last chain, err error) {
	last.hash = noHash
	i, err := o.Stat()
	if err != nil || i.Size() == 0 {
		return 0, last, err
	}
	size = i.Size()
	tail := make([]byte, min(size, 2*maxLine))
	if _, err := o.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, last, err
	}
	if tail[len(tail)-1] != '\n' {
		if _, err := o.Write([]byte("\n")); err != nil {
			return 0, last, err
		}
		tail = append(tail, '\n')
		size++
	}
	lines := bytes.Split(bytes.TrimSuffix(tail, []byte("\n")), []byte("\n"))
	last.hash = hashOf(lines[len(lines)-1])
	for n := len(lines) - 1; n >= 0; n-- { // the number of a whole one
		var l line
		if json.Unmarshal(lines[n], &l) == nil && l.Seq > 0 {
			last.seq = l.Seq
			break
		}
	}
	return size, last, nil
}

// append writes whole lines, and waits until they are durable if sync says so.
// After an error none of them is there, as far as the disk lets itself be told.
func (f *file) append(b []byte, sync bool) error {
	_, err := f.f.Write(b)
	if err == nil && sync {
		err = f.sync()
	}
	if err != nil {
		// Another may have cut the file meanwhile, as logrotate's copytruncate does.
		if i, serr := f.f.Stat(); serr == nil && i.Size() > f.size {
			err = errors.Join(err, f.f.Truncate(f.size))
		}
		return err
	}
	f.size += int64(len(b))
	return nil
}

func (f *file) sync() error { return unix.Fdatasync(int(f.f.Fd())) }

// full reports whether another file is to be begun.
func (f *file) full() bool { return f.most > 0 && f.size >= f.most }

// rotate puts the file aside under a name that tells its time and its last line,
// and begins another.
func (f *file) rotate(now time.Time, last chain) (chain, error) {
	if err := f.sync(); err != nil {
		return last, err
	}
	ext := filepath.Ext(f.path)
	base := f.path[:len(f.path)-len(ext)]
	aside := fmt.Sprintf("%s-%s-%d%s", base, now.UTC().Format("20060102T150405Z"), last.seq, ext)
	if f.moved() { // the last time, and then there was no place for another
		return f.reopen(last)
	}
	if _, err := os.Lstat(aside); err == nil {
		return last, fmt.Errorf("%s is there already: %w", aside, kind.Exist)
	}
	if err := os.Rename(f.path, aside); err != nil {
		return last, err
	}
	return f.reopen(last)
}

// reopen goes on in what stands under the path now. If that has lines of its own
// their chain goes on, else the one after last.
func (f *file) reopen(last chain) (chain, error) {
	next := file{path: f.path, most: f.most}
	own, err := next.open()
	if err != nil {
		return last, err
	}
	err = errors.Join(f.sync(), f.f.Close(), atomicfile.SyncDir(filepath.Dir(f.path)))
	if *f = next; f.size > 0 {
		last = own
	}
	return last, err
}

// moved reports whether another file, or none, stands under the path.
func (f *file) moved() bool {
	here, err := f.f.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(f.path)
	return err != nil || !os.SameFile(here, there)
}

func (f *file) close() error { return errors.Join(f.sync(), f.f.Close()) }
