// Package metastore defines the database behind the filestore: slots (the only
// mutable records), small encrypted tree nodes, the block index, and the
// gateway's own tables. Drivers implement Store; memory, sqlite and postgres come with it.
//
// Everything that crosses this interface is ciphertext, a public name, or a
// number that docs/threat-model.md lists as visible. No key can be named here.
// Sections cited are those of docs/formats.md.
//
// Slices handed in are not kept after the call and not changed; slices handed
// out are the caller's own. Times are the database's.
package metastore

import (
	"context"
	"encoding/hex"
	"time"
)

// SlotID is the storage index of a slot (formats 1).
type SlotID [32]byte

// String gives the id in hex; it is public and safe to log.
func (id SlotID) String() string { return hex.EncodeToString(id[:]) }

// ID names a node or block: the hash over its bytes.
type ID [32]byte

// String gives the id in hex; it is public and safe to log.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// DraftID names the draft (open file, upload) that a new block belongs to.
type DraftID [16]byte

// GatewayID names one running gateway.
type GatewayID [16]byte

// RecordSize is the length of a slot record (formats 5).
const RecordSize = 320

// DefaultLease is how long a draft's lease lasts when its gateway has never
// sent a Heartbeat and so has named no time of its own.
const DefaultLease = time.Hour

// Record is a slot's newest record as stored. The metastore knows these fields
// of it; everything else is the filestore's.
type Record struct {
	ID      SlotID
	Epoch   uint32
	Version uint64
	Hash    [32]byte // SHA-256 over the whole record
	Seq     uint64   // the commit that wrote it
	Bytes   []byte   // RecordSize bytes; nil: the slot is absent
	Owner   SlotID   // the root through which it was made; zero: shared
}

// Reader reads slots and nodes. Inside Request.Check it reads as of the running
// transaction: what requests committed together with this one have written
// before it is seen, what this request itself will write is not.
type Reader interface {
	// Slots returns the newest record of each id, in the order asked; an
	// absent slot gives a Record whose Bytes are nil.
	Slots(ctx context.Context, ids []SlotID) ([]Record, error)

	// Nodes returns the bytes stored for each id, in the order asked: tree
	// nodes and inline blocks alike. An absent one gives nil.
	Nodes(ctx context.Context, ids []ID) ([][]byte, error)

	// IsRoot reports for each slot whether it is in the root table.
	IsRoot(ctx context.Context, ids []SlotID) ([]bool, error)
}

// Identity tells metastores apart, whatever file or server they lie in: backup,
// restore and copy keep it. A blockstore's marker holds the same (formats 11).
type Identity struct {
	UUID  [16]byte // drawn when the database is made
	Nonce [16]byte // of the newest collection that swept; zero: none yet
}

// Store is the metastore. Every method is safe for concurrent use and returns
// errors that carry a kind: Invalid, Conflict, Corrupt, Unavailable, NoSpace,
// Closed, Canceled, NotExist. NoSpace and Canceled mean that nothing was applied.
type Store interface {
	Reader

	// Seq tells the newest commit, never zero. A slot read after it shows that commit or
	// a later one, so a handle opened then holds the nodes that died after it:
	// this is what Heartbeat wants to hear.
	Seq(ctx context.Context) (uint64, error)

	// Commit applies requests, many of them (also of other callers) in one
	// transaction with one fsync. Each wins or loses alone: the result has one
	// error per request, nil when it is durable. Conflict: a condition of the
	// request does not hold (any more), nothing of it was applied. Unavailable:
	// the outcome is unknown; ask Log whether the records that were sealed
	// are there. A request that Validate refuses gives Invalid.
	Commit(ctx context.Context, reqs ...*Request) []error

	// Register writes the rows of blocks that are about to be put (formats
	// 10, step 1), in state new and owned by the draft, and starts or renews
	// the draft's lease: until now + the ttl of the gateway's last Heartbeat, or
	// DefaultLease without one. Durable on return. An id that has a row already,
	// in whatever state, or that is named twice gives Conflict for the whole
	// call; then nothing is written.
	Register(ctx context.Context, g GatewayID, d DraftID, blocks []BlockRow) error

	// EndDraft drops a draft that was discarded or committed; blocks that are
	// still new and belong to it become prey of the next mark. Ending a draft
	// that is not there succeeds.
	EndDraft(ctx context.Context, d DraftID) error

	// Log returns the records of a slot kept in slotlog with versions above
	// after, ascending by (epoch, version), the current one included. Empty if
	// there are none.
	Log(ctx context.Context, id SlotID, after uint64) ([]Record, error)

	// Heartbeat renews the lease of a gateway and of its drafts until now +
	// ttl, and says the oldest commit seq that one of its open handles reads
	// (the Seq asked before it was opened). Zero: nothing is open, and the
	// newest commit counts. A gateway whose lease had lapsed gets Conflict once,
	// after which it holds a new lease, its drafts don't: it must fail its
	// handles and drafts.
	Heartbeat(ctx context.Context, g GatewayID, oldestOpen uint64, ttl time.Duration) error

	// Blocks returns the rows of the block index, in the order asked; an absent
	// one gives a Block of that id with State 0.
	Blocks(ctx context.Context, ids []ID) ([]Block, error)

	// Charged tells what the commits that came through a root have charged to
	// it (formats 9): zero for a root that was never charged.
	Charged(ctx context.Context, root SlotID) (files, bytes int64, err error)

	// SetCharged sets a root's counters, durable on return; Invalid below zero. What
	// other commits charge while a recount runs is lost by it: beside writers, read
	// Charged of a view, count what that view shows, and commit the difference as a
	// Charge.
	SetCharged(ctx context.Context, root SlotID, files, bytes int64) error

	// SealedRows returns up to limit (above zero, else Invalid) of the sealed rows of
	// a kind that come after a place, in the order of SealedPlace.
	SealedRows(ctx context.Context, kind uint8, after SealedPlace, limit int) ([]SealedRow, error)

	// SealedState tells whether sealed rows of a kind have changed.
	SealedState(ctx context.Context, kind uint8) (SealedState, error)

	// Identity tells which metastore this is.
	Identity(ctx context.Context) (Identity, error)

	// Collector gives what check and collection need (formats 11).
	Collector() Collector

	// Close waits for the calls in flight. It is idempotent.
	Close() error
}
