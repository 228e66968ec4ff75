// Package metastore defines the database behind the filestore: slots (the only
// mutable records), small encrypted tree nodes, the block index, and the
// gateway's own tables. Drivers implement Store; memory and sqlite come with it.
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
	"iter"
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

	// Collector gives what check and collection need (formats 11).
	Collector() Collector

	// Close waits for the calls in flight. It is idempotent.
	Close() error
}

// Exclusive is an optional interface: a Store that nobody else can write to
// while it is open says so, and its callers may trust what they cached.
type Exclusive interface{ Exclusive() bool }

// Request is one atomic change (formats 10, step 4). The store locks, in this
// order, the dirmove row if DirMove is set, the slots by id, the blocks by id,
// and the commit counter; checks every condition; calls Check, then each Seal;
// and writes all or nothing.
//
// Check and Seal run under locks, possibly in another goroutine than the
// caller's: they must be quick and must not call the Store.
type Request struct {
	// Slots that it replaces or creates, at most one per id.
	Slots []SlotChange

	// Nodes that it adds: directory nodes (Slot set: they get born and later
	// died) and file nodes, frozen nodes and inline blocks (Slot zero; each of
	// these needs its row in Live). Adding a directory node that is there
	// already is no error; if it had died it lives again.
	Nodes []NewNode

	// Dead directory nodes: they get died = this commit's seq, if they had none.
	// An id that is absent, or no directory node, is passed over.
	Dead []ID

	// Inline blocks and file nodes that this request itself brings in Nodes
	// and makes live at once: their block rows are written in state live.
	// Conflict if one has a row already (seal under a fresh key instead).
	Live []BlockRow

	// Links are blocks that stand in the blockstore, or were linked before,
	// and that it makes reachable: each must be live, or new with this
	// request's Draft; it becomes live, its draft and condemnation are
	// cleared, seen = now. A missing row or another state is Conflict. An id
	// that is also in this request's Live counts as live.
	Links []ID

	// Draft that Links' new blocks belong to. If there are Links, it must be
	// registered and its lease must not have lapsed (else Conflict). Zero: none.
	Draft DraftID

	// Roots to enter in the root table (idempotent: a row that is there keeps
	// its Sealed and Source; Seen is always now). Conflict if the slot is absent
	// or a tombstone after this request.
	Roots []Root

	// RootState are conditions: the slot is (true) or isn't (false) in the root table.
	RootState map[SlotID]bool

	// DirMove serialises this request with every other one that sets it.
	DirMove bool

	// Check, if set, is called under the locks with a reader of the running
	// transaction; its error drops the request and is returned as it is. It may
	// be called again when the store retries.
	Check func(ctx context.Context, r Reader) error
}

// SlotChange replaces or creates one slot by compare-and-swap. A tombstone can't
// be replaced: Conflict, whatever the Base.
type SlotChange struct {
	ID    SlotID
	Base  [32]byte // hash of the record it was built on; zero: the slot must be absent
	Owner SlotID   // for a new slot
	// Seal is called under the slot's lock with the current record (Bytes nil
	// if absent) and returns the new one, signed. It is called again, and must
	// seal with fresh salt again, whenever the store retries.
	Seal func(old Record) (Sealed, error)
}

// Sealed is a new slot record and those of its fields that the store indexes.
type Sealed struct {
	Epoch   uint32
	Version uint64
	Bytes   []byte
}

// NewNode is a node to add.
type NewNode struct {
	ID   ID
	Data []byte
	Slot SlotID // the directory that it belongs to; zero: none
}

// BlockRow is one row of the block index.
type BlockRow struct {
	ID    ID
	Len   int64 // bytes of the sealed block
	Owner SlotID
}

// Root is one row of the root table: a rootcap that marking starts from. Sealed
// is the verify cap under the node's master key (formats 9).
type Root struct {
	ID     SlotID
	Sealed []byte
	Source string // "account", "cli", "api"
	Seen   time.Time
}

