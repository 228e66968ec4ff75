package audit

import (
	"io"
	"sync"
	"sync/atomic"
)

// sinkQueue is how many lines wait for a sink that is slow, or gone.
const sinkQueue = 4096

// sink hands lines to a writer that may be slow: what it can't take in time is
// counted and left out, as the file has it.
type sink struct {
	w    io.Writer
	in   chan []byte
	lost atomic.Int64
	wg   sync.WaitGroup
}

func newSink(w io.Writer) *sink {
	s := &sink{w: w, in: make(chan []byte, sinkQueue)}
	s.wg.Go(func() {
		for b := range s.in {
			if _, err := s.w.Write(b); err != nil {
				s.lost.Add(1)
			}
		}
	})
	return s
}

// give takes a line with its newline, which nobody changes from then on.
func (s *sink) give(b []byte) {
	select {
	case s.in <- b:
	default:
		s.lost.Add(1)
	}
}

// end waits until what was given is written, if wait is closed no longer than that.
func (s *sink) end(wait <-chan struct{}) {
	close(s.in)
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-wait:
	}
}
