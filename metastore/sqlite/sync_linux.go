package sqlite

import (
	"errors"

	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"
)

// dataSync makes a file's bytes durable without its times.
func dataSync(f *sqlite3.TunixFile) (done bool, rc int32) {
	for {
		err := unix.Fdatasync(int(f.Fh))
		switch {
		case err == nil:
			return true, sqlite3.SQLITE_OK
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
			return true, sqlite3.SQLITE_FULL
		}
		return true, sqlite3.SQLITE_IOERR_FSYNC
	}
}
