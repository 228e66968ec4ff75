package filetree

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// ragged makes the edited file where leaves lie anywhere: as a B-tree over the
// sequence of leaves, all chunks at one depth. Nodes that overflow are split,
// those that changed side by side are filled anew together, and the rest stays.
func (e *editor) ragged(ctx context.Context) (child, error) {
	row, level := []child(nil), -1
	var err error
	switch {
	case e.Size() == 0:
		row = e.fill(row, 0, e.size)
	case e.base.Level == LevelChunk:
		row, err = e.raggedLeaf(row, &e.base, 0, true)
	default:
		row, err = e.raggedKids(ctx, &e.base, 0, true)
		level = int(e.base.Level) - 1
	}
	if err != nil {
		return child{}, err
	}
	return e.crown(joinHoles(row), level, e.grows())
}

func (e *editor) grows() bool { return e.size > e.Size() }

// crown builds the levels above a row until one child is left, the root.
func (e *editor) crown(row []child, level int, left bool) (child, error) {
	for len(row) > 1 {
		var err error
		level++
		if row, err = e.pack(row, level, left); err != nil {
			return child{}, err
		}
		row = joinHoles(row)
	}
	if row[0].IsHole() {
		return e.holeFile(row[0].size())
	}
	return e.rooted(row[0])
}

// rooted is c with a node above it if it is a chunk with a patch, which only a node
// tells of.
func (e *editor) rooted(c child) (child, error) {
	if c.patch == nil {
		return c, nil
	}
	return e.packOne([]child{c}, 0)
}

// raggedKids makes what replaces the children of c, which stands for the bytes
// from off on. last: nothing of base follows c, so growth goes in here.
func (e *editor) raggedKids(ctx context.Context, c *child, off int64, last bool) ([]child, error) {
	level := int(c.Level)
	if c.IsHole() {
		return e.raise(joinHoles(e.fill(nil, off, e.endOf(off+c.size(), last))), level-1)
	}
	n, err := e.node(ctx, c)
	if err != nil {
		return nil, err
	}
	var row, run []child // run: the children of children that changed side by side
	flush := func(atEnd bool) error {
		packed, err := e.pack(joinHoles(run), level-1, atEnd && e.grows())
		row, run = append(row, packed...), nil
		return err
	}
	for i := range n.n {
		begin, end := n.span(i)
		kid, kidLast := n.child(i), last && i == n.n-1
		switch {
		case !kidLast && e.buried(off+begin, off+end):
		case !e.touched(off+begin, off+end, kidLast):
			if err := flush(false); err != nil {
				return nil, err
			}
			row = append(row, kid)
		case level == 0:
			row, err = e.raggedLeaf(row, &kid, off+begin, kidLast)
		case off+begin < e.size:
			var kids []child
			kids, err = e.raggedKids(ctx, &kid, off+begin, kidLast)
			run = append(run, kids...)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := flush(last); err != nil {
		return nil, err
	}
	return joinHoles(row), nil
}

// raise builds a row of leaves up to that level.
func (e *editor) raise(row []child, level int) ([]child, error) {
	for l := 0; l <= level; l++ {
		var err error
		if row, err = e.pack(row, l, e.grows()); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// touched reports whether the edit changes what base has from off to end.
func (e *editor) touched(off, end int64, last bool) bool {
	return end > e.size || last && end < e.size || len(overlapping(e.leaves, off, end)) > 0
}

// buried reports whether a leaf that begins before off hides all of base to end.
func (e *editor) buried(off, end int64) bool {
	leaves := overlapping(e.leaves, off, end)
	return len(leaves) == 1 && leaves[0].Off < off && end <= leaves[0].End()
}

// endOf is where the part of base that ends there ends in the new file.
func (e *editor) endOf(end int64, last bool) int64 {
	if last {
		return e.size
	}
	return min(end, e.size)
}

// raggedLeaf appends what replaces leaf c of base. A leaf of the edit is put in
// where it begins, also if it replaces several of base's.
func (e *editor) raggedLeaf(row []child, c *child, off int64, last bool) ([]child, error) {
	end := off + c.size()
	if off >= e.size {
		return row, nil
	}
	if c.IsHole() {
		return e.fill(row, off, e.endOf(end, last)), nil
	}
	leaves := overlapping(e.leaves, off, end)
	if len(leaves) == 0 && end <= e.size { // only growth
		row = append(row, *c)
		return e.fill(row, end, e.endOf(end, last)), nil
	}
	covered := off
	for i := range leaves {
		if leaves[i].Off > covered {
			break
		}
		covered = leaves[i].End()
	}
	if covered < min(end, e.size) {
		return nil, fmt.Errorf("filetree: the chunk of %d bytes from %d is replaced in part: %w", c.Size, off, kind.Invalid)
	}
	return e.fill(row, off, e.endOf(end, last)), nil
}

// fill appends the leaves that begin from off to end, and holes between them.
func (e *editor) fill(row []child, off, end int64) []child {
	for _, l := range overlapping(e.leaves, off, end) {
		if l.Off >= off {
			if l.Off > off {
				row = append(row, hole(-1, l.Off-off))
			}
			row = append(row, child{Ref: l.Ref, patch: l.Patch})
		}
		off = l.End()
	}
	if off < end {
		row = append(row, hole(-1, end-off))
	}
	return row
}

// joinHoles makes one of holes side by side, in place.
func joinHoles(row []child) []child {
	out := row[:0]
	for _, c := range row {
		if n := len(out); n > 0 && c.IsHole() && out[n-1].IsHole() {
			out[n-1].Size += c.Size
			continue
		}
		out = append(out, c)
	}
	return out
}

// pack makes nodes of that level over row: as few as can be, filled from the
// left where a file grows, else evenly, so that none stays nearly empty.
func (e *editor) pack(row []child, level int, left bool) ([]child, error) {
	var out []child
	for len(row) > 0 {
		n := min(len(row), MaxChildren)
		if !left {
			nodes := ceilDiv(int64(len(row)), MaxChildren)
			n = int(ceilDiv(int64(len(row)), nodes))
		}
		c, err := e.packOne(row[:n], level)
		if err != nil {
			return nil, err
		}
		out, row = append(out, c), row[n:]
	}
	return out, nil
}

// packOne makes one node, aligned if its children are.
func (e *editor) packOne(kids []child, level int) (child, error) {
	holes, total := 0, int64(0)
	for i := range kids {
		total += kids[i].size()
		if kids[i].IsHole() {
			holes++
		}
	}
	if holes == len(kids) {
		return hole(level, total), nil
	}
	if e.fitsGrid(kids, level) {
		return e.seal(level, e.grid, false, kids)
	}
	grid := e.grid
	for i := range kids {
		if level == 0 && !kids[i].IsHole() {
			grid = max(grid, gridOf(kids[i].size()))
		}
	}
	return e.seal(level, grid, true, kids)
}

// fitsGrid reports whether kids are known to be what an aligned node of e's
// chunk size has.
func (e *editor) fitsGrid(kids []child, level int) bool {
	width := coverage(e.grid, level-1)
	for i := range kids {
		c := &kids[i]
		if level > 0 && !c.IsHole() && c.grid != e.grid {
			return false
		}
		if c.size() != width && (i < len(kids)-1 || c.size() > width) {
			return false
		}
	}
	return true
}
