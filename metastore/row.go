package metastore

import "time"

// Row is one row of an export (Exporter). Its types, in the order in which they
// come:
//
//	Meta       one
//	SlotRow    ascending by ID
//	LogRow     ascending by Seq, then ID
//	NodeRow    in any order
//	DeadRow    ascending by Died; the first of an ID counts
//	Block      ascending by ID
//	Root       ascending by ID
//	Pin        ascending by Seq
//	ChargeRow  ascending by Root
//	RepairRow  ascending by Member, then ID
//	SealedRow  ascending by Kind, then Key
//
// Gateways, drafts and the leases of both are not copied: a draft belongs to a
// running gateway, and its new blocks are prey of the next mark without it.
type Row interface{ row() }

// Meta is the first row.
type Meta struct {
	Identity Identity
	Seq      uint64 // the newest commit
}

// SlotRow is a slot's newest record. Its Hash is that of Bytes.
type SlotRow struct{ Record }

// LogRow is a record that slotlog keeps; a slot's newest one is there too. Its
// Owner is zero.
type LogRow struct {
	Record
	At time.Time
	// Prev is the Seq of the slot's record before this one, zero if there is
	// none. It need not be kept any more.
	Prev uint64
}

// NodeRow is a node or an inline block.
type NodeRow struct {
	ID   ID
	Data []byte
	Slot SlotID // the directory that it belongs to; zero: none
	Born uint64
}

// DeadRow says by which commit a directory node died. The node may be gone.
type DeadRow struct {
	ID   ID
	Died uint64
}

// ChargeRow is what a root is charged.
type ChargeRow struct {
	Root         SlotID
	Files, Bytes int64
}

// RepairRow is one entry of the repair queue.
type RepairRow struct {
	Member string
	ID     ID
}

func (Meta) row()      {}
func (SlotRow) row()   {}
func (LogRow) row()    {}
func (NodeRow) row()   {}
func (DeadRow) row()   {}
func (Block) row()     {}
func (Root) row()      {}
func (Pin) row()       {}
func (ChargeRow) row() {}
func (RepairRow) row() {}
func (SealedRow) row() {}
