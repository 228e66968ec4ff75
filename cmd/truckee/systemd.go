package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstSocket is the descriptor of the first socket that systemd hands over
// (sd_listen_fds(3)).
const firstSocket = 3

// given are sockets that the service manager opened for this process.
type given struct {
	sftp []net.Listener
	s3   net.Listener // one that is named s3 (FileDescriptorName=); nil: none
}

func (g given) close() {
	for _, l := range g.sftp {
		l.Close()
	}
	if g.s3 != nil {
		g.s3.Close()
	}
}

// activated returns the sockets that the service manager opened for this process,
// none if it did not. The variables that say so are taken away, so that no child
// believes them.
func activated() (g given, err error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return given{}, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > 100 {
		return given{}, fmt.Errorf("LISTEN_FDS is %.20q", fds)
	}
	for fd := firstSocket; fd < firstSocket+n; fd++ {
		l, err := activatedSocket(fd)
		if err != nil {
			g.close()
			return given{}, fmt.Errorf("socket %d from the service manager: %w", fd, err)
		}
		if i := fd - firstSocket; i < len(names) && names[i] == "s3" && g.s3 == nil {
			g.s3 = l
			continue
		}
		g.sftp = append(g.sftp, l)
	}
	return g, nil
}

// activatedSocket takes one over that waits for connections.
func activatedSocket(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "socket from the service manager")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || accepts == 0 {
		l.Close()
		return nil, errors.Join(err, errors.New("it doesn't listen; a socket unit for it has ListenStream= and no Accept=yes"))
	}
	return l, nil
}

// notify tells the service manager of a change of state (sd_notify(3)), if it
// wants to know.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(state))
}
