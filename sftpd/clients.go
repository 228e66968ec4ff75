package sftpd

import (
	"cmp"
	"slices"
	"time"
)

// Client is one connection.
type Client struct {
	Session  string // its name in the log and in audit records
	Account  string // empty: it has not logged in
	Remote   string
	Since    time.Time // of the connection
	Requests int64
	Files    int // open in it
}

// Clients lists the connections, the oldest first.
func (s *Server) Clients() []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Client
	for c := range s.conns {
		all = append(all, Client{
			Session: c.session, Account: c.account, Remote: c.nc.RemoteAddr().String(), Since: c.since,
			Requests: c.requests.Load(), Files: int(c.files.Load()),
		})
	}
	slices.SortFunc(all, func(a, b Client) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Session, b.Session)) })
	return all
}
