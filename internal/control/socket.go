package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

// shortPath names a file by way of its directory's descriptor: a socket address
// holds 107 bytes, and BASEDIR may be deeper. The name is valid until close.
func shortPath(path string) (short string, closeDir func(), err error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path)), func() { _ = unix.Close(fd) }, nil
}

// Listen makes the socket at path, mode 0600. A socket that is there already is
// taken for that of a dead node, so the caller must hold the node's lock.
func Listen(path string) (net.Listener, error) {
	short, closeDir, err := shortPath(path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	defer closeDir()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control: listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // the short name is gone by then
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control: %w", err)
	}
	return &listener{UnixListener: l, path: path}, nil
}

// listener removes its socket when it is closed.
type listener struct {
	*net.UnixListener
	path string
	once sync.Once
	err  error
}

// Close is idempotent and returns when the socket is gone.
func (l *listener) Close() error {
	l.once.Do(func() {
		_ = os.Remove(l.path)
		l.err = l.UnixListener.Close()
	})
	return l.err
}

// dial connects to the socket at path. kind.NotExist: no node listens there.
func dial(ctx context.Context, path string) (*net.UnixConn, error) {
	short, closeDir, err := shortPath(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, kind.Errorf(kind.NotExist, "control: no node listens on %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	defer closeDir()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", short)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, kind.Errorf(kind.NotExist, "control: no node listens on %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("control: %s: %w", path, err)
	}
	u := conn.(*net.UnixConn)
	uid, err := peer(u)
	if err == nil && os.Geteuid() != 0 && uid != 0 && uid != os.Geteuid() {
		err = kind.Errorf(kind.Denied, "the node at %s belongs to user %d", path, uid)
	}
	if err != nil {
		u.Close()
		return nil, fmt.Errorf("control: %w", err)
	}
	return u, nil
}

// peer asks the kernel for the user at the other end.
func peer(conn *net.UnixConn) (uid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("peer credentials: %w", err)
	}
	return int(cred.Uid), nil
}
