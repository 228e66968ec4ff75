package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent is how many bytes written to a connection the other side has not yet
// acknowledged, 0 if that can't be told.
func unsent(c net.Conn) int64 {
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		if q, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = q
		}
	})
	if err != nil {
		return 0
	}
	return int64(n)
}
