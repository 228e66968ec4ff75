package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstSocket is the descriptor of the first socket that systemd hands over
// (sd_listen_fds(3)).
const firstSocket = 3

// activated returns the sockets that the service manager opened for this process,
// none if it did not. The variables that say so are taken away, so that no child
// believes them.
func activated() ([]net.Listener, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > 100 {
		return nil, fmt.Errorf("LISTEN_FDS is %.20q", fds)
	}
	var all []net.Listener
	for fd := firstSocket; fd < firstSocket+n; fd++ {
		f := os.NewFile(uintptr(fd), "socket from the service manager")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return all, fmt.Errorf("socket %d from the service manager: %w", fd, err)
		}
		all = append(all, l)
	}
	return all, nil
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
