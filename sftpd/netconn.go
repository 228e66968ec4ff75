package sftpd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/truckee-fs/truckee/internal/pace"
)

const (
	// firstRead is the buffer for what is looked at before it is read; it doubles
	// as needed.
	firstRead = 8 << 10
	// maxPending bounds what has been written and not yet sent.
	maxPending = 256 << 10
	// closeLinger is how long Close tries to send what is pending.
	closeLinger = 2 * time.Second
)

// bufferedConn is the net.Conn under an SSH connection. What is written goes
// out at once as far as it can without waiting; the rest a goroutine of its own
// sends, so that a client may let answers wait for a while and still be heard.
// It also replays what sniff has looked at, and
// swallows the identification line that has been sent already.
//
// One goroutine reads and any number write.
type bufferedConn struct {
	net.Conn
	raw    syscall.RawConn            // to write without waiting; nil: can't
	remote net.Addr                   // where it comes from, if not from the other end
	total  atomic.Int64               // bytes received
	look   func(received int64) error // at what was received; its error is a Read's

	in   []byte // in[r:w] has been looked at and not been read; nil after that
	r, w int

	ctx      context.Context // ends the waits of the paces
	hurry    context.CancelFunc
	up, down atomic.Pointer[pace.Pace]

	swallow []byte // what the SSH layer will write and has been sent

	mu       sync.Mutex // guards the fields below
	wake     sync.Cond  // the sender: there is something; writers: there is room
	pending  []byte
	spare    []byte
	sending  bool // the sender is in a system call
	started  bool
	err      error // of a write, or net.ErrClosed
	closed   bool
	ended    chan struct{} // closed by the sender
	deadline time.Time     // for reading, as set from outside
}

func newBufferedConn(nc net.Conn) *bufferedConn {
	c := &bufferedConn{Conn: nc, ended: make(chan struct{})}
	c.ctx, c.hurry = context.WithCancel(context.Background())
	c.wake.L = &c.mu
	if s, ok := nc.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it all is sent by the sender
	}
	return c
}

// received returns how many bytes have come in.
func (c *bufferedConn) received() int64 { return c.total.Load() }

// count counts n bytes more; its error says that they are too many.
func (c *bufferedConn) count(n int) error {
	total := c.total.Add(int64(n))
	if c.look == nil {
		return nil
	}
	return c.look(total)
}

// pace slows the connection from now on; nil: it doesn't.
func (c *bufferedConn) pace(up, down *pace.Pace) {
	c.up.Store(up)
	c.down.Store(down)
}

// slow waits until n more bytes may pass.
func (c *bufferedConn) slow(p *atomic.Pointer[pace.Pace], n int) error {
	if to := p.Load(); to != nil && n > 0 {
		return to.Wait(c.ctx, int64(n))
	}
	return nil
}

// Read serves what has been looked at, or receives as much as there is.
func (c *bufferedConn) Read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.in[c.r:c.w])
		c.r += n
		return n, nil
	}
	c.in, c.r, c.w = nil, 0, 0
	n, err := c.Conn.Read(p)
	if over := c.count(n); over != nil {
		return 0, over
	}
	if ended := c.slow(&c.up, n); ended != nil {
		return 0, ended
	}
	return n, err
}

