package filetree

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Part is what a file can be joined from: a whole file, a part of a file's tree, or a
// hole; and what is written over a chunk or a hole that was a leaf, else nil.
type Part struct {
	Ref   Ref
	Patch *Patch
}

// Join makes the file that is parts, one after the other, without reading or
// copying any of them, and returns its reference and the nodes above the parts.
// Empty parts are left out. Errors: Invalid for a part that is none, TooLarge for
// more bytes or levels than the format holds.
func Join(parts []Part) (Ref, []Block, error) {
	e := &editor{grid: minGrid}
	var row []child
	total := int64(0)
	for i := range parts {
		p, patch := parts[i].Ref, parts[i].Patch
		if p.Size == 0 && patch == nil {
			continue
		}
		isChunk := p.Level == LevelChunk && p.Size <= MaxChunkSize
		if !p.IsHole() && (p.Key.IsZero() || p.ID.IsZero() || !isChunk && p.Level > MaxLevel) {
			return Ref{}, nil, fmt.Errorf("filetree: part %d is no file: %w", i, kind.Invalid)
		}
		if fault := patch.fault(int64(min(p.Size, MaxSize))); fault != "" || patch != nil && !isChunk {
			return Ref{}, nil, fmt.Errorf("filetree: part %d is no chunk with a patch %s: %w", i, fault, kind.Invalid)
		}
		if p.Size > uint64(MaxSize-total) {
			return Ref{}, nil, fmt.Errorf("filetree: parts of more than %d bytes: %w", int64(MaxSize), kind.TooLarge)
		}
		total += int64(p.Size)
		c := child{Ref: p, patch: patch}
		switch {
		case c.IsHole():
			var err error
			if c, err = e.holeFile(int64(p.Size)); err != nil {
				return Ref{}, nil, err
			}
		case p.Level != LevelChunk:
			c.kv = verifyKey(p.Key)
		}
		row = append(row, c)
	}
	if len(row) == 0 {
		return Ref{}, nil, nil
	}
	root, err := e.join(row)
	return root.Ref, e.blocks, err
}

// join raises the lowest children of the row, runs of them side by side in one
// node, until all are at one level, and then builds that up to the root.
func (e *editor) join(row []child) (child, error) {
	for level := -1; !sameDepth(row); level++ {
		var next []child
		for len(row) > 0 {
			n := 0
			for n < len(row) && row[n].depth() == level {
				n++
			}
			packed, err := e.pack(row[:n], level+1, true)
			if err != nil {
				return child{}, err
			}
			next = append(next, packed...)
			if row = row[n:]; len(row) > 0 && row[0].depth() > level {
				next, row = append(next, row[0]), row[1:]
			}
		}
		row = next
	}
	return e.crown(row, row[0].depth(), true)
}

func sameDepth(row []child) bool {
	for i := range row {
		if row[i].depth() != row[0].depth() {
			return false
		}
	}
	return true
}
