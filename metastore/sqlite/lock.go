package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

// lockFile is an flock on a file beside the database, which names its holder.
// The file stays when the lock goes: removing it would let two processes hold
// locks on two files of one name.
type lockFile struct{ f *os.File }

// lock takes the lock at path, or says who has it. The kernel drops it when the
// process ends, however that happens.
func lock(path string) (*lockFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: lock: %w: %w", kindOfFileError(err), err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder := holderOf(f)
		f.Close()
		return nil, fmt.Errorf("sqlite: %s is in use by %s: %w", strings.TrimSuffix(path, lockSuffix), holder, kind.Unavailable)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("sqlite: lock: %w: %w", kind.Unavailable, err)
	}
	// The text is for people; a lock whose holder can't be written is still held.
	text := fmt.Sprintf("process %d (%s) since %s\n", os.Getpid(), filepath.Base(os.Args[0]), time.Now().UTC().Format(time.RFC3339))
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(text), 0)
	}
	return &lockFile{f}, nil
}

const lockSuffix = ".lock"

func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 200))
	if s := strings.TrimSpace(string(text)); err == nil && s != "" {
		return s
	}
	return "another process"
}

// release unlocks before it closes: a child of this process that has not yet
// reached its exec still has the file open.
func (l *lockFile) release() {
	_ = l.f.Truncate(0)
	_ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN)
	l.f.Close()
}

// kindOfFileError classifies what opening a file may say.
func kindOfFileError(err error) kind.Kind {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return kind.NotExist
	case errors.Is(err, os.ErrPermission), errors.Is(err, unix.EROFS):
		return kind.Denied
	case isFull(err):
		return kind.NoSpace
	}
	return kind.Unavailable
}
