package dirtree

import "slices"

// split cuts nodes that grew too large, from the leaf of way upwards. at is
// where an entry was inserted in the leaf, -1 if one was replaced.
func (e *Edit) split(way []step, at int) {
	for depth := len(way) - 1; depth >= 0; depth-- {
		n := way[depth].n
		right := n.cut(at)
		if len(right) == 0 {
			return
		}
		if depth == 0 {
			e.top = &node{level: n.level + 1, run: -1, kids: append([]kid{{edit: n}}, right...)}
			return
		}
		parent := &way[depth-1]
		parent.n.kids = slices.Insert(parent.n.kids, parent.i+1, right...)
		at = parent.i + len(right)
	}
}

// cut shortens n to what one node may hold and returns the rest as new nodes
// with their separators, none if n is small enough.
func (n *node) cut(at int) []kid {
	if n.size() <= targetNode || n.len() < 2 {
		n.noteRun(at)
		return nil
	}
	c := n.cutAt(at)
	right := &node{level: n.level, run: -1, shrunk: n.shrunk}
	var sep string
	if n.level == 0 {
		sep = separator(n.entries[c-1].key, n.entries[c].key)
		right.entries = slices.Clone(n.entries[c:])
		n.entries = slices.Delete(n.entries, c, len(n.entries))
	} else {
		sep = n.kids[c].sep
		right.kids = slices.Clone(n.kids[c:])
		right.kids[0].sep = ""
		n.kids = slices.Delete(n.kids, c, len(n.kids))
	}
	atLeft, atRight := at, at-c
	if at < c {
		atRight = -1
	} else {
		atLeft = -1
	}
	// An entry of up to 16 KiB may leave either side too large still.
	out := append(n.cut(atLeft), kid{sep: sep, edit: right})
	return append(out, right.cut(atRight)...)
}

// noteRun remembers where the last insertion went, which is how cutAt knows
// ascending insertions in the middle of a leaf.
func (n *node) noteRun(at int) {
	if n.level == 0 && at >= 0 {
		n.run = at
	}
}

// How full the two halves are when a node is cut at the end of a run of
// insertions: room is left for entries that grow later.
const runFill = targetNode * 9 / 10

// cutAt chooses the first item of the right half. Items mostly come in order,
// and what a run leaves behind is never filled up again, so a node that an
// ascending run made too large keeps nine tenths; all others are halved.
func (n *node) cutAt(at int) int {
	last := n.len() - 1
	switch {
	case at == last: // ascending at the end: the left keeps what fits, at least all but the run's newest
		if c := n.fill(last); c > 0 {
			return c
		}
	case at > 0 && n.level == 0 && at == n.run+1: // ascending before other names: these go
		if c := n.fill(at + 1); c == at+1 {
			return c
		}
	case at == 0 && n.run == 0 && n.level == 0: // descending
		if c := n.tail(); c <= last {
			return max(c, 1)
		}
	}
	return n.half()
}

// fill is how many items, at most limit, fill a node to runFill.
func (n *node) fill(limit int) int {
	size := sealedEmpty
	for i := range limit {
		if size += n.cost(i); size > runFill {
			return i
		}
	}
	return limit
}

// tail is the first of the last items that fill a node to runFill.
func (n *node) tail() int {
	size := sealedEmpty
	for i := n.len() - 1; i > 0; i-- {
		if size += n.cost(i); size > runFill {
			return i + 1
		}
	}
	return 1
}

// half is the cut that leaves the two sides as equal as possible, both with an
// item at least.
func (n *node) half() int {
	total := n.size() - sealedEmpty
	best, bestGap := 1, total
	left := 0
	for c := 1; c < n.len(); c++ {
		left += n.cost(c - 1)
		gap := total - 2*left
		if gap = max(gap, -gap); gap >= bestGap {
			break
		}
		best, bestGap = c, gap
	}
	return best
}
