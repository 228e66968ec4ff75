package sftpd

// Figures are what a server does just now, and has done since its start.
type Figures struct {
	Logins   int   // connections that have not logged in yet
	Sessions int   // connections that have
	Requests int64 // SFTP requests of all connections, those that have ended too
}

// Figures counts the connections.
func (s *Server) Figures() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := Figures{Logins: s.waiting, Sessions: len(s.conns) - s.waiting, Requests: s.past.Load()}
	for c := range s.conns {
		f.Requests += c.requests.Load()
	}
	return f
}
