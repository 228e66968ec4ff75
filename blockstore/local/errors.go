package local

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/truckee-fs/truckee/internal/kind"
)

// kindOfWrite classifies what the system said to a write, flush or create.
func kindOfWrite(err error) kind.Kind {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return kind.NoSpace
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return kind.Denied
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return kind.Canceled
	}
	return kind.Unavailable
}

// kindOfRead classifies what the system said to a read. A medium that can't
// read back what it took has damaged it: nothing is gained by asking again.
func kindOfRead(err error) kind.Kind {
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EUCLEAN) {
		return kind.Corrupt
	}
	return kindOfWrite(err)
}
