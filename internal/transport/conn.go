package transport

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn ends when nothing moves for too long. What the kernel has taken from us
// and not yet brought to the other side counts as moving while it gets less: on
// a slow line that many requests share, a whole block may wait there.
type conn struct {
	net.Conn
	stall time.Duration
	queue atomic.Int64 // bytes that waited in the kernel when last asked
}

// Read and Write both move the one deadline on: while a request is written, the
// read for its answer waits already.
func (c *conn) Read(b []byte) (int, error) {
	for {
		if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(b)
		if n > 0 {
			c.queue.Store(0)
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !c.moved() {
			return n, err
		}
	}
}

func (c *conn) Write(b []byte) (n int, err error) {
	for n < len(b) {
		if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
			return n, err
		}
		// In pieces, so that each has a stall to itself.
		m, err := c.Conn.Write(b[n:min(len(b), n+64<<10)])
		n += m
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || m == 0 && !c.moved()) {
			return n, err
		}
	}
	return n, nil
}

// moved reports whether less waits in the kernel than when it was last asked.
func (c *conn) moved() bool {
	now := unsent(c.Conn)
	before := c.queue.Swap(now)
	return now > 0 && (now < before || before == 0)
}
