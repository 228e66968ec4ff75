package local

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/truckee-fs/truckee/internal/kind"
)

// lock takes the store for this process, for as long as the file is open. A
// store that another has is Unavailable, and the error says who.
func (h *home) lock() (*os.File, error) {
	f, err := h.dir.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("local: %w: %w", kindOfWrite(err), err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, fmt.Errorf("local: %s is in use by %s: %w", h.path, holder(f), kind.Unavailable)
		}
		return nil, fmt.Errorf("local: lock %s: %w: %w", h.path, kind.Unavailable, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(io.NewOffsetWriter(f, 0), "%d\n", os.Getpid())
		if err != nil { // a full disk must still open, to be read and deleted from
			_ = f.Truncate(0)
		}
	}
	return f, nil
}

// unlock gives the store back. To close the file isn't enough while a process is
// being started beside, which has all files until it has become its program.
func unlock(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	f.Close()
}

// holder says who has the lock, as far as its file tells.
func holder(f *os.File) string {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return "process " + pid
	}
	return "another process"
}