// BlockState is the life of a block (formats 11).
type BlockState uint8

// The states. Condemned is not a state but a live or new row with a time in CondemnedAt.
const (
	BlockNew BlockState = iota + 1
	BlockLive
	BlockDeleting
	BlockDeleted
)

// Block is a row of the block index as the collector sees it.
type Block struct {
	BlockRow
	State        BlockState
	Draft        DraftID
	Seen         time.Time
	CondemnedAt  time.Time // zero: not condemned
	CondemnedSeq uint64
	Inline       bool // its bytes are in the node table
}

// Collector is what check and collection need (formats 11). Times are the database's.
type Collector interface {
	// Snapshot opens one read transaction. Every change that it does not see
	// gets a seen time at or after the view's Time: Condemn relies on it.
	Snapshot(ctx context.Context) (View, error)

	// Condemn marks rows that a mark at view v did not reach: those of ids in
	// state new or live whose seen lies before v was opened get condemned_at =
	// now and condemned_seq = v.Seq(). Rows condemned before keep their time.
	// It reports how many of ids are condemned now, earlier ones included.
	Condemn(ctx context.Context, v View, ids []ID) (int, error)

	// Absolve clears the condemnation of rows that a mark did reach.
	Absolve(ctx context.Context, ids []ID) error

	// BeginDelete sets to deleting those of ids that are still condemned,
	// since before `before`, with every live gateway's oldest open seq at or
	// above their condemned_seq, and returns them. Their bytes may then be
	// deleted from the blockstore. A collection that finds rows in state
	// deleting (an earlier one crashed) finishes them.
	BeginDelete(ctx context.Context, ids []ID, before time.Time) ([]Block, error)

	// EndDelete sets rows in state deleting to deleted, which they stay, and
	// drops the bytes of inline ones.
	EndDelete(ctx context.Context, ids []ID) error

	// Pin keeps the directory nodes and slot records of the tree as of the
	// newest commit, whose seq it returns, from Reap until the given time.
	// The same commit may be pinned again; the later time and reason count.
	Pin(ctx context.Context, until time.Time, why string) (uint64, error)

	// Unpin drops the pin of a commit; one that is not there is no error.
	Unpin(ctx context.Context, seq uint64) error

	// Reap drops directory nodes that died at or before the horizon of
	// formats 11 and that no pin needs, and slotlog rows older than keep that
	// were replaced and that no pin needs, besides expired pins and long lapsed drafts and gateways. It
	// reports what it dropped; with dryRun it only counts. It works in steps
	// that let commits pass.
	Reap(ctx context.Context, keep time.Duration, dryRun bool) (Reaped, error)
}

// Reaped counts what Reap dropped.
type Reaped struct {
	Nodes     int
	NodeBytes int64
	LogRows   int
}

// Pin keeps the tree as of commit Seq (formats 11).
type Pin struct {
	Seq   uint64
	Until time.Time
	Why   string
}

// View is one read transaction over the whole metastore. It must be closed; an
// open one keeps an engine with a write-ahead log from shortening it.
type View interface {
	Reader
	Seq() uint64     // the newest commit that it sees
	Time() time.Time // the database's time when it was opened
	AllSlots(ctx context.Context) iter.Seq2[Record, error]
	// SlotsAt yields each slot's newest record with Seq <= seq, as far as
	// slotlog keeps it: all of them for a pinned seq.
	SlotsAt(ctx context.Context, seq uint64) iter.Seq2[Record, error]
	Pins(ctx context.Context) ([]Pin, error) // not expired ones, ascending by Seq
	AllRoots(ctx context.Context) iter.Seq2[Root, error]
	AllBlocks(ctx context.Context) iter.Seq2[Block, error] // ascending by id
	LiveDrafts(ctx context.Context) (map[DraftID]bool, error)
	// Usage sums what is stored, for statvfs and du: rows in state new and live.
	Usage(ctx context.Context) (blocks int64, bytes int64, err error)
	Close() error
}
