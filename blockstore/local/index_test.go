package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
)

// paper plays the disk for an index: segments as lists of entries.
type paper struct {
	segs  map[uint32][]entry
	last  uint32
	live  map[uint32]int64
	index *index
	truth map[blockstore.ID]uint64 // id -> sequence of its live record
}

func newPaper() *paper {
	p := &paper{segs: map[uint32][]entry{}, last: 1, truth: map[blockstore.ID]uint64{}}
	p.rebuild(rand.New(rand.NewPCG(0, 0)))
	return p
}

// rebuild makes the index from what is on disk, in any order.
func (p *paper) rebuild(random *rand.Rand) {
	p.live = map[uint32]int64{}
	seq := uint64(0)
	if p.index != nil {
		seq = p.index.seq.Load()
	}
	p.index = newIndex(func(seg uint32, n int64) { p.live[seg] += n })
	p.index.seq.Store(seq)
	var nums []uint32
	for num := range p.segs {
		nums = append(nums, num)
	}
	slices.Sort(nums)
	random.Shuffle(len(nums), func(i, j int) { nums[i], nums[j] = nums[j], nums[i] })
	for _, num := range nums {
		for _, e := range p.segs[num] {
			p.index.apply(num, e)
		}
	}
	p.index.dropVoidTombstones()
}

func (p *paper) append(e entry) {
	e.off = 64 + uint32(len(p.segs[p.last]))*4
	p.segs[p.last] = append(p.segs[p.last], e)
	p.index.apply(p.last, e)
}

// compact does to a segment what Store.compact does.
func (p *paper) compact(num uint32) {
	entries := p.segs[num]
	copies := copiesOfDeleted(entries)
	for _, e := range entries {
		if p.index.needed(num, e, copies[e.id]) {
			p.append(e)
		}
	}
	delete(p.segs, num)
	for _, e := range entries {
		p.index.forget(e)
	}
}

func (p *paper) step(random *rand.Rand) {
	id := blockstore.ID{byte(random.IntN(2)), byte(random.IntN(2)), byte(1 + random.IntN(5))}
	switch x := random.IntN(100); {
	case x < 40:
		if seq, needed := p.index.beginPut(id); needed {
			p.append(entry{id: id, seq: seq, n: uint32(random.IntN(200))})
			p.truth[id] = seq
		}
	case x < 75:
		if seq, needed := p.index.beginDelete(id); needed {
			p.append(entry{id: id, seq: seq, n: tombstone})
			delete(p.truth, id)
		}
	case x < 85:
		p.last++
	case x < 97:
		if num := 1 + uint32(random.IntN(int(p.last))); num != p.last && p.segs[num] != nil {
			p.compact(num)
		}
	default:
		p.rebuild(random)
	}
}

func (p *paper) check() error {
	found := map[blockstore.ID]bool{}
	var last blockstore.ID
	for infos := p.index.page(last, 2); len(infos) > 0; infos = p.index.page(last, 2) {
		for _, info := range infos {
			if bytes.Compare(info.ID[:], last[:]) <= 0 {
				return fmt.Errorf("block %x is listed after %x", info.ID[:3], last[:3])
			}
			found[info.ID], last = true, info.ID
		}
	}
	for id, seq := range p.truth {
		if at, ok := p.index.get(id); !ok {
			return fmt.Errorf("block %x is gone", id[:3])
		} else if i := slices.IndexFunc(p.segs[at.seg], func(e entry) bool { return e.off == at.off && e.id == id && e.seq == seq }); i < 0 {
			return fmt.Errorf("block %x isn't where the index says", id[:3])
		}
		if !found[id] {
			return fmt.Errorf("block %x isn't listed", id[:3])
		}
		delete(found, id)
	}
	for id := range found {
		return fmt.Errorf("block %x came back", id[:3])
	}
	for num, n := range p.live {
		size := int64(0)
		for _, e := range p.segs[num] {
			size += e.size()
		}
		if p.segs[num] != nil && (n < 0 || n > size) {
			return fmt.Errorf("segment %d has %d live bytes of %d", num, n, size)
		}
	}
	return nil
}

// Whatever is put, deleted, compacted and read again from disk, in whatever
// order, the index shows what is there, and no block comes back.
func TestIndexAgainstPaper(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		p := newPaper()
		for i := range 400 {
			p.step(random)
			if i%40 == 39 {
				p.rebuild(random)
			}
			if i%10 != 9 {
				continue
			}
			if err := p.check(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
		}
	}
}

// Tombstones go when the last copy of their block has gone.
func TestIndexForgetsTombstones(t *testing.T) {
	t.Parallel()
	p, random := newPaper(), rand.New(rand.NewPCG(1, 1))
	for range 500 {
		p.step(random)
	}
	for id := range p.truth {
		seq, _ := p.index.beginDelete(id)
		p.append(entry{id: id, seq: seq, n: tombstone})
	}
	for range 3 { // one to bring tombstones together, one to remove them
		end := p.last
		p.last++
		for num := uint32(1); num <= end; num++ {
			if p.segs[num] != nil {
				p.compact(num)
			}
		}
	}
	for num, entries := range p.segs {
		if len(entries) > 0 {
			t.Errorf("segment %d still holds %d entries", num, len(entries))
		}
	}
	for i := range p.index.stripes {
		for _, bucket := range p.index.stripes[i].buckets {
			if len(bucket) > 0 {
				t.Fatalf("the index still holds %+v", bucket)
			}
		}
		if n := len(p.index.stripes[i].extra) + len(p.index.stripes[i].doubt); n > 0 {
			t.Fatalf("%d ids have notes left", n)
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	x := newIndex(func(uint32, int64) {})
	random := rand.NewChaCha8([32]byte{})
	for i := 0; b.Loop(); i++ {
		e := entry{seq: uint64(i), off: uint32(i), n: 9000}
		for j := 0; j < 32; j += 8 {
			binary.BigEndian.PutUint64(e.id[j:], random.Uint64())
		}
		x.apply(1, e)
	}
}
