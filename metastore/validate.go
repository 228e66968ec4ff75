package metastore

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/truckee-fs/truckee/internal/kind"
)

// tombstoneFlag is bit 0 of the u16 at offset 6 of a slot record (formats 5).
// It is public: the metastore needs it for the root table and for keeping
// tombstones terminal.
const tombstoneFlag = 1

// IsTombstone reports whether a slot record is a tombstone. It reads only the
// public flag; bytes of another length are none.
func IsTombstone(record []byte) bool {
	return len(record) == RecordSize && binary.BigEndian.Uint16(record[6:])&tombstoneFlag != 0
}

// Validate checks what needs no database: no slot, block row or new node is
// named twice, every changed slot can be sealed, and the nodes without a slot
// are exactly those with a row in Live, of the same length (a node without
// either would be out of collection's sight); no root is entered and forgotten,
// or charged twice, and no limit is below zero; no sealed row is changed twice or too long. Drivers call it before anything
// else. Its errors are of kind Invalid.
func (r *Request) Validate() error {
	slots := make(map[SlotID]bool, len(r.Slots))
	for i := range r.Slots {
		c := &r.Slots[i]
		if slots[c.ID] {
			return fmt.Errorf("metastore: slot %v changed twice in one request: %w", c.ID, kind.Invalid)
		}
		if c.Seal == nil {
			return fmt.Errorf("metastore: slot %v without seal: %w", c.ID, kind.Invalid)
		}
		slots[c.ID] = true
	}
	if err := r.validateRoots(); err != nil {
		return err
	}
	if err := r.validateSealed(); err != nil {
		return err
	}
	return r.validateNodes()
}

func (r *Request) validateRoots() error {
	entered := make(map[SlotID]bool, len(r.Roots))
	for _, root := range r.Roots {
		entered[root.ID] = true
	}
	forgotten := make(map[SlotID]bool, len(r.ForgetRoots))
	for _, id := range r.ForgetRoots {
		if entered[id] || forgotten[id] {
			return fmt.Errorf("metastore: root %v named twice in one request: %w", id, kind.Invalid)
		}
		forgotten[id] = true
	}
	charged := make(map[SlotID]bool, len(r.Charges))
	for _, c := range r.Charges {
		switch {
		case c.Root == SlotID{}:
			return fmt.Errorf("metastore: charge without root: %w", kind.Invalid)
		case charged[c.Root]:
			return fmt.Errorf("metastore: root %v charged twice in one request: %w", c.Root, kind.Invalid)
		case c.MaxFiles < 0 || c.MaxBytes < 0:
			return fmt.Errorf("metastore: limit of root %v below zero: %w", c.Root, kind.Invalid)
		}
		charged[c.Root] = true
	}
	return nil
}

func (r *Request) validateNodes() error {
	live := make(map[ID]int64, len(r.Live))
	for _, b := range r.Live {
		if _, twice := live[b.ID]; twice {
			return fmt.Errorf("metastore: block %v made live twice in one request: %w", b.ID, kind.Invalid)
		}
		live[b.ID] = b.Len
	}
	seen := make(map[ID]bool, len(r.Nodes))
	for _, n := range r.Nodes {
		if seen[n.ID] {
			return fmt.Errorf("metastore: node %v added twice in one request: %w", n.ID, kind.Invalid)
		}
		seen[n.ID] = true
		length, isLive := live[n.ID]
		switch {
		case len(n.Data) == 0:
			return fmt.Errorf("metastore: node %v is empty: %w", n.ID, kind.Invalid)
		case n.Slot != SlotID{} && isLive:
			return fmt.Errorf("metastore: directory node %v has a block row: %w", n.ID, kind.Invalid)
		case n.Slot != SlotID{}:
		case !isLive:
			return fmt.Errorf("metastore: node %v belongs to no slot and has no block row: %w", n.ID, kind.Invalid)
		case length != int64(len(n.Data)):
			return fmt.Errorf("metastore: block row of node %v says %d bytes, it has %d: %w", n.ID, length, len(n.Data), kind.Invalid)
		}
		delete(live, n.ID)
	}
	for id := range live {
		return fmt.Errorf("metastore: live block %v brings no bytes: %w", id, kind.Invalid)
	}
	return nil
}

// Empty reports whether the request changes nothing: it has conditions at most,
// and makes no commit.
func (r *Request) Empty() bool {
	return len(r.Slots) == 0 && len(r.Nodes) == 0 && len(r.Dead) == 0 &&
		len(r.Live) == 0 && len(r.Links) == 0 && len(r.Roots) == 0 &&
		len(r.ForgetRoots) == 0 && len(r.Charges) == 0 && len(r.Sealed) == 0
}

// CheckBase tells whether a slot's current record allows the change: it is the
// one that the change was built on, and no tombstone. Else Conflict.
func (c *SlotChange) CheckBase(current Record) error {
	switch {
	case current.Bytes == nil && c.Base != [32]byte{}:
		return fmt.Errorf("metastore: slot %v is absent: %w", c.ID, kind.Conflict)
	case current.Bytes != nil && current.Hash != c.Base:
		return fmt.Errorf("metastore: slot %v has changed: %w", c.ID, kind.Conflict)
	case IsTombstone(current.Bytes):
		return fmt.Errorf("metastore: slot %v is a tombstone: %w", c.ID, kind.Conflict)
	}
	return nil
}

// Follows checks what a Seal returned against the record that it replaces
// (formats 5): the length, version = old + 1 (1 for a new slot), epoch not
// below the old one. Its errors are of kind Invalid.
func (s Sealed) Follows(old Record) error {
	switch {
	case len(s.Bytes) != RecordSize:
		return fmt.Errorf("metastore: slot %v sealed to %d bytes, not %d: %w", old.ID, len(s.Bytes), RecordSize, kind.Invalid)
	case s.Version != old.Version+1:
		return fmt.Errorf("metastore: slot %v sealed as version %d after %d: %w", old.ID, s.Version, old.Version, kind.Invalid)
	case s.Epoch < old.Epoch:
		return fmt.Errorf("metastore: slot %v sealed in epoch %d after %d: %w", old.ID, s.Epoch, old.Epoch, kind.Invalid)
	}
	return nil
}

// OwnerOf gives the owner of a row that the request makes, links or replaces and
// that has, or names, owner: the request's own or, if that differs, zero.
func (r *Request) OwnerOf(owner SlotID) SlotID {
	if owner == r.Owner {
		return owner
	}
	return SlotID{}
}

// Add gives a root's counters after the charge. NoSpace if one that grows exceeds
// its limit. A counter ends at zero (what is removed may never have been charged)
// and at the largest number.
func (c Charge) Add(files, bytes int64) (newFiles, newBytes int64, err error) {
	newFiles, newBytes = addCount(files, c.Files), addCount(bytes, c.Bytes)
	switch {
	case c.MaxFiles > 0 && newFiles > files && newFiles > c.MaxFiles:
		err = fmt.Errorf("metastore: root %v may hold %d files: %w", c.Root, c.MaxFiles, kind.NoSpace)
	case c.MaxBytes > 0 && newBytes > bytes && newBytes > c.MaxBytes:
		err = fmt.Errorf("metastore: root %v may hold %d bytes: %w", c.Root, c.MaxBytes, kind.NoSpace)
	}
	return newFiles, newBytes, err
}

func addCount(n, delta int64) int64 {
	if delta > 0 && n > math.MaxInt64-delta {
		return math.MaxInt64
	}
	return max(n+delta, 0)
}
