package testbed

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports that FreePort gives: below those that systems take for the near end
// of connections (Linux 32768, others 49152), and above those of services. A
// port of that other range may belong to somebody's connection between the
// moment when it was found free and the server's start, or its next one.
const (
	firstPort = 20000
	lastPort  = 32000
)

// FreePort gives a loopback TCP port that nobody listens on. It is the calling
// process's until that ends: no other call gives it again, in any process.
func FreePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.N(lastPort-firstPort)
		if !reserve(port) {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil { // another program's
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no port from %d to %d is free", firstPort, lastPort)
}
