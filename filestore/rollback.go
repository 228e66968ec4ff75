package filestore

import (
	"context"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Rewinder is a HighWater that can be lowered, after a database was restored
// from a backup on purpose.
type Rewinder interface {
	HighWater

	// All returns every mark, in no order.
	All() []Mark

	// Accept lowers a slot's mark to a restored record, and makes the slot's
	// next record have an epoch above every one seen before. Durable when it
	// returns.
	Accept(restored Mark) error
}

// Rollback is a slot whose record is older than one that this gateway has seen,
// or another one of the same version.
type Rollback struct {
	Slot       [32]byte
	Seen       Mark
	Found      Mark // zero: the slot is absent, which can't be accepted
	Unreadable bool // the record that was found is damaged or forged, which can't be accepted either
}

// Rollbacks looks for slots that were set back behind what this gateway has seen
// (formats 5, Freshness). They give Corrupt until their rollback is accepted.
func (fs *FS) Rollbacks(ctx context.Context) ([]Rollback, error) {
	rw, err := fs.rewinder()
	if err != nil {
		return nil, err
	}
	var found []Rollback
	for marks := range slices.Chunk(rw.All(), 500) {
		ids := make([]metastore.SlotID, len(marks))
		for i, m := range marks {
			ids[i] = m.Slot
		}
		recs, err := fs.o.Meta.Slots(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("look for rollbacks: %w", err)
		}
		for i, m := range marks {
			if r, is := rollback(m, recs[i]); is {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// rollback holds a record against the mark that was read before it.
func rollback(seen Mark, rec metastore.Record) (Rollback, bool) {
	r := Rollback{Slot: seen.Slot, Seen: seen}
	if rec.Bytes == nil {
		return r, true
	}
	p, err := dirtree.VerifySlot(seen.Slot, rec.Bytes)
	if err != nil {
		r.Unreadable = true
		return r, true
	}
	r.Found = Mark{Slot: seen.Slot, Epoch: p.Epoch, Version: p.Version, Hash: dirtree.RecordHash(rec.Bytes)}
	return r, r.Found != seen && !seen.Before(r.Found)
}

// AcceptRollback takes the records that are there now for the newest ones, on
// this gateway; every gateway that has seen newer ones must do so. What was
// changed after the backup is given up by that. It returns how many it took.
func (fs *FS) AcceptRollback(ctx context.Context, rollbacks []Rollback) (int, error) {
	rw, err := fs.rewinder()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range rollbacks {
		if r.Unreadable || r.Found == (Mark{}) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return n, fmt.Errorf("accept rollbacks: %w", err)
		}
		if err := rw.Accept(r.Found); err != nil {
			return n, fmt.Errorf("accept rollbacks: %w", err)
		}
		fs.slots.forget(r.Slot)
		n++
	}
	return n, nil
}

func (fs *FS) rewinder() (Rewinder, error) {
	rw, ok := fs.o.HighWater.(Rewinder)
	if !ok {
		return nil, fmt.Errorf("the high-water marks of this node can't be lowered: %w", kind.Unsupported)
	}
	return rw, nil
}
