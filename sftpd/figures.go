package sftpd

// Figures are what a server does just now, and has done since its start.
type Figures struct {
	Logins   int   // connections that have not logged in yet
	Sessions int   // connections that have
	Requests int64 // SFTP requests of all connections, those that have ended too

	LoggedIn      int64 // logins since the start
	Read, Written int64 // bytes of files, to clients and from them
	ByKind        []Request
}

// Figures counts the connections.
func (s *Server) Figures() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := Figures{Logins: s.waiting, Sessions: len(s.conns) - s.waiting, Requests: s.past.Load()}
	f.LoggedIn, f.Read, f.Written, f.ByKind = s.tally.logins.Load(), s.tally.read.Load(), s.tally.written.Load(), s.tally.all()
	for c := range s.conns {
		f.Requests += c.requests.Load()
	}
	return f
}
