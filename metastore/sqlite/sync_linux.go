package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"
)

// dataSync makes a file's bytes durable without its times.
func dataSync(f *sqlite3.TunixFile) (done bool, rc int32) {
	for {
		err := unix.Fdatasync(int(f.Fh))
		if err == nil {
			return true, sqlite3.SQLITE_OK
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		// Whatever the reason, a full disk included: what was written before may
		// or may not be there after a crash, so the outcome is unknown.
		return true, sqlite3.SQLITE_IOERR_FSYNC
	}
}

// allocate gives the first size bytes of a file their blocks.
func allocate(f *os.File, size int64) error { return fallocate(int(f.Fd()), 0, 0, size) }

// allocateBehind gives n bytes of a file from off on their blocks, and leaves its size.
func allocateBehind(fd int, off, n int64) error {
	return fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, n)
}

func fallocate(fd int, mode uint32, off, n int64) error {
	for {
		if err := unix.Fallocate(fd, mode, off, n); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
