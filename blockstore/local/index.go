package local

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
)

// maxSeq is the largest sequence number: the index keeps six bytes of it.
const maxSeq = 1<<48 - 1

// slot is one id in the index, kept small: the first two bytes of the id are
// those of its bucket.
type slot struct {
	id  [30]byte
	seq [6]byte
	seg uint32 // where the live record, or the tombstone, is
	off uint32 // of a live record, in units; of a tombstone the number of older copies on disk
	n   uint32 // length of the live record, or tombstone
}

func (s *slot) sequence() uint64 {
	return uint64(binary.BigEndian.Uint16(s.seq[:]))<<32 | uint64(binary.BigEndian.Uint32(s.seq[2:]))
}

func (s *slot) set(seq uint64, seg, off, n uint32) {
	binary.BigEndian.PutUint16(s.seq[:], uint16(seq>>32))
	binary.BigEndian.PutUint32(s.seq[2:], uint32(seq))
	s.seg, s.off, s.n = seg, off, n
}

// place is where a live record is.
type place struct {
	seg, off, n uint32
}

func (p place) entry(id blockstore.ID) entry { return entry{id: id, off: p.off, n: p.n} }

// ledger is told what becomes live and dead in each segment, in bytes.
type ledger func(seg uint32, bytes int64)

// index finds blocks by id. Ids are hashes, so 2^16 buckets by their first two
// bytes are of one size; each is sorted, which makes listing cheap and needs
// no empty places. Records and tombstones of an id may be applied in any order:
// the highest sequence number wins.
type index struct {
	stripes [256]stripe // by id[0]
	seq     atomic.Uint64
	blocks  atomic.Int64
	bytes   atomic.Int64
	account ledger
}

type stripe struct {
	mu      sync.RWMutex // guards the fields below
	buckets [][]slot     // by id[1]; nil until the first
	// extra counts the copies of a live id on disk besides the live one.
	extra map[blockstore.ID]uint32
	// doubt holds ids of which a record or tombstone may be on disk that the
	// index doesn't show: being written, or failed. Its value is the highest
	// sequence number of a tombstone among them, 0 if none.
	doubt map[blockstore.ID]uint64
}

func newIndex(account ledger) *index { return &index{account: account} }

func (x *index) stripe(id blockstore.ID) *stripe { return &x.stripes[id[0]] }

// search finds the position of id in its bucket. The lock is held.
func (s *stripe) search(id blockstore.ID) (int, bool) {
	if s.buckets == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(s.buckets[id[1]], id, func(a slot, id blockstore.ID) int {
		return bytes.Compare(a.id[:], id[2:])
	})
}

// find gives the slot of id, nil if it has none. The lock is held, and the
// slot is good as long as it is.
func (s *stripe) find(id blockstore.ID) *slot {
	i, ok := s.search(id)
	if !ok {
		return nil
	}
	return &s.buckets[id[1]][i]
}

func (s *stripe) insert(id blockstore.ID) *slot {
	if s.buckets == nil {
		s.buckets = make([][]slot, 256)
	}
	i, _ := s.search(id)
	bucket := s.buckets[id[1]]
	if len(bucket) == cap(bucket) { // an eighth more, not double
		bucket = append(make([]slot, 0, len(bucket)+len(bucket)/8+2), bucket...)
	}
	bucket = slices.Insert(bucket, i, slot{id: [30]byte(id[2:])})
	s.buckets[id[1]] = bucket
	return &bucket[i]
}

func (s *stripe) remove(id blockstore.ID) {
	if i, ok := s.search(id); ok {
		s.buckets[id[1]] = slices.Delete(s.buckets[id[1]], i, i+1)
	}
}

func (s *stripe) addExtra(id blockstore.ID, n uint32) {
	if n == 0 {
		return
	}
	if s.extra == nil {
		s.extra = map[blockstore.ID]uint32{}
	}
	s.extra[id] += n
}

// get tells where the live record of id is.
func (x *index) get(id blockstore.ID) (place, bool) {
	s := x.stripe(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.find(id)
	if e == nil || e.n == tombstone {
		return place{}, false
	}
	return place{e.seg, e.off, e.n}, true
}

// beginPut gives the sequence number for a record of id, or false if a durable
// one is there and no tombstone is under way that might remove it.
func (x *index) beginPut(id blockstore.ID) (seq uint64, needed bool) {
	s := x.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(id); e != nil && e.n != tombstone {
		if _, doubtful := s.doubt[id]; !doubtful {
			return 0, false
		}
	}
	return x.seq.Add(1), true
}

// beginDelete gives the sequence number for a tombstone of id, or false if
// nothing is there to delete.
func (x *index) beginDelete(id blockstore.ID) (seq uint64, needed bool) {
	s := x.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, doubtful := s.doubt[id]
	if e := s.find(id); (e == nil || e.n == tombstone) && !doubtful {
		return 0, false
	}
	seq = x.seq.Add(1)
	s.setDoubt(id, seq)
	return seq, true
}

func (s *stripe) setDoubt(id blockstore.ID, seq uint64) {
	if s.doubt == nil {
		s.doubt = map[blockstore.ID]uint64{}
	}
	s.doubt[id] = max(s.doubt[id], seq)
}

// failed notes that e may or may not be on disk.
func (x *index) failed(e entry) {
	s := x.stripe(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.n == tombstone {
		s.setDoubt(e.id, e.seq)
	} else {
		s.setDoubt(e.id, 0)
	}
}

// apply enters a durable record or tombstone of segment seg, and gives the live
// record, if any, that the tombstone deletes.
func (x *index) apply(seg uint32, e entry) (dead place, deleted bool) {
	s := x.stripe(e.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if tomb, ok := s.doubt[e.id]; ok && e.seq >= tomb {
		delete(s.doubt, e.id)
	}
	if e.n == tombstone {
		return x.applyTombstone(s, seg, e)
	}
	x.applyRecord(s, seg, e)
	return place{}, false
}

func (x *index) applyRecord(s *stripe, seg uint32, e entry) {
	old := s.find(e.id)
	switch {
	case old == nil:
		old = s.insert(e.id)
	case old.n == tombstone && old.sequence() > e.seq:
		old.off++
		return
	case old.n == tombstone:
		s.addExtra(e.id, old.off)
		x.account(old.seg, -recordHeader)
	case old.sequence() > e.seq:
		s.addExtra(e.id, 1)
		return
	default:
		s.addExtra(e.id, 1)
		x.lose(old)
	}
	old.set(e.seq, seg, e.off, e.n)
	x.account(seg, e.size())
	x.blocks.Add(1)
	x.bytes.Add(int64(e.n))
}

// lose takes the live record of a slot out of the accounts.
func (x *index) lose(s *slot) {
	x.account(s.seg, -recordSize(s.n))
	x.blocks.Add(-1)
	x.bytes.Add(-int64(s.n))
}

func (x *index) applyTombstone(s *stripe, seg uint32, e entry) (dead place, deleted bool) {
	old := s.find(e.id)
	copies := uint32(0)
	switch {
	case old == nil:
		old = s.insert(e.id)
	case old.sequence() > e.seq:
		return place{}, false
	case old.n == tombstone:
		copies = old.off
		x.account(old.seg, -recordHeader)
	default:
		copies = 1 + s.extra[e.id]
		delete(s.extra, e.id)
		x.lose(old)
		dead, deleted = place{old.seg, old.off, old.n}, true
	}
	old.set(e.seq, seg, copies, tombstone)
	x.account(seg, recordHeader)
	return dead, deleted
}
