package filetree

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// UnitAt tells what to replace, or to add, in order to change the byte at off,
// which may lie past the end: a range that Edit takes as one leaf. Ref is the
// chunk that stands there, or a hole, and Patch what is written over it.
//
// Inside the file the unit is a chunk, or, of a hole, what a chunk may fill.
// Past the end it is a whole cell of the grid; if the file's last chunk is
// shorter than a cell and off lies in the rest of it, the unit begins with that
// chunk, Ref is its reference and Len more than Ref.Size. A leaf may end before
// its unit does where the file ends.
func (r *Reader) UnitAt(ctx context.Context, chunkSize int, off int64) (Leaf, error) {
	width, aligned, err := r.Grid(ctx, chunkSize)
	if err != nil {
		return Leaf{}, err
	}
	if off < 0 {
		return Leaf{}, fmt.Errorf("filetree: no unit at %d: %w", off, kind.Invalid)
	}
	if off >= r.Size() {
		return r.growthUnit(ctx, width, aligned, off)
	}
	leaf, err := r.LeafAt(ctx, off)
	if err != nil || !leaf.IsHole() {
		return leaf, err
	}
	if aligned {
		return holeCell(0, width, off, r.Size()), nil
	}
	return holeCell(leaf.Off, width, off, leaf.End()), nil
}

// growthUnit is the unit of an offset past the end.
func (r *Reader) growthUnit(ctx context.Context, width int64, aligned bool, off int64) (Leaf, error) {
	begin, last := int64(0), Leaf{}
	if r.Size() > 0 {
		var err error
		if last, err = r.LeafAt(ctx, r.Size()-1); err != nil {
			return Leaf{}, err
		}
	}
	short := r.Size() > 0 && !last.IsHole() && last.Len < width
	if !aligned {
		if begin = r.Size(); short {
			begin = last.Off
		}
	}
	unit := holeCell(begin, width, off, MaxSize)
	if short && unit.Off == last.Off {
		unit.Ref, unit.Patch = last.Ref, last.Patch
	}
	return unit, nil
}

// holeCell is the cell that holds off, counted from begin, cut at end.
func holeCell(begin, width, off, end int64) Leaf {
	l := Leaf{Off: off - (off-begin)%width}
	l.Len = min(width, end-l.Off)
	l.Ref = hole(-1, l.Len).Ref
	return l
}
