package sftpd

import (
	"context"
	"crypto/rand"
	"net"
	"sync"

	"github.com/truckee-fs/truckee/accounts"
)

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.listeners == nil {
		s.listeners = map[net.Listener]struct{}{}
		s.conns = map[*conn]struct{}{}
		s.perName = map[string]*crowd{}
		if !s.NoPenalties {
			s.penalties.Store(&penalties{exempt: s.PenaltyExempt})
		}
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// start serves nc in a goroutine of its own, unless there are too many.
func (s *Server) start(ctx context.Context, nc net.Conn, on Listening, own *sync.WaitGroup) {
	from := source(nc.RemoteAddr())
	if !on.proxied() && s.bannedSource(addressOf(nc.RemoteAddr()), from) {
		nc.Close()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= limit(s.MaxConns, 1000) || s.waiting >= limit(s.MaxHandshakes, 100) && !s.makeRoom(from) {
		s.logger().Warn("sftp connection refused: too many", "remote", nc.RemoteAddr().String(),
			"connections", len(s.conns), "logging_in", s.waiting)
		s.refusals.count(RefusedCrowded)
		nc.Close()
		return
	}
	c := newConn(s, nc, on)
	s.conns[c] = struct{}{}
	c.waiting = true
	s.waiting++
	s.wg.Add(1)
	own.Go(func() {
		defer s.wg.Done()
		c.serve(ctx)
	})
}

// loggedIn counts c under its account, and says by how many the account has
// too many.
func (s *Server) loggedIn(c *conn, a accounts.Account) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopWaiting(c)
	c.account = a.Name
	g := s.perName[a.Name]
	if g == nil {
		g = &crowd{}
		s.perName[a.Name] = g
	}
	g.conns++
	l := a.Limits()
	c.nc.pace(g.paces(l.Up, l.Down))
	most := limit(s.MaxSessions, 100)
	if l.Sessions > 0 {
		most = min(most, l.Sessions)
	}
	return max(0, g.conns-most)
}

// stopWaiting counts c no longer among those that log in.
func (s *Server) stopWaiting(c *conn) {
	if c.waiting {
		c.waiting = false
		s.waiting--
	}
}

// done forgets c.
func (s *Server) done(c *conn, loggedIn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.past.Add(c.requests.Load())
	s.stopWaiting(c)
	if !loggedIn {
		return
	}
	g := s.perName[c.account]
	if g.conns--; g.conns == 0 {
		delete(s.perName, c.account)
	}
}

// cut ends every connection now; what was not committed is discarded.
func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut(errShutdown)
	}
}

// sessionID returns a short random name for a connection in logs.
func sessionID() string { return rand.Text()[:10] }
