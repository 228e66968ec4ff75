package dirtree

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
)

// Sizes of nodes in bytes, sealed.
const (
	targetNode = 4096      // a node of two or more items is no larger
	maxNode    = 64 * 1024 // larger ones are refused before they are opened

	// maxKey is the longest sort key: that of a directory of 1024 bytes in a
	// history tree, a name, "/", what a history key adds, and "/".
	maxKey = MaxName + 1 + historySuffix + 1

	// maxLevel bounds the height of a tree. Separators of the greatest length
	// still leave an inner node three children, so no tree that fits on a disk
	// comes near.
	maxLevel = 32
)

// node is a decoded node. Once it is in a tree or a cache it is immutable; an
// Edit changes only copies that it made.
type node struct {
	level   uint8
	run     int     // leaf: where the last insertion went, -1 if not known
	shrunk  bool    // in an Edit: something was removed since it was last merged
	entries []*item // level 0, ascending by sort key
	kids    []kid   // level > 0
}

// kid is a child of an inner node: the subtree whose sort keys are at least
// sep and below the next kid's sep. The first kid has no sep of its own.
type kid struct {
	sep   string
	id    [32]byte
	count uint32 // entries below, a hint
	edit  *node  // in an Edit: the changed node that replaces id
}

// span is a range of sort keys: from lo, up to and without hi, which is
// looked at unless open.
type span struct {
	lo, hi string
	open   bool
}

var everything = span{open: true}

// child is the span of kid i of an inner node n that itself spans s.
func (s span) child(n *node, i int) span {
	if i > 0 {
		s.lo = n.kids[i].sep
	}
	if i+1 < len(n.kids) {
		s.hi, s.open = n.kids[i+1].sep, false
	}
	return s
}

// covers reports whether everything in n lies within s, as a node's place in
// the tree demands.
func (s span) covers(n *node) bool {
	if n.level == 0 {
		return n.entries[0].key >= s.lo && (s.open || n.entries[len(n.entries)-1].key < s.hi)
	}
	return len(n.kids) == 1 || n.kids[1].sep > s.lo && (s.open || n.kids[len(n.kids)-1].sep < s.hi)
}

// child is the index of the kid whose subtree holds key.
func (n *node) child(key string) int {
	return sort.Search(len(n.kids)-1, func(i int) bool { return n.kids[i+1].sep > key })
}

// find is the index of the first entry with at least key, and whether it has
// just this one.
func (n *node) find(key string) (int, bool) {
	i := sort.Search(len(n.entries), func(i int) bool { return n.entries[i].key >= key })
	return i, i < len(n.entries) && n.entries[i].key == key
}

// len is the number of items in n.
func (n *node) len() int {
	if n.level == 0 {
		return len(n.entries)
	}
	return len(n.kids)
}

// count is the number of entries below n, as far as its kids know.
func (n *node) count() uint32 {
	if n.level == 0 {
		return uint32(len(n.entries))
	}
	var sum uint64
	for _, k := range n.kids {
		sum += uint64(k.count)
	}
	return uint32(min(sum, math.MaxUint32))
}

// sealedEmpty is the length of a sealed node without items: header, salt,
// three tags, and the number of items.
const sealedEmpty = saltEnd + 3*tagSize + 2

// cost is the number of bytes that item i takes when i-1 stands before it.
func (n *node) cost(i int) int {
	if n.level > 0 {
		if i == 0 {
			return 32 + 4
		}
		return 32 + 4 + 2 + len(n.kids[i].sep)
	}
	it := n.entries[i]
	size := it.size()
	if i > 0 {
		size -= sharedPrefix(n.entries[i-1].e.Name, it.e.Name)
	}
	return size
}

// size is the length of n when it is sealed.
func (n *node) size() int {
	size := sealedEmpty
	for i := range n.len() {
		size += n.cost(i)
	}
	return size
}

// clone copies n so that its items can be replaced.
func (n *node) clone() *node {
	c := *n
	if n.level == 0 {
		c.entries = append(make([]*item, 0, len(n.entries)+1), n.entries...)
	} else {
		c.kids = append(make([]kid, 0, len(n.kids)+1), n.kids...)
	}
	c.shrunk = false
	return &c
}

// hasWrites reports whether n shows anything that only writers may see.
func (n *node) hasWrites() bool {
	return slices.ContainsFunc(n.entries, func(it *item) bool { return len(it.w) > 0 })
}

// withoutWrites is n as an opener without write authority decodes it.
func (n *node) withoutWrites() *node {
	c := n.clone()
	for i, it := range c.entries {
		c.entries[i] = it.withoutWrite()
	}
	return c
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// separator is the shortest string above a and not above b, for a < b.
func separator(a, b string) string { return b[:sharedPrefix(a, b)+1] }

// encode appends the node's section plaintexts to v, r and w.
func (n *node) encode(v, r, w []byte) sections {
	v = binary.BigEndian.AppendUint16(v, uint16(n.len()))
	for j, k := range n.kids {
		v = append(v, k.id[:]...)
		r = binary.BigEndian.AppendUint32(r, k.count)
		if j > 0 {
			r = binary.BigEndian.AppendUint16(r, uint16(len(k.sep)))
			r = append(r, k.sep...)
		}
	}
	prev := ""
	for _, it := range n.entries {
		name := it.e.Name
		shared := sharedPrefix(prev, name)
		v = append(v, it.v...)
		r = binary.BigEndian.AppendUint16(r, uint16(shared))
		r = binary.BigEndian.AppendUint16(r, uint16(len(name)-shared))
		r = append(append(r, name[shared:]...), it.r...)
		w = append(w, it.w...)
		prev = name
	}
	return sections{v, r, w}
}

// lengths are those of the sections that encode makes.
func (n *node) lengths() (v, r, w int) {
	v, r = 2+32*len(n.kids), 4*len(n.kids)
	for j := 1; j < len(n.kids); j++ {
		r += 2 + len(n.kids[j].sep)
	}
	prev := ""
	for _, it := range n.entries {
		v += len(it.v)
		r += 4 + len(it.e.Name) - sharedPrefix(prev, it.e.Name) + len(it.r)
		w += len(it.w)
		prev = it.e.Name
	}
	return v, r, w
}