// receive reads once into the buffer, behind what is there.
func (c *bufferedConn) receive() error {
	if c.w == len(c.in) {
		grown := make([]byte, max(2*len(c.in), firstRead))
		c.w = copy(grown, c.in[c.r:c.w])
		c.in, c.r = grown, 0
	}
	n, err := c.Conn.Read(c.in[c.w:])
	c.w += n
	if over := c.count(n); over != nil {
		return over
	}
	if ended := c.slow(&c.up, n); ended != nil {
		return ended
	}
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// peeked returns what has been received and not been read.
func (c *bufferedConn) peeked() []byte { return c.in[c.r:c.w] }

// skip takes n of the peeked bytes away, as if they had never come.
func (c *bufferedConn) skip(n int) {
	c.r += n
	c.total.Add(int64(-n))
}

// RemoteAddr is where the connection comes from.
func (c *bufferedConn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.Conn.RemoteAddr()
}

// peekMore receives more for peeked. There must have been no Read.
func (c *bufferedConn) peekMore() error { return c.receive() }

// announce sends line now and swallows it when it is written again.
func (c *bufferedConn) announce(line string) error {
	c.swallow = []byte(line)
	_, err := c.Conn.Write(c.swallow)
	return err
}

// SetDeadline sets both deadlines, and remembers the one for reading.
func (c *bufferedConn) SetDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// limitRead makes reads time out after d, or at the deadline if that is sooner.
func (c *bufferedConn) limitRead(d time.Duration) error {
	t := time.Now().Add(d)
	if !c.deadline.IsZero() && c.deadline.Before(t) {
		t = c.deadline
	}
	return c.SetReadDeadline(t)
}

// restoreReadDeadline takes limitRead back.
func (c *bufferedConn) restoreReadDeadline() { _ = c.SetReadDeadline(c.deadline) }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Write takes p over; it waits only while maxPending bytes are not yet sent.
// An error of the connection is returned by a later Write.
func (c *bufferedConn) Write(p []byte) (int, error) {
	n := len(p)
	if len(c.swallow) > 0 {
		if len(p) < len(c.swallow) || string(p[:len(c.swallow)]) != string(c.swallow) {
			return 0, errors.New("sftpd: the SSH layer announced another version")
		}
		p, c.swallow = p[len(c.swallow):], nil
		if len(p) == 0 {
			return n, nil
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && !c.closed && len(c.pending) > 0 && len(c.pending)+len(p) > maxPending {
		c.wake.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	if c.closed {
		return 0, net.ErrClosed
	}
	if len(c.pending) == 0 && !c.sending && c.raw != nil && c.down.Load() == nil {
		if p = p[writeNow(c.raw, p):]; len(p) == 0 {
			return n, nil
		}
	}
	if !c.started {
		c.started = true
		go c.send()
	}
	c.pending = append(c.pending, p...)
	if !c.sending {
		c.wake.Broadcast()
	}
	return n, nil
}

// writeNow sends as much of p as the system takes without waiting, and says how
// much that is. What is wrong with the connection, whoever sends the rest hears.
func writeNow(c syscall.RawConn, p []byte) (sent int) {
	err := c.Write(func(fd uintptr) bool {
		if n, err := syscall.Write(int(fd), p); err == nil {
			sent = n
		}
		return true
	})
	if err != nil {
		return 0
	}
	return sent
}

// send writes what is pending until the connection is closed or breaks.
func (c *bufferedConn) send() {
	defer close(c.ended)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.pending) == 0 && !c.closed && c.err == nil {
			c.wake.Wait()
		}
		if c.err != nil || len(c.pending) == 0 {
			return
		}
		b := c.pending
		c.pending, c.spare = c.spare[:0], nil
		c.sending = true
		c.wake.Broadcast()
		c.mu.Unlock()
		_ = c.slow(&c.down, len(b)) // what is left when the end comes, goes out at once
		_, err := c.Conn.Write(b)
		c.mu.Lock()
		c.sending = false
		c.spare = b[:0]
		if err != nil {
			c.err = err
			c.wake.Broadcast()
		}
	}
}

// Close sends what is pending, for closeLinger at most, and closes.
func (c *bufferedConn) Close() error {
	c.hurry()
	c.mu.Lock()
	again := c.closed
	c.closed = true
	started := c.started
	c.started = true // none starts from now on
	c.wake.Broadcast()
	c.mu.Unlock()
	if started && !again {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(closeLinger))
		<-c.ended
	}
	c.mu.Lock()
	if c.err == nil {
		c.err = net.ErrClosed
	}
	c.wake.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

// abort closes without sending what is pending.
func (c *bufferedConn) abort() {
	c.hurry()
	c.mu.Lock()
	if c.err == nil {
		c.err = net.ErrClosed
	}
	c.closed = true
	c.wake.Broadcast()
	c.mu.Unlock()
	_ = c.Conn.Close()
}
