package filetree

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// aligned makes the edited file where every leaf lies on the grid: the place of
// a byte tells its path, in base and in the new tree alike.
func (e *editor) aligned(ctx context.Context) (child, error) {
	level := rootLevel(e.grid, e.size)
	var old *child
	if e.Size() > 0 {
		top := e.base
		top.grid = e.grid
		for top.depth() > level && !top.IsHole() { // the file shrinks: its first path goes on
			n, err := e.node(ctx, &top)
			if err != nil {
				return child{}, err
			}
			top = n.child(0)
		}
		old = &top
	}
	c, err := e.alignedAt(ctx, level, 0, old)
	switch {
	case err != nil:
		return child{}, err
	case c.IsHole():
		return e.holeFile(e.size)
	}
	return e.rooted(c)
}

// alignedAt makes what stands at that level from byte off on. old is what base
// has there, or nil; where base is a lower tree, its root stands for its
// ancestors on the first path.
func (e *editor) alignedAt(ctx context.Context, level int, off int64, old *child) (child, error) {
	end := min(satAdd(off, coverage(e.grid, level)), e.size)
	leaves := overlapping(e.leaves, off, end)
	if old != nil && old.IsHole() {
		old = nil
	}
	switch {
	case len(leaves) == 0 && old == nil:
		return hole(level, end-off), nil
	case len(leaves) == 0 && old.depth() == level && off+old.size() == end:
		return *old, nil
	case len(leaves) == 1 && leaves[0].IsHole() && leaves[0].Off <= off && end <= leaves[0].End():
		return hole(level, end-off), nil
	case level < 0 && len(leaves) == 1:
		return child{Ref: leaves[0].Ref, patch: leaves[0].Patch}, nil
	case level < 0:
		return child{}, fmt.Errorf("filetree: the end at %d cuts the chunk from %d, which no leaf replaces: %w", e.size, off, kind.Invalid)
	}
	kids, err := e.alignedKids(ctx, level, off, end, old)
	if err != nil {
		return child{}, err
	}
	for i := range kids {
		if !kids[i].IsHole() {
			return e.seal(level, e.grid, false, kids)
		}
	}
	return hole(level, end-off), nil
}

func (e *editor) alignedKids(ctx context.Context, level int, off, end int64, old *child) ([]child, error) {
	var n *node
	if old != nil && old.depth() == level {
		var err error
		if n, err = e.node(ctx, old); err != nil {
			return nil, err
		}
	}
	width := coverage(e.grid, level-1)
	kids := make([]child, 0, ceilDiv(end-off, width))
	for i := 0; i < cap(kids); i++ {
		var below *child
		switch {
		case n != nil && i < n.n:
			c := n.child(i)
			below = &c
		case n == nil && i == 0:
			below = old
		}
		c, err := e.alignedAt(ctx, level-1, off+int64(i)*width, below)
		if err != nil {
			return nil, err
		}
		kids = append(kids, c)
	}
	return kids, nil
}
