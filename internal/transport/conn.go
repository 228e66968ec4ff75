package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// conn ends when nothing moves for too long. What the kernel has taken from us
// and not yet brought to the other side counts as moving while it gets less: on
// a slow line that many requests share, a whole block may wait there.
type conn struct {
	net.Conn
	stall time.Duration

	mu      sync.Mutex // guards the fields below
	queue   int64      // bytes that waited in the kernel when last asked
	changed time.Time  // when that was first seen
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
			c.mu.Lock()
			c.queue, c.changed = 0, time.Time{}
			c.mu.Unlock()
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
		m, err := c.Conn.Write(b[n:min(len(b), n+piece)])
		n += m
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || m == 0 && !c.moved()) {
			return n, err
		}
	}
	return n, nil
}

// ReadFrom writes what an http.Transport sends after a request's head. A Body goes
// as it lies there, without the copies to one buffer after another and the many
// short writes of io.Copy.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if b, ok := l.R.(*Body); ok {
			n, err := b.sendTo(c, l.N)
			l.N -= n
			return n, err
		}
	}
	return io.Copy(writer{c}, r)
}

// writer hides ReadFrom.
type writer struct{ io.Writer }

// moved reports whether what waits in the kernel has become other within a stall,
// or nothing: then the other side has had no stall yet to answer in. A Read and a
// Write under way meet the same deadline, and both ask.
func (c *conn) moved() bool {
	now := unsent(c.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if now != c.queue {
		c.queue, c.changed = now, time.Now()
	}
	return time.Since(c.changed) < c.stall
}
