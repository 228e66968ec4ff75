package main

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket of a unit with Accept=yes, or one that is only bound, can't be served:
// that is said at once, not at every try to accept.
func TestActivatedSocketsListen(t *testing.T) {
	t.Parallel()
	socket := func(listens bool) int {
		t.Helper()
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		if listens {
			if err := unix.Listen(fd, 1); err != nil {
				t.Fatal(err)
			}
		}
		return fd
	}
	l, err := activatedSocket(socket(true))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if l, err := activatedSocket(socket(false)); err == nil || !strings.Contains(err.Error(), "doesn't listen") {
		t.Errorf("one that doesn't listen: %v, %v", l, err)
	}
}
