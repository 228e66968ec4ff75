// Package blockstore defines where encrypted blocks live: the Store interface
// that every driver and every composition implements, the optional interfaces
// with their helper functions, and the check of a block against its id, which
// needs no key.
//
// A block is an opaque, immutable run of bytes (docs/formats.md, section 2).
// Nothing in this package or below it can name a capability or a key.
package blockstore

import (
	"context"
	"encoding/hex"
	"iter"
)

// ID names a block: a SHA-256 over its bytes, or over its header and frame
// hashes (CheckID tells which). Anyone may verify it, nobody can read by it.
type ID [32]byte

// String gives the id in hex; ids are public and safe to log.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is 0^32, which stands for a hole and names no block.
func (id ID) IsZero() bool { return id == ID{} }

// MaxBlock is the largest block that a Store must take, in bytes: a chunk of
// 4 MiB with its header, frame hashes and tags, rounded up.
const MaxBlock = 4<<20 + 64<<10

// Info describes a stored block.
type Info struct {
	ID   ID
	Size int64 // bytes as given to Put
}

// Store keeps blocks. Every method is safe for concurrent use, honours its
// context, and returns errors that carry a kind (package internal/kind):
// NotExist, Corrupt, Unavailable, Denied, NoSpace, TooLarge, Closed, Canceled.
type Store interface {
	// Put stores data under id and returns when it is durable: it survives
	// kill -9 and power loss. It is idempotent; putting what is there already
	// succeeds. It keeps no reference to data. On an error, the block may or
	// may not have been stored. It does not check id against data: a caller
	// that computed the id needs no second hash (see Verified for one that
	// does). The zero id is Invalid, more than MaxBlock bytes are TooLarge.
	Put(ctx context.Context, id ID, data []byte) error

	// Get returns the block, in a slice of the caller's own. NotExist if it
	// isn't there; Corrupt if the store itself can tell that the bytes are damaged.
	Get(ctx context.Context, id ID) ([]byte, error)

	// Stat tells the size of a block without reading it. NotExist if absent.
	Stat(ctx context.Context, id ID) (Info, error)

	// Delete removes a block. Deleting what is absent succeeds.
	Delete(ctx context.Context, id ID) error

	// List yields the blocks with ids above after, in ascending order. Blocks
	// put or deleted meanwhile may or may not appear. An error ends the
	// sequence.
	List(ctx context.Context, after ID) iter.Seq2[Info, error]

	// Close waits for the calls in flight and releases the store. It is
	// idempotent; every other call after it fails with Closed.
	Close() error
}

// RangeGetter is an optional interface of a Store that can read a part of a
// block without the rest. Callers use GetRange, never the assertion.
type RangeGetter interface {
	// GetRange returns bytes off to off+n of the block, fewer if it ends
	// earlier, none if off is at or past its end.
	GetRange(ctx context.Context, id ID, off, n int64) ([]byte, error)
}

// Wrapper is implemented by Stores that wrap one other Store, so that helper
// functions find its optional interfaces.
type Wrapper interface{ Unwrap() Store }

// Cache is implemented by Stores that may answer reads from copies of their own.
type Cache interface{ Uncached() Store }

// Uncached gives the store behind the caches that s is, or that it wraps: for
// those who look whether blocks are really there.
func Uncached(s Store) Store {
	for at := s; at != nil; {
		if c, ok := at.(Cache); ok {
			at = c.Uncached()
			s = at
			continue
		}
		w, ok := at.(Wrapper)
		if !ok {
			break
		}
		at = w.Unwrap()
	}
	return s
}
