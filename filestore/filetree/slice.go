package filetree

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Piece is a run of a file's bytes as it can be taken over into another file. Its
// Part is what Join takes as it is; where Cut is set it is a chunk that reaches
// beyond the piece, so that Len bytes from Off must be read and sealed anew.
type Piece struct {
	Off, Len int64 // bytes
	Part
	Cut bool
}

// Slice tells how n bytes of the file from off on can be shared: the largest parts
// of its tree that lie in that range, in order, and at its ends at most two chunks
// that are cut. It reads the nodes along the two ends only, whatever n is. Invalid
// for a range that isn't in the file.
func (r *Reader) Slice(ctx context.Context, off, n int64) ([]Piece, error) {
	if err := r.checkRoot(); err != nil {
		return nil, err
	}
	if off < 0 || n < 0 || off > r.Size()-n {
		return nil, fmt.Errorf("filetree: %d bytes from %d of %d: %w", n, off, r.Size(), kind.Invalid)
	}
	if n == 0 {
		return nil, nil
	}
	root := r.root
	if root.Level != LevelChunk {
		root.kv = verifyKey(root.Key)
	}
	return r.slice(ctx, nil, &root, 0, stretch{off, off + n})
}

// stretch is a range of bytes.
type stretch struct{ off, end int64 }

// slice appends the pieces of want that lie in c, whose bytes begin at base.
// Levels fall by one at each step, so it ends.
func (r *Reader) slice(ctx context.Context, out []Piece, c *child, base int64, want stretch) ([]Piece, error) {
	begin, end := max(base, want.off), min(base+c.size(), want.end)
	if begin >= end {
		return out, nil
	}
	piece := Piece{Off: begin, Len: end - begin, Part: Part{c.Ref, c.patch}}
	switch {
	case c.IsHole():
		piece.Ref = Ref{Level: LevelChunk, Size: uint64(piece.Len)}
		return append(out, piece), nil
	case c.Level == LevelChunk && c.size() > c.limit:
		return nil, corruptf(c.ID, "can't be a chunk of %d bytes", c.Size)
	case piece.Len == c.size():
		return append(out, piece), nil
	case c.Level == LevelChunk:
		piece.Cut = true
		return append(out, piece), nil
	}
	node, err := r.node(ctx, c)
	if err != nil {
		return nil, err
	}
	for i := node.find(begin - base); i < node.n; i++ {
		at, _ := node.span(i)
		if base+at >= end {
			break
		}
		kid := node.child(i)
		if out, err = r.slice(ctx, out, &kid, base+at, want); err != nil {
			return nil, err
		}
	}
	return out, nil
}
