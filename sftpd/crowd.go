package sftpd

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/internal/sshserver"
)

const (
	// loginPace is how long a login may take before it gives way to another one
	// of the same source, when there are too many.
	loginPace = 10 * time.Second
	// maxLoginBytes bounds what a client sends before it has logged in: a key
	// exchange and a few dozens of the largest keys are well below. The SSH
	// layer keeps, and quotes, what a refused attempt said.
	maxLoginBytes = 256 << 10
	// maxTurnedAway is how many connections beyond MaxSessions an account may
	// have for turnAwayWait, to be told why they end.
	maxTurnedAway = 10
	turnAwayWait  = 5 * time.Second
)

var errCrowded = errors.New("sftpd: too many logins under way")

// crowd is what the connections of one account share.
type crowd struct {
	conns    int
	rates    [2]int64 // of up and down
	up, down *pace.Pace
}

// paces returns what slows the account's connections to those rates, nil where
// there is none. Connections by lines with other rates keep what they got.
func (g *crowd) paces(up, down int64) (*pace.Pace, *pace.Pace) {
	if g.rates != [2]int64{up, down} {
		g.rates, g.up, g.down = [2]int64{up, down}, nil, nil
		if up > 0 {
			g.up = pace.New(up)
		}
		if down > 0 {
			g.down = pace.New(down)
		}
	}
	return g.up, g.down
}

// addressOf is the IP address of a client; the zero one if it has none.
func addressOf(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return t.AddrPort().Addr().Unmap()
}

// source tells where a connection comes from, as far as its address is its
// user's own: an IPv4 address, or the first 64 bits of an IPv6 address.
func source(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	ip := t.AddrPort().Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(64)
	return p.String()
}

// makeRoom ends one login under way in favour of a connection from a source,
// and reports whether it did: the oldest of the source that has the most. So
// who opens connections and does not log in stands in nobody's way but his
// own, and there not for long. It is called with mu held.
func (s *Server) makeRoom(from string) bool {
	logins := map[string]int{}
	oldest := map[string]*conn{}
	for c := range s.conns {
		if !c.waiting {
			continue
		}
		logins[c.source]++
		if o := oldest[c.source]; o == nil || c.since.Before(o.since) {
			oldest[c.source] = c
		}
	}
	busiest := from
	for at, n := range logins {
		if n > logins[busiest] {
			busiest = at
		}
	}
	victim := oldest[busiest]
	if victim == nil || logins[busiest] < logins[from]+2 && time.Since(victim.since) < loginPace {
		return false
	}
	s.stopWaiting(victim)
	victim.cut(errCrowded)
	return true
}

// turnAway ends a connection of an account that has too many, over of them. A
// client that asks for a channel in time is told so.
func (c *conn) turnAway(sc sshserver.Conn, channels <-chan sshserver.NewChannel, over int) {
	c.log.Warn("sftp connection refused: too many of this account")
	c.srv.refusals.count(RefusedSessions)
	c.refused(c.account, RefusedSessions.String(), kind.TooLarge)
	if over <= maxTurnedAway {
		t := time.NewTimer(turnAwayWait)
		defer t.Stop()
		select {
		case nch, ok := <-channels:
			if ok {
				_ = nch.Reject(ssh.ResourceShortage, "too many connections of this account")
			}
		case <-t.C:
		case <-c.ctx.Done():
		}
	}
	sc.Close()
	for nch := range channels {
		_ = nch.Reject(ssh.ResourceShortage, "too many connections of this account")
	}
}
