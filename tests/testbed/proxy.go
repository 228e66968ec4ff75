package testbed

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Faults are what a Proxy does to the connections through it. The zero value
// does nothing. Up is towards the server, down towards the client.
type Faults struct {
	// Latency is added to a round trip, half of it in either direction, without
	// narrowing what can be under way.
	Latency time.Duration
	// Rate bounds each direction of each connection, in bytes a second.
	Rate int64
	// Line bounds each direction of all connections together, in bytes a second.
	Line int64
	// Hang holds back all bytes, as a host does that is gone: connections open,
	// and nothing comes. What was held back flows when Hang ends.
	Hang bool
	// Refuse resets every connection, new or open.
	Refuse bool
	// Reply answers each connection by these bytes, once it has sent something,
	// and ends it; the server hears nothing. Open connections are reset.
	Reply string
	// CutUp and CutDown reset a connection when so many bytes of it went that way
	// since the faults were set.
	CutUp, CutDown int64
	// FlipUp and FlipDown flip a bit in every so many bytes that go that way.
	FlipUp, FlipDown int64
}

// InternalError is a Reply: HTTP status 500.
const InternalError = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// Proxy passes TCP connections on to a server, through faults that may change at
// any time, for connections that are open too.
type Proxy struct {
	listener net.Listener
	target   string
	links    sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	faults   Faults
	changed  chan struct{} // closed when faults change
	open     map[*link]struct{}
	accepted int
	closed   bool
	free     [2]time.Time // when the line has room again: down, up
}

// NewProxy listens on a free loopback port for connections to target, host:port.
// Close it.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, changed: make(chan struct{}), open: map[*link]struct{}{}}
	p.links.Go(p.accept)
	return p, nil
}

// Addr is where to connect, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set replaces the faults.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	close(p.changed)
	p.changed = make(chan struct{})
	if f.Refuse || f.Reply != "" {
		p.reset()
	}
}

// CutAll resets the connections that are open now.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset()
}

// reset resets what is open. The lock is held.
func (p *Proxy) reset() {
	for l := range p.open {
		l.reset()
	}
}

// Accepted is how many connections there have been.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close ends the proxy and resets its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.reset()
	p.mu.Unlock()
	err := p.listener.Close()
	p.links.Wait()
	return err
}

// current gives the faults, and what is closed when they change.
func (p *Proxy) current() (Faults, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults, p.changed
}

// turn reserves room on the line for n bytes, and tells how long they wait for
// it: nothing as long as the line is a few milliseconds behind, which is about
// what a timer may be late by.
func (p *Proxy) turn(up bool, n int, perSecond int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	free := &p.free[0]
	if up {
		free = &p.free[1]
	}
	if now := time.Now(); free.Before(now) {
		*free = now
	}
	*free = free.Add(time.Duration(int64(time.Second) * int64(n) / perSecond))
	if behind := time.Until(*free); behind > 4*time.Millisecond {
		return behind
	}
	return 0
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		l := &link{proxy: p, client: c.(*net.TCPConn), done: make(chan struct{})}
		if p.enter(l) {
			p.links.Go(l.run)
		} else {
			l.reset()
		}
	}
}

// enter takes a new connection, unless it is refused.
func (p *Proxy) enter(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	if p.faults.Refuse || p.closed {
		return false
	}
	p.open[l] = struct{}{}
	return true
}

func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, l)
}
