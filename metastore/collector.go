package metastore

import (
	"context"
	"iter"
	"time"
)

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
	// It reports how many of ids are condemned now, earlier ones included. Of v
	// only Time and Seq count: it may be closed.
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
	// The same commit may be pinned again: the later time counts, with its
	// reason, and of two reasons for one time the newer.
	Pin(ctx context.Context, until time.Time, why string) (uint64, error)

	// PinAt does so for a commit that is not the newest any more, such as the
	// one of an export. Conflict if some of what it needs may be gone or
	// condemned already, since Reap or a mark came between (a commit that is
	// pinned can be pinned again), Invalid if there is no such commit.
	PinAt(ctx context.Context, seq uint64, until time.Time, why string) error

	// Unpin drops the pin of a commit; one that is not there is no error.
	Unpin(ctx context.Context, seq uint64) error

	// Share sets the owner of those blocks and slots to zero: a mark met them
	// from another root (formats 11). Those that are absent are passed over.
	Share(ctx context.Context, blocks []ID, slots []SlotID) error

	// SetNonce replaces Identity.Nonce: Conflict if it is not old.
	SetNonce(ctx context.Context, old, new [16]byte) error

	// Lead takes or renews, until now + ttl, the lease to collect for a gateway.
	// False: another gateway holds it. With ttl 0 a gateway gives it back; true
	// then says that it held it. Invalid below zero.
	Lead(ctx context.Context, g GatewayID, ttl time.Duration) (bool, error)

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
	// AllSlots yields the newest record of every slot, ascending by id.
	AllSlots(ctx context.Context) iter.Seq2[Record, error]
	// SlotsAt yields each slot's newest record with Seq <= seq, as far as
	// slotlog keeps it, ascending by id: all of them for a pinned seq.
	SlotsAt(ctx context.Context, seq uint64) iter.Seq2[Record, error]
	Pins(ctx context.Context) ([]Pin, error)               // not expired ones, ascending by Seq
	AllRoots(ctx context.Context) iter.Seq2[Root, error]   // ascending by id
	AllBlocks(ctx context.Context) iter.Seq2[Block, error] // ascending by id
	LiveDrafts(ctx context.Context) (map[DraftID]bool, error)
	// Charged is what Store's tells, as of the view.
	Charged(ctx context.Context, root SlotID) (files, bytes int64, err error)
	// Usage sums what is stored, for statvfs and du: rows in state new and live.
	Usage(ctx context.Context) (blocks int64, bytes int64, err error)
	Close() error
}
