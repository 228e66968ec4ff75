package collect

import (
	"crypto/sha256"
	"hash/maphash"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/metastore"
)

// short stands for an id and a verify key in a set: 16 bytes, so that a set of
// millions stays small, and too many for two to meet by chance.
type short [16]byte

// blockKey stands for a block's id. Two of many millions may meet by chance; then
// one that nothing leads to stays until the next walk, which has another seed.
type blockKey uint64

// rootNo is the number of the root that led to something; several gives sharedBy.
type rootNo uint32

const sharedBy rootNo = 0

// root begins the walk from another root.
func (r *reach) root(id metastore.SlotID) site {
	no, known := r.number[id]
	if !known {
		no = rootNo(len(r.roots))
		r.roots, r.number[id] = append(r.roots, id), no
	}
	return site{root: id, no: no}
}

// key is what a set holds of an id and a verify key.
func (r *reach) key(id [32]byte, verify caps.Key) short {
	h := sha256.New()
	h.Write(r.salt[:])
	h.Write(id[:])
	if raw := verify.Raw(); raw != nil {
		h.Write(raw[:])
	}
	return short(h.Sum(nil)[:16])
}

// done reports whether nothing new comes of a visit from a root.
func (r *reach) done(set map[short]rootNo, k short, no rootNo) bool {
	by, again := set[k]
	if again && by == sharedBy {
		r.passed[no] = true
	}
	return again && (by == no || by == sharedBy)
}

// enter notes a visit.
func enter(set map[short]rootNo, k short, no rootNo) {
	if by, again := set[k]; again && by != no {
		no = sharedBy
	}
	set[k] = no
}

func (r *reach) blockKey(id [32]byte) blockKey { return blockKey(maphash.Bytes(r.seed, id[:])) }

// meet notes a block, and reports whether that was met before.
func (r *reach) meet(id [32]byte, no rootNo) (again bool) {
	k := r.blockKey(id)
	by, again := r.blocks[k]
	if again && by != no {
		no = sharedBy
	}
	if !again || by != no {
		r.blocks[k] = no
	}
	return again
}

// reached reports whether the walk has met a block, and whether from another root
// than its owner.
func (r *reach) reached(id metastore.ID, owner metastore.SlotID) (reached, shared bool) {
	no, reached := r.blocks[r.blockKey(id)]
	return reached, reached && r.foreign(no, owner)
}

// foreign reports whether another root than the owner leads to something.
func (r *reach) foreign(no rootNo, owner metastore.SlotID) bool {
	return owner != metastore.SlotID{} && (no == sharedBy || r.roots[no] != owner)
}
