package filetree

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Visitor is told what WalkVerify meets.
type Visitor interface {
	// Visit is called for each block before it is read. Nodes are read and
	// walked if it returns true; chunks, at LevelChunk, are never read, nor what
	// is written over them, which comes as a chunk, too. The same block may come
	// more than once.
	Visit(ref VerifyRef) (descend bool, err error)

	// Opened is called for each node that was to be read: with the length of
	// its block and nil, or with why it couldn't be read or isn't what ref
	// says. If it returns nil the walk goes on, past a node with an error.
	// *WrongKeyError is the mark of a reference to somebody else's node.
	Opened(ref VerifyRef, sealed int64, err error) error
}

// VisitFunc is a Visitor that stops at the first node that can't be opened.
type VisitFunc func(ref VerifyRef) (descend bool, err error)

// Visit calls f.
func (f VisitFunc) Visit(ref VerifyRef) (bool, error) { return f(ref) }

// Opened returns err.
func (f VisitFunc) Opened(_ VerifyRef, _ int64, err error) error { return err }

// WalkVerify walks the tree below v, parents first and in the order of the
// file, by verify keys alone. It keeps one node a level in memory, and of nodes
// above level 0 the ids: a tree that refers to the same node many times is
// walked once, so that the work is bounded by the blocks that there are. Errors
// of the visitor end it and are returned as they are.
//
// If v has no Size although it has an ID, the size is taken as not known: the
// public part of a directory entry doesn't tell it (formats.md 4).
func WalkVerify(ctx context.Context, src Source, v VerifyRef, visitor Visitor) error {
	if v.Size == 0 && v.ID.IsZero() {
		return nil // the empty file
	}
	w := &walk{src: src, visitor: visitor, seen: map[walked]struct{}{}}
	root := child{Ref: Ref{ID: v.ID, Level: v.Level, Size: v.Size}, kv: v.Key, limit: MaxChunkSize}
	return w.child(ctx, &root)
}

// LeastSealedLen is the least length of the block that v refers to, in bytes; 0 for a
// chunk of unknown size, and for a node, whose length Opened tells.
func (v VerifyRef) LeastSealedLen() int64 {
	if v.Level == LevelChunk && v.Size > 0 && v.Size <= MaxChunkSize {
		return blockstore.LeastChunkBlock(int64(v.Size))
	}
	return 0
}

type walk struct {
	src     Source
	visitor Visitor
	seen    map[walked]struct{}
}

// walked is all that a reference says of a subtree, as far as a verify key tells.
// Were anything left out, a lie about a node in one place would hide the node
// that is rightly referred to in another.
type walked struct {
	id    blockstore.ID
	kv    [32]byte
	size  uint64
	level uint8
	grid  uint8 // what the parent demands
}

func (w *walk) child(ctx context.Context, c *child) error {
	if c.Level == LevelChunk {
		if c.Size > uint64(c.limit) || c.ID.IsZero() {
			return w.visitor.Opened(c.verify(), 0, corruptf(c.ID, "can't be a chunk of %d bytes", c.Size))
		}
		_, err := w.visitor.Visit(c.verify())
		return err
	}
	if raw := c.kv.Raw(); c.Level > 0 && raw != nil {
		k := walked{c.ID, *raw, c.Size, c.Level, c.grid}
		if _, again := w.seen[k]; again {
			return nil
		}
		w.seen[k] = struct{}{}
	}
	descend, err := w.visitor.Visit(c.verify())
	if err != nil || !descend {
		return err
	}
	n, sealed, err := w.open(ctx, c)
	if err := w.visitor.Opened(c.verify(), sealed, err); err != nil || n == nil {
		return err
	}
	for i := range n.n {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("filetree: walk: %w: %w", kind.Canceled, err)
		}
		kid := n.child(i)
		if !kid.Ref.IsHole() {
			if err := w.child(ctx, &kid); err != nil {
				return err
			}
		}
		if kid.patch != nil {
			if _, err := w.visitor.Visit(kid.patch.ref().Verify()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) open(ctx context.Context, c *child) (*node, int64, error) {
	block, err := w.src.Node(ctx, c.ID)
	if err != nil {
		return nil, 0, sourceErr(c.ID, err)
	}
	n, _, err := openVerify(c.verify(), block)
	if err != nil {
		return nil, 0, err
	}
	if err := c.bindsShape(n); err != nil {
		return nil, 0, err
	}
	return n, int64(len(block)), nil
}

// verify is c as a verify key sees it.
func (c *child) verify() VerifyRef {
	v := VerifyRef{ID: c.ID, Key: c.kv, Level: c.Level, Size: c.Size}
	if c.Level == LevelChunk {
		v.Key = Ref{Level: LevelChunk}.Verify().Key
	}
	return v
}
