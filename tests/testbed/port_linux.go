package testbed

import (
	"strconv"
	"syscall"
)

// reserve makes a port this process's among those that use this package: it
// binds a socket to a name in the kernel's abstract space, which nobody closes,
// so that the name goes with the process.
func reserve(port int) bool {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	if syscall.Bind(fd, &syscall.SockaddrUnix{Name: "@truckee-test-port-" + strconv.Itoa(port)}) != nil {
		_ = syscall.Close(fd)
		return false
	}
	return true
}
