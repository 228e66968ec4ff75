package local

import (
	"bytes"

	"github.com/truckee-fs/truckee/blockstore"
)

// needed reports whether e of segment seg must outlive the segment: a live
// record, or the tombstone in force for an id of which more copies are on disk
// than the segment itself has.
func (x *index) needed(seg uint32, e entry, copiesInSegment uint32) bool {
	s := x.stripe(e.id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	cur := s.find(e.id)
	if cur == nil || cur.seg != seg || cur.n != e.n {
		return false
	}
	if e.n == tombstone {
		return cur.sequence() == e.seq && cur.off > copiesInSegment
	}
	return cur.off == e.off
}

// forget notes that the record e is no longer on disk. The tombstone of its id
// goes with the last copy.
func (x *index) forget(e entry) {
	if e.n == tombstone {
		return
	}
	s := x.stripe(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	cur := s.find(e.id)
	switch {
	case cur == nil:
	case cur.n != tombstone:
		if s.extra[e.id] <= 1 {
			delete(s.extra, e.id)
		} else {
			s.extra[e.id]--
		}
	case cur.off > 1:
		cur.off--
	default:
		x.account(cur.seg, -recordHeader)
		s.remove(e.id)
	}
}

// dropVoidTombstones removes those that no copy needs, after all segments have
// been applied.
func (x *index) dropVoidTombstones() {
	for i := range x.stripes {
		s := &x.stripes[i]
		s.mu.Lock()
		for j, bucket := range s.buckets {
			kept := bucket[:0]
			for _, e := range bucket {
				if e.n == tombstone && e.off == 0 {
					x.account(e.seg, -recordHeader)
					continue
				}
				kept = append(kept, e)
			}
			s.buckets[j] = kept
		}
		s.mu.Unlock()
	}
}

// page gives the live blocks above after, in order: at least n, unless there are
// fewer.
func (x *index) page(after blockstore.ID, n int) []blockstore.Info {
	var infos []blockstore.Info
	for first := int(after[0]); first < len(x.stripes) && len(infos) < n; first++ {
		infos = x.stripes[first].page(infos, byte(first), after, n)
	}
	return infos
}

func (s *stripe) page(infos []blockstore.Info, first byte, after blockstore.ID, n int) []blockstore.Info {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for second := 0; second < len(s.buckets) && len(infos) < n; second++ {
		id := blockstore.ID{first, byte(second)}
		if id[0] == after[0] && id[1] < after[1] {
			continue
		}
		for _, e := range s.buckets[second] {
			copy(id[2:], e.id[:])
			if e.n != tombstone && bytes.Compare(id[:], after[:]) > 0 {
				infos = append(infos, blockstore.Info{ID: id, Size: int64(e.n)})
			}
		}
	}
	return infos
}
