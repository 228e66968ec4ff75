package local

import (
	"maps"
	"slices"
)

// account notes bytes that became live in a segment, or dead.
func (s *Store) account(num uint32, bytes int64) {
	seg := s.segment(num)
	if seg == nil {
		return // a tombstone that went with its segment
	}
	seg.live.Add(bytes)
	if bytes < 0 && seg.wasteful() {
		s.keeper.wake()
	}
}

func (s *Store) segment(num uint32) *segment {
	s.segMu.RLock()
	defer s.segMu.RUnlock()
	return s.segs[num]
}

// segments gives all segments, in no order.
func (s *Store) segments() []*segment {
	s.segMu.RLock()
	defer s.segMu.RUnlock()
	return slices.Collect(maps.Values(s.segs))
}

// keeps is nil if what was written to a segment is where the next process finds it.
func (s *Store) keeps(seg *segment) error {
	if err := s.home.inPlace(); err != nil {
		return err
	}
	return linked(seg.f)
}

// abandon removes a segment in which nothing is, if another directory lies over
// it: nobody would find the room again that it takes.
func (s *Store) abandon(seg *segment) bool {
	seg.mu.Lock()
	none := len(seg.entries) == 0
	seg.mu.Unlock()
	if !none || !s.Displaced() || s.removeSegment(seg) != nil {
		return false
	}
	seg.f.Close()
	return true
}

// newSegment makes the next segment.
func (s *Store) newSegment() (*segment, error) {
	if err := s.home.inPlace(); err != nil {
		return nil, err
	}
	s.segMu.Lock()
	s.lastNum++
	num := s.lastNum
	s.segMu.Unlock()
	seg, err := s.createSegment(num)
	if err != nil {
		return nil, err
	}
	s.segMu.Lock()
	defer s.segMu.Unlock()
	s.segs[num] = seg
	return seg, nil
}
