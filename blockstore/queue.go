package blockstore

import "context"

// Queue remembers which blocks a composition still owes to which of its members
// (formats.md 13). The metastore keeps it, since it alone knows which blocks are
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
}
