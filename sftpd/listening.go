package sftpd

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Listening says how connections of one listener are served. The zero value is
// the default everywhere.
type Listening struct {
	Profile Profile
	Proxy   ProxyMode
	Proxies []netip.Prefix // from where PROXY headers are believed
	From    []netip.Prefix // whose clients are served; none: everybody's
}

// check refuses what makes no sense.
func (o Listening) check() error {
	switch {
	case !o.Profile.known():
		return kind.Errorf(kind.Invalid, "sftpd: no profile %.20q", string(o.Profile))
	case !o.Proxy.known():
		return kind.Errorf(kind.Invalid, "sftpd: no PROXY mode %.20q", string(o.Proxy))
	case o.proxied() && len(o.Proxies) == 0:
		return kind.Errorf(kind.Invalid, "sftpd: the PROXY protocol needs networks from which it is believed")
	}
	return nil
}

func (o Listening) proxied() bool { return o.Proxy == ProxyOptional || o.Proxy == ProxyStrict }

// proxyPatience is how long a load balancer may take to send its header.
const proxyPatience = 10 * time.Second

// admit learns where a connection comes from, and whether that is served.
func (c *conn) admit() error {
	if c.on.proxied() {
		if err := c.readProxy(); err != nil {
			return err
		}
	}
	a := addressOf(c.nc.RemoteAddr())
	if len(c.on.From) > 0 && !contains(c.on.From, a) {
		c.srv.refusals.count(RefusedAddress)
		return kind.Errorf(kind.Denied, "this listener doesn't serve %v", a)
	}
	return nil
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// readProxy takes a PROXY header off the connection, which from then on comes
// from where the header says.
func (c *conn) readProxy() error {
	trusted := contains(c.on.Proxies, addressOf(c.nc.RemoteAddr()))
	strict := c.on.Proxy == ProxyStrict
	switch {
	case !trusted && strict:
		c.srv.refusals.count(RefusedProxy)
		return kind.Errorf(kind.Denied, "not from a trusted load balancer")
	case !trusted:
		return nil // a header, if it sends one, is no word of SSH
	}
	patience := proxyPatience
	if !strict {
		patience = limit(c.srv.PeekTimeout, 500*time.Millisecond)
	}
	defer c.nc.restoreReadDeadline()
	if err := c.nc.limitRead(patience); err != nil {
		return err
	}
	for begun := false; ; {
		from, n, verdict := parseProxy(c.nc.peeked())
		switch {
		case verdict == proxyHeader:
			c.nc.skip(n)
			c.comesFrom(from)
			return nil
		case verdict == proxyBad, verdict == proxyNone && strict:
			c.srv.refusals.count(RefusedProxy)
			return fmt.Errorf("no PROXY header: %w", kind.Invalid)
		case verdict == proxyNone:
			return nil
		}
		if !begun && len(c.nc.peeked()) > 0 { // it begins like one, and may take its time
			begun = true
			if err := c.nc.limitRead(proxyPatience); err != nil {
				return err
			}
		}
		if err := c.nc.peekMore(); err != nil {
			switch {
			case begun:
				c.srv.refusals.count(RefusedProxy)
			case isTimeout(err) && !strict:
				return nil
			}
			return err
		}
	}
}

// comesFrom sets the address that a load balancer told; a zero one changes nothing.
func (c *conn) comesFrom(from netip.AddrPort) {
	if !from.IsValid() {
		return
	}
	c.log = c.log.With("client_address", from.String())
	c.nc.remote = net.TCPAddrFromAddrPort(from)
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.source = source(c.nc.remote)
}
