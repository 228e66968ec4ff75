package main

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// limited lets at most n connections be open at a time; more wait to be accepted. Of
// one address at most each are (0: n), and more are closed: this machine's and those
// of the trusted proxies, behind which many clients are, aren't counted.
func limited(l net.Listener, n, each int, trusted []netip.Prefix, log *slog.Logger) net.Listener {
	return &limitedListener{
		Listener: l, room: make(chan struct{}, n), closed: make(chan struct{}),
		each: each, trusted: trusted, log: log, open: make(map[netip.Prefix]int),
	}
}

type limitedListener struct {
	net.Listener
	room    chan struct{}
	once    sync.Once
	closed  chan struct{}
	each    int
	trusted []netip.Prefix
	log     *slog.Logger

	mu   sync.Mutex // guards the fields below
	open map[netip.Prefix]int
	told time.Time // when the log has heard of a refusal last
}

// Accept waits for room, and then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.room
			return nil, err
		}
		from := l.source(c)
		if !l.enter(from) {
			_ = c.Close()
			continue
		}
		return &limitedConn{Conn: c, l: l, from: from}, nil
	}
}

// source is what a connection counts for; zero: nothing.
func (l *limitedListener) source(c net.Conn) netip.Prefix {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if l.each == 0 || !ok {
		return netip.Prefix{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	if a.IsLoopback() {
		return netip.Prefix{}
	}
	for _, p := range l.trusted {
		if p.Contains(a) {
			return netip.Prefix{}
		}
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64 // what one customer has
	}
	p, _ := a.Prefix(bits)
	return p
}

// tellAgain is how often the log hears of connections that were refused.
const tellAgain = time.Minute

// enter counts a connection, unless there are enough from there.
func (l *limitedListener) enter(from netip.Prefix) bool {
	if !from.IsValid() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from] < l.each {
		l.open[from]++
		return true
	}
	if now := time.Now(); now.Sub(l.told) > tellAgain {
		l.told = now
		l.log.Warn("S3 connections are closed: too many from one address (s3.max_conns_per_address; trusted_proxies aren't counted)", "address", from.Addr().String())
	}
	return false
}

func (l *limitedListener) leave(from netip.Prefix) {
	if !from.IsValid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from]--; l.open[from] == 0 {
		delete(l.open, from)
	}
}

// Close ends the waiting, too.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	l    *limitedListener
	from netip.Prefix
	once sync.Once
}

// Close gives the room back.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.leave(c.from)
		<-c.l.room
	})
	return err
}
