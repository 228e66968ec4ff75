package sftpd

import (
	"maps"
	"net/netip"
)

// Bounds are the fields of Server that can change while it serves.
type Bounds struct {
	MaxConns, MaxHandshakes, MaxSessions int
	NoPenalties                          bool
	PenaltyExempt                        []netip.Prefix
}

// Adjust changes bounds from now on. Nobody who is in is cut; penalties go on.
func (s *Server) Adjust(b Bounds) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.MaxConns, s.MaxHandshakes, s.MaxSessions = b.MaxConns, b.MaxHandshakes, b.MaxSessions
	next := &penalties{exempt: b.PenaltyExempt}
	if old := s.penalties.Load(); old != nil {
		old.mu.Lock()
		next.all = maps.Clone(old.all)
		old.mu.Unlock()
	}
	if b.NoPenalties {
		next = nil
	}
	s.penalties.Store(next)
}
