package local

import "github.com/truckee-fs/truckee/blockstore"

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

// bucket gives the live blocks of the bucket with the first two bytes given that
// lie above after, in order.
func (x *index) bucket(first, second byte, after blockstore.ID) []blockstore.Info {
	s := &x.stripes[first]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.buckets == nil {
		return nil
	}
	var infos []blockstore.Info
	for _, e := range s.buckets[second] {
		if e.n == tombstone {
			continue
		}
		id := blockstore.ID{first, second}
		copy(id[2:], e.id[:])
		if string(id[:]) > string(after[:]) {
			infos = append(infos, blockstore.Info{ID: id, Size: int64(e.n)})
		}
	}
	return infos
}
