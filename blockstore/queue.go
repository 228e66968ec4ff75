package blockstore

import "context"

// Queue remembers which blocks a composition still owes to which of its members
// (formats.md 15). The metastore keeps it, since it alone knows which blocks are
// still wanted: what was collected never comes back by a repair.
//
// A member is named by what its array's record says, not by its place in the
// configuration. All methods are safe for concurrent use.
type Queue interface {
	// AddRepairs notes that a member lacks blocks, or holds them damaged. It is
	// idempotent, and durable when it returns.
	AddRepairs(ctx context.Context, member string, ids []ID) error

	// Repairs gives at most limit of what is owed to a member, ids above after in
	// ascending order: only blocks that are wanted. The others are dropped
	// from the queue.
	Repairs(ctx context.Context, member string, after ID, limit int) ([]ID, error)

	// EndRepairs takes blocks off the queue.
	EndRepairs(ctx context.Context, member string, ids []ID) error

	// CountRepairs tells how much is owed to each member that is owed anything.
	CountRepairs(ctx context.Context) (map[string]int64, error)

	// Fates tells what is known about blocks, in their order, as of now: it is
	// asked before a copy is made, and again afterwards.
	Fates(ctx context.Context, ids []ID) ([]Fate, error)
}

// Fate is what the metastore knows about a block.
type Fate uint8

// The fates. Only new and live blocks are wanted. A block of unknown fate may
// belong to another metastore: it is neither repaired nor deleted.
const (
	FateUnknown   Fate = iota
	FateNew            // a draft's: it may never be finished
	FateLive           // a file has it
	FateCollected      // it is being deleted, or was
)

// Wanted reports whether the block is to be kept.
func (f Fate) Wanted() bool { return f == FateNew || f == FateLive }
