package filetree

import (
	"context"
	"math"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
)

// LevelChunk is the level of a reference to a chunk, which has no node.
const LevelChunk = caps.LevelChunk

// Bounds of a file tree (formats.md 3).
const (
	MaxChildren  = 128     // children of one node
	MaxLevel     = 7       // of a root: eight nodes from the root to a chunk
	MinChunkSize = 1 << 18 // smallest chunk size of a tree, in bytes
	MaxChunkSize = blockstore.MaxChunk
	MaxSize      = math.MaxInt64 // bytes of a file
)

// DefaultChunkSize is the chunk size of new files where none is configured, in
// bytes. By BenchmarkSealChunk the cost of a byte is the same within a tenth for
// every chunk size; fewer, larger blocks are cheaper for every store, and
// smaller ones for who overwrites at random.
const DefaultChunkSize = 1 << 20

// Ref is the authority to read the plaintext below one block: a whole file, a
// part of one, or one chunk. The zero Ref is the empty file. A Ref with a zero
// ID and a Size is a hole, Size bytes of zeros for which nothing is stored: a
// leaf may be one, a file is not (a file of one hole is one node).
type Ref struct {
	ID    blockstore.ID
	Key   caps.Key // K of a chunk, Kr of a node
	Level uint8    // of the node, at most MaxLevel; or LevelChunk
	Size  uint64   // plaintext bytes
}

// RefOf is the reference that a file's read cap holds.
func RefOf(f caps.FileRead) Ref {
	return Ref{ID: blockstore.ID(f.Root), Key: f.Key, Level: f.Level, Size: f.Size}
}

// FileRead is the content of the read cap to the file that r refers to, which
// has at least one byte.
func (r Ref) FileRead() caps.FileRead {
	return caps.FileRead{Key: r.Key, Root: caps.RootID(r.ID), Level: r.Level, Size: r.Size}
}

// IsHole reports whether r stands for zeros that are not stored.
func (r Ref) IsHole() bool { return r.ID.IsZero() && r.Size > 0 }

// Equal reports whether both name the same block with the same key, level and
// size.
func (r Ref) Equal(o Ref) bool {
	return r.ID == o.ID && r.Level == o.Level && r.Size == o.Size && r.Key.Equal(o.Key)
}

// Verify weakens r: Kv = KDF(Kr, "fnode-verify", "") for a node, 32 zero bytes
// for a chunk, a hole and the empty file.
func (r Ref) Verify() VerifyRef {
	v := VerifyRef{ID: r.ID, Key: caps.KeyOf([caps.KeySize]byte{}), Level: r.Level, Size: r.Size}
	if r.Level != LevelChunk && !r.ID.IsZero() {
		v.Key = verifyKey(r.Key)
	}
	return v
}

// VerifyRef is the authority to walk and check the blocks below a reference
// without reading them.
type VerifyRef struct {
	ID    blockstore.ID
	Key   caps.Key // Kv of a node, 32 zero bytes for a chunk
	Level uint8
	Size  uint64 // plaintext bytes; 0 with an ID: not known
}

// VerifyRefOf is the reference that a file's verify cap holds.
func VerifyRefOf(f caps.FileVerify) VerifyRef {
	return VerifyRef{ID: blockstore.ID(f.Root), Key: f.Key, Level: f.Level, Size: f.Size}
}

// Leaf is one unit of a file: a chunk, or a hole of any length; and what is written
// over it, without which Ref doesn't tell what the file holds. Ref.Size == Len.
type Leaf struct {
	Off, Len int64  // bytes
	Ref      Ref    // what lies below
	Patch    *Patch // nil: nothing is written over it; else it must not be changed
}

// IsHole reports whether the leaf is nothing but zeros.
func (l *Leaf) IsHole() bool { return l.Ref.IsHole() && l.Patch == nil }

// End is the offset of the first byte after the leaf.
func (l Leaf) End() int64 { return l.Off + l.Len }

// Block is a sealed block to store under its id.
type Block struct {
	ID   blockstore.ID
	Data []byte
}

// Source is where blocks are read. Its methods are safe for concurrent use and
// return errors that carry a kind; what they return is checked here, and is
// never written to, so it may be shared. NotExist becomes Corrupt: a reference
// that was authenticated names a block that must be there.
type Source interface {
	// Node returns all bytes of a file node.
	Node(ctx context.Context, id blockstore.ID) ([]byte, error)

	// ChunkRange returns bytes off to off+n of a chunk's block, fewer if it
	// ends earlier. total is the length of the whole block as far as it is
	// known; a chunk with a padded tail is longer until its head has been read.
	// The slice is the caller's own, who decrypts in it.
	ChunkRange(ctx context.Context, id blockstore.ID, total, off, n int64) ([]byte, error)
}

// SealedLen is the length of the block of a chunk of plain bytes without
// padding, in bytes: plain >= 1.
func SealedLen(plain int64) int64 { return blockstore.ChunkBlockSize(plain) }
