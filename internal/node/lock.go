package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Lock is the right to open a node. It ends with the process at the latest.
type Lock struct{ file *os.File }

// lockPoll is how often a lock that another process has is tried again.
const lockPoll = 50 * time.Millisecond

// Lock takes the node's lock for the command named. If another process has it,
// it waits until ctx ends; Unavailable then, and the error says who has it.
// BASEDIR must exist, and nobody else be able to change it: Denied.
func (l Layout) Lock(ctx context.Context, command string) (*Lock, error) {
	if err := checkOwner(l.BaseDir); err != nil {
		return nil, err
	}
	for {
		lock, err := l.tryLock(command)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, kind.Errorf(kind.Unavailable, "%s is in use by %s", l.BaseDir, l.holder())
		case <-time.After(lockPoll):
		}
	}
}

func (l Layout) tryLock(command string) (*Lock, error) {
	f, err := os.OpenFile(l.lockFile(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", l.BaseDir, err)
	}
	// Who holds it is a courtesy: on a full disk the node must still open.
	text := fmt.Sprintf("%d truckee %s\n", os.Getpid(), command)
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(text), 0)
	}
	return &Lock{f}, nil
}

// Release gives the lock up.
func (l *Lock) Release() { l.file.Close() }

// holder says who has the lock, as far as its file tells.
func (l Layout) holder() string {
	b, err := os.ReadFile(l.lockFile())
	pid, command, ok := strings.Cut(strings.TrimSpace(string(b)), " ")
	if err != nil || !ok {
		return "another process"
	}
	return fmt.Sprintf("process %s (%.60s)", pid, command)
}
