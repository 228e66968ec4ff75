package filetree

import (
	"encoding/binary"
	"math/bits"
	"sort"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
)

// Layout of a node's two sections, in plaintext (formats.md 3).
const (
	nodePrefix    = 16               // total u64, log2 chunk size u8, n u16, zeros
	idSize        = 32               // a child's id
	ragged8       = 8                // a child's bytes below, in ragged nodes
	fanoutLog     = 7                // MaxChildren = 1 << fanoutLog
	minGrid       = 18               // log2 MinChunkSize
	maxGrid       = 22               // log2 MaxChunkSize
	patchV        = 2 + idSize + 4   // in V for each patch: child u16, id, plaintext bytes u32
	patchR        = caps.KeySize + 2 // in R: key, number of extents u16, and those
	extentSize    = 4 + 4            // offset u32, length u32
	maxVerifySect = nodePrefix + MaxChildren*(idSize+ragged8+max(caps.KeySize, patchV)) + blockstore.TagSize
	maxReadSect   = MaxChildren*(caps.KeySize+patchR+MaxExtents*extentSize) + blockstore.TagSize
	maxNode       = blockstore.HeaderSize + maxVerifySect + maxReadSect
)

// child is a reference as it stands in a node, with what the node says about it
// besides, which binds the block that it refers to.
type child struct {
	Ref
	patch *Patch   // what is written over a chunk, or over a hole; nil: nothing
	kv    caps.Key // Kv of a node; the zero Key: not told, so not compared
	grid  uint8    // log2 chunk size of the whole subtree if that must be aligned; 0: anything
	limit int64    // longest chunk, padding included
}

// depth is the level of c, chunks being at -1.
func (c *child) depth() int {
	if c.Level == LevelChunk {
		return -1
	}
	return int(c.Level)
}

// IsHole reports whether c is nothing but zeros, as Ref.IsHole can't tell.
func (c *child) IsHole() bool { return c.Ref.IsHole() && c.patch == nil }

// size is the bytes below c.
func (c *child) size() int64 { return int64(c.Size) }

// node is a file node, opened and checked in itself. Sections v and r stay as
// they were decrypted; children are made from them one by one. It is immutable.
type node struct {
	level uint8
	grid  uint8 // log2 chunk size; 0 in ragged nodes above level 0
	total int64
	n     int
	v     []byte   // n records
	r     []byte   // n keys; nil if opened by the verify key
	ends  []int64  // of ragged nodes: where each child ends
	key   caps.Key // Kr; the zero Key if opened by Kv
	kv    caps.Key

	patches []*Patch // of patched nodes: those of each child, or nil
}

func (n *node) ragged() bool { return n.ends != nil }

// span tells which bytes below n are child i's.
func (n *node) span(i int) (off, end int64) {
	if n.ragged() {
		if i > 0 {
			off = n.ends[i-1]
		}
		return off, n.ends[i]
	}
	width := coverage(n.grid, int(n.level)-1)
	off = int64(i) * width
	return off, min(satAdd(off, width), n.total)
}

// find is the number of the child that holds byte off, 0 <= off < n.total.
func (n *node) find(off int64) int {
	if n.ragged() {
		return sort.Search(n.n, func(i int) bool { return n.ends[i] > off })
	}
	return int(off / coverage(n.grid, int(n.level)-1))
}

// record is the length of one child's record in section V.
func record(level uint8, ragged bool) int {
	size := idSize
	if level > 0 {
		size += caps.KeySize
	}
	if ragged {
		size += ragged8
	}
	return size
}

// child makes the reference to child i, with its key if n was opened by Kr.
func (n *node) child(i int) child {
	off, end := n.span(i)
	rec := n.v[i*record(n.level, n.ragged()):]
	c := child{Ref: Ref{ID: blockstore.ID(rec), Level: LevelChunk, Size: uint64(end - off)}}
	if n.level > 0 {
		c.Level = n.level - 1
	}
	if !n.ragged() {
		c.grid = n.grid
	}
	if c.limit = MaxChunkSize; n.grid != 0 {
		c.limit = 1 << n.grid
	}
	if n.patches != nil {
		c.patch = n.patches[i]
	}
	if c.Ref.IsHole() {
		return c
	}
	if n.level > 0 {
		c.kv = caps.KeyOf([caps.KeySize]byte(rec[idSize:]))
	}
	if n.r != nil {
		c.Key = caps.KeyOf([caps.KeySize]byte(n.r[i*caps.KeySize:]))
	}
	return c
}

