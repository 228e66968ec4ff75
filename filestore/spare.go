package filestore

import (
	"sync"
	"time"
)

// spare keeps memory that nobody uses now, for who needs some next: pieces of one
// size, at most so many. A sync.Pool would lose all of it at each collection, which
// comes often where memory is short, and would come more often then, since all is
// allocated anew. What hasn't been needed for a time is let go. The zero spare has
// nothing, and takes nothing.
type spare struct {
	most int

	mu      sync.Mutex // guards the fields below
	free    [][]byte
	least   int  // pieces that lay here all the time since the last look
	looking bool // a look is due
}

// spareTime is for how long memory may lie unused.
const spareTime = 5 * time.Second

// get gives a piece, nil if there is none.
func (s *spare) get() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free) - 1
	if n < 0 {
		return nil
	}
	p := s.free[n]
	s.free[n] = nil
	s.free = s.free[:n]
	s.least = min(s.least, n)
	return p
}

// put takes a piece that nobody uses any more.
func (s *spare) put(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) >= s.most {
		return
	}
	s.free = append(s.free, p)
	if !s.looking {
		s.looking, s.least = true, len(s.free)
		time.AfterFunc(spareTime, s.look)
	}
}

// look lets go of what has lain here since the last look.
func (s *spare) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(s.free, s.free[s.least:])
	clear(s.free[n:])
	s.free = s.free[:n]
	s.least, s.looking = n, n > 0
	if s.looking {
		time.AfterFunc(spareTime, s.look)
	}
}
