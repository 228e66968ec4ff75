//go:build !linux

package sqlite

import (
	"errors"
	"os"

	sqlite3 "modernc.org/sqlite/lib"
)

// dataSync leaves it to SQLite, which knows what each system needs.
func dataSync(*sqlite3.TunixFile) (done bool, rc int32) { return false, 0 }

// allocate gives the first size bytes of a file their blocks.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }

// allocateBehind gives n bytes of a file from off on their blocks, and leaves its size.
func allocateBehind(fd int, off, n int64) error { return errors.ErrUnsupported }
