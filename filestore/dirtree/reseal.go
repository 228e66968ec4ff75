package dirtree

import (
	"context"
	"slices"
)

// Result is a sealed Edit, relative to the Dir that it came from: its tree is
// the Dir's, less Dead, and with New.
type Result struct {
	Root Root       // zero if no entry is left
	New  []Node     // children before their parents
	Dead [][32]byte // ascending
}

// Seal encrypts the nodes that changed since the last Seal, each with a fresh
// salt, and merges those that became small. It may read neighbours of these;
// when that fails the Edit is as good as before. After more changes it may be
// called again; then the new Result takes the place of the one before, whose
// nodes it has too where they are still in the tree.
//
// The nodes are in the cache under their ids from now on, stored or not: nobody
// looks for an id that no record leads to.
func (e *Edit) Seal(ctx context.Context) (Result, error) {
	if err := e.writable(); err != nil {
		return Result{}, err
	}
	if e.top != nil {
		if err := e.tidy(ctx, e.top, everything); err != nil {
			return Result{}, err
		}
		e.lower()
	}
	if e.top != nil {
		id := e.reseal(e.top)
		e.root, e.top = Root{ID: id, Level: e.top.level}, nil
	}
	r := Result{Root: e.root}
	for _, id := range e.order {
		if f, ok := e.fresh[id]; ok {
			r.New = append(r.New, f.sealed)
		}
	}
	for id := range e.dead {
		r.Dead = append(r.Dead, id)
	}
	slices.SortFunc(r.Dead, func(a, b [32]byte) int { return slices.Compare(a[:], b[:]) })
	return r, nil
}

// lower takes away roots with one child, and the root without any.
func (e *Edit) lower() {
	for e.top != nil && e.top.level > 0 && len(e.top.kids) == 1 {
		only := e.top.kids[0]
		e.root, e.top = Root{ID: only.id, Level: e.top.level - 1}, only.edit
	}
	if e.top != nil && e.top.len() == 0 {
		e.root, e.top = Root{}, nil
	}
}

// reseal encrypts n and what changed below it. From then on n is immutable.
func (e *Edit) reseal(n *node) [32]byte {
	for i := range n.kids {
		k := &n.kids[i]
		if k.edit != nil {
			k.id, k.count = e.reseal(k.edit), k.edit.count()
			k.edit = nil
		}
	}
	n.shrunk = false
	sealed := e.d.keys.seal(n)
	e.fresh[sealed.ID] = freshNode{n, sealed}
	e.order = append(e.order, sealed.ID)
	e.d.cache.put(&e.d.keys, sealed.ID, n)
	return sealed.ID
}

// Nodes below smallNode are merged with a neighbour if both fit in mergedNode:
// enough below the target that the next insertion doesn't split it again.
const (
	smallNode  = targetNode * 4 / 10
	mergedNode = targetNode * 8 / 10
)

// tidy removes the empty nodes below n, a copy, and merges those that shrank.
// at is what n spans.
func (e *Edit) tidy(ctx context.Context, n *node, at span) error {
	for i := 0; n.level > 0 && i < len(n.kids); {
		c := n.kids[i].edit
		if c == nil {
			i++
			continue
		}
		if err := e.tidy(ctx, c, at.child(n, i)); err != nil {
			return err
		}
		if c.len() == 0 {
			n.dropKid(i)
			continue
		}
		merged, err := e.merge(ctx, n, i, at)
		if err != nil {
			return err
		}
		if merged < 0 {
			i++
		} else {
			i = merged // which may be small still
		}
	}
	return nil
}

// dropKid removes kid i; the kid before it, or else the one after, takes over
// its span.
func (n *node) dropKid(i int) {
	n.kids = slices.Delete(n.kids, i, i+1)
	if i == 0 && len(n.kids) > 0 {
		n.kids[0].sep = ""
	}
	n.shrunk = true
}

// merge joins kid i of n, a copy that shrank, with a neighbour, if it is small
// and one has room. It returns the index of the result, -1 if nothing was to be
// done.
func (e *Edit) merge(ctx context.Context, n *node, i int, at span) (int, error) {
	c := n.kids[i].edit
	if !c.shrunk || c.size() >= smallNode {
		return -1, nil
	}
	for _, l := range []int{i - 1, i} { // with the kid before, then the one after
		if l < 0 || l+1 >= len(n.kids) {
			continue
		}
		left, err := e.kid(ctx, n, l, at)
		if err != nil {
			return -1, err
		}
		right, err := e.kid(ctx, n, l+1, at)
		if err != nil {
			return -1, err
		}
		if left.size()+right.size()-sealedEmpty+2+len(n.kids[l+1].sep) > mergedNode {
			continue
		}
		e.join(n, l, left, right)
		return l, nil
	}
	c.shrunk = false
	return -1, nil
}

// kid is the node of kid i, copied or not.
func (e *Edit) kid(ctx context.Context, n *node, i int, at span) (*node, error) {
	if k := n.kids[i]; k.edit != nil {
		return k.edit, nil
	}
	return e.load(ctx, n.kids[i].id, n.level-1, at.child(n, i))
}

// join makes one node of kids l and l+1 of n, in place l.
func (e *Edit) join(n *node, l int, left, right *node) {
	for _, k := range n.kids[l : l+2] {
		if k.edit == nil {
			e.bury(k.id)
		}
	}
	both := left.clone()
	both.run = -1
	both.shrunk = true
	both.entries = append(both.entries, right.entries...)
	if n.level > 1 {
		first := len(both.kids)
		both.kids = append(both.kids, right.kids...)
		both.kids[first].sep = n.kids[l+1].sep
	}
	n.kids[l].edit = both
	n.kids = slices.Delete(n.kids, l+1, l+2)
	n.shrunk = true
}
