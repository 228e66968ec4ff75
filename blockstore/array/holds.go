package array

import (
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
)

// Holds is what the copies of an array are held against: CheckID, until an array
// around this one says otherwise. It makes a layout a blockstore.Holder.
type Holds struct {
	check atomic.Pointer[blockstore.Check]
}

// Holds implements blockstore.Holder.
func (h *Holds) Holds(check blockstore.Check) { h.check.Store(&check) }

// Check holds bytes against their id: nil, or Corrupt.
func (h *Holds) Check(id blockstore.ID, data []byte) error {
	if check := h.check.Load(); check != nil {
		return (*check)(id, data)
	}
	return blockstore.CheckID(id, data)
}
