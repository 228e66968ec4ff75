package local

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// disk is what the store asks of the operating system when it writes segments;
// tests put failures here.
type disk struct {
	write    func(f *os.File, b []byte, off int64) error
	sync     func(f *os.File) error
	allocate func(f *os.File, size int64) error
	punch    func(f *os.File, off, n int64) error
	syncDir  func(dir *os.Root) error // makes the names in it durable
}

func realDisk() disk {
	return disk{
		write: func(f *os.File, b []byte, off int64) error {
			_, err := f.WriteAt(b, off)
			return err
		},
		sync: func(f *os.File) error { return uninterrupted(func() error { return unix.Fdatasync(int(f.Fd())) }) },
		allocate: func(f *os.File, size int64) error {
			return uninterrupted(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
		},
		punch: func(f *os.File, off, n int64) error {
			return uninterrupted(func() error {
				return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
			})
		},
		syncDir: syncRoot,
	}
}

func uninterrupted(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// openForWriting opens a segment, past the page cache if the file system can:
// copying into it costs more than the disk does.
func (s *Store) openForWriting(num uint32, flags int) (*os.File, error) {
	if s.direct {
		flags |= unix.O_DIRECT
	}
	return s.home.segments.OpenFile(segmentName(num), os.O_RDWR|flags, 0o600)
}

// canDirect tries whether files in dir can be written past the page cache, in
// whole pages.
func canDirect(dir *os.Root) bool {
	const name = "direct.tmp"
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC|unix.O_DIRECT, 0o600)
	if err != nil {
		_ = dir.Remove(name)
		return false
	}
	defer dir.Remove(name)
	defer f.Close()
	b := alignedBuffer(page)
	if _, err := f.WriteAt(b, 0); err != nil {
		return false
	}
	_, err = f.ReadAt(b, 0)
	return err == nil
}

// alignedBuffer makes n bytes that begin on a page.
func alignedBuffer(n int64) []byte {
	b := make([]byte, n+page)
	skip := page - int64(uintptr(unsafe.Pointer(&b[0]))%page)
	return b[skip : skip+n : skip+n]
}

// alignedIn is n bytes of room that begin on a page, nil if it has no such.
func alignedIn(room []byte, n int64) []byte {
	room = room[:cap(room)]
	if int64(len(room)) < n {
		return nil
	}
	skip := -int64(uintptr(unsafe.Pointer(&room[0]))) & (page - 1)
	if int64(len(room)) < skip+n {
		return nil
	}
	return room[skip : skip+n : skip+n]
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
