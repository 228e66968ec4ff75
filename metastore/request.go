package metastore

import (
	"context"
	"time"
)

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

	// Owner is the root through which the change came (formats 11). What it
	// links (Links), and what it replaces (slots that are there), becomes shared
	// (owner zero) if its row has another owner. What it makes (Live, new
	// slots) has the owner that it names if that is this one, else it is shared.
	// Zero: all of that is shared.
	Owner SlotID

	// Charges add to the counters of the roots through which the change came,
	// one a root. NoSpace if a counter that grows would exceed its limit. They are
	// evaluated after Check and before the first Seal.
	Charges []Charge

	// Roots to enter in the root table (idempotent: a row that is there keeps
	// its Sealed and Source; Seen is always now). Conflict if the slot is absent
	// or a tombstone after this request.
	Roots []Root

	// ForgetRoots leave the root table. Conflict if one isn't there. Their
	// counters stay.
	ForgetRoots []SlotID

	// RootState are conditions: the slot is (true) or isn't (false) in the root table.
	RootState map[SlotID]bool

	// Sealed are changes of what the gateway keeps for itself, at most one a row.
	// Conflict if a row is not the one that a change builds on.
	Sealed []SealedChange

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
	Owner SlotID   // for a new slot: see Request.Owner
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

// Charge is a change of what a root is charged for.
type Charge struct {
	Root               SlotID
	Files, Bytes       int64 // to be added
	MaxFiles, MaxBytes int64 // not to be exceeded; 0: no limit
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