// cost is what n takes in memory, in bytes, roughly.
func (n *node) cost() int64 {
	cost := int64(cap(n.v) + cap(n.r) + 8*len(n.ends) + 8*len(n.patches) + 256)
	for _, p := range n.patches {
		if p != nil {
			cost += 128 + int64(extentSize*len(p.Extents))
		}
	}
	return cost
}

// coverage is how many bytes a full aligned node of that level holds, or a
// chunk (-1), at most MaxSize.
func coverage(grid uint8, level int) int64 {
	if shift := int(grid) + fanoutLog*(level+1); shift < 63 {
		return 1 << shift
	}
	return MaxSize
}

// satAdd is a + b, at most MaxSize; neither is negative.
func satAdd(a, b int64) int64 {
	if a > MaxSize-b {
		return MaxSize
	}
	return a + b
}

// ceilDiv is a / b rounded up; both are positive.
func ceilDiv(a, b int64) int64 { return (a-1)/b + 1 }

// gridOf is the log2 of the smallest chunk size that holds n bytes, n >= 1.
func gridOf(n int64) uint8 { return uint8(max(minGrid, bits.Len64(uint64(n-1)))) }

// sections are the plaintexts of a node.
type sections struct {
	h    blockstore.Header
	v, r []byte
}

// sealSections makes the node of that level over kids, which are 1 to MaxChildren
// and have kv set if they are nodes. grid is the chunk size of an aligned node;
// a ragged one gets 0 above level 0. It also gives the
// plaintexts that were sealed.
func sealSections(kr caps.Key, level, grid uint8, ragged bool, kids []child) (Block, child, sections, error) {
	h := blockstore.Header{Type: blockstore.TypeFileNode, Suite: blockstore.Suite1, Level: level}
	told := grid
	if ragged {
		h.Flags = blockstore.FlagRagged
		if level > 0 {
			told = 0
		}
	}
	for i := range kids {
		if kids[i].patch != nil {
			h.Flags |= blockstore.FlagPatched
		}
	}
	v, r, total := encodeSections(level, told, ragged, kids)
	h.Len1 = uint32(len(v) + blockstore.TagSize)
	h.Len2 = uint32(len(r) + blockstore.TagSize)

	kv := verifyKey(kr)
	vAEAD, rAEAD, err := sectionAEADs(kv, kr)
	if err != nil {
		return Block{}, child{}, sections{}, err
	}
	data := h.Append(make([]byte, 0, blockstore.HeaderSize+int(h.Len1)+int(h.Len2)))
	nonce := make([]byte, vAEAD.NonceSize())
	data = vAEAD.Seal(data, nonce, v, data[:blockstore.HeaderSize])
	data = rAEAD.Seal(data, nonce, r, data[:blockstore.HeaderSize])

	c := child{Ref: Ref{blockstore.NodeID(data), kr, level, uint64(total)}, kv: kv}
	if !ragged {
		c.grid = grid
	}
	return Block{ID: c.ID, Data: data}, c, sections{h, v, r}, nil
}

// nodeOf is the node that c refers to, from what was sealed as it: as openNode
// gives it, with the same checks of what the sections say.
func nodeOf(c *child, s sections) (*node, error) {
	n, err := decodeVerify(VerifyRef{c.ID, c.kv, c.Level, c.Size}, s.h, s.v)
	if err != nil {
		return nil, err
	}
	n.key, n.kv = c.Key, c.kv
	return n, n.setKeys(c.ID, s.r)
}

// encodeSections lays out the plaintexts of V and R.
func encodeSections(level, grid uint8, ragged bool, kids []child) (v, r []byte, total int64) {
	v = make([]byte, nodePrefix, nodePrefix+len(kids)*record(level, ragged))
	r = make([]byte, 0, len(kids)*caps.KeySize)
	for i := range kids {
		c := &kids[i]
		total += c.size()
		v = append(v, c.ID[:]...)
		if level > 0 {
			v = appendKey(v, c.kv)
		}
		if ragged {
			v = binary.BigEndian.AppendUint64(v, c.Size)
		}
		r = appendKey(r, c.Key)
	}
	for i := range kids {
		if p := kids[i].patch; p != nil {
			v, r = p.append(v, r, i)
		}
	}
	binary.BigEndian.PutUint64(v, uint64(total))
	v[8] = grid
	binary.BigEndian.PutUint16(v[9:], uint16(len(kids)))
	return v, r, total
}

// appendKey appends k, or 32 zero bytes for no key (a hole's).
func appendKey(b []byte, k caps.Key) []byte {
	if raw := k.Raw(); raw != nil {
		return append(b, raw[:]...)
	}
	return append(b, make([]byte, caps.KeySize)...)
}
