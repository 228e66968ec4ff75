package sqlite

import (
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// change is a slot change with the record before and after it.
type change struct {
	*metastore.SlotChange
	old, new metastore.Record
}

// current reads the slots that change, and compares.
func (t *tx) current(r *metastore.Request) ([]change, error) {
	changes := make([]change, len(r.Slots))
	for i := range r.Slots {
		c := &r.Slots[i]
		old, err := t.slot(c.ID)
		if err != nil {
			return nil, err
		}
		if err := c.CheckBase(old); err != nil {
			return nil, err
		}
		changes[i] = change{SlotChange: c, old: old}
	}
	return changes, nil
}

func (t *tx) rootState(r *metastore.Request) error {
	for id, want := range r.RootState {
		is, err := t.isRoot(id)
		if err != nil {
			return err
		}
		if is != want {
			return fmt.Errorf("sqlite: root table has %v: %t: %w", id, is, kind.Conflict)
		}
	}
	for _, id := range r.ForgetRoots {
		is, err := t.isRoot(id)
		if err != nil {
			return err
		}
		if !is {
			return fmt.Errorf("sqlite: root table has no %v to forget: %w", id, kind.Conflict)
		}
	}
	return nil
}

// charge gives the counters that r charges as they will be.
func (t *tx) charge(r *metastore.Request) ([]metastore.ChargeRow, error) {
	rows := make([]metastore.ChargeRow, 0, len(r.Charges))
	for _, c := range r.Charges {
		files, bytes, err := t.charged(c.Root)
		if err != nil {
			return nil, err
		}
		if files, bytes, err = c.Add(files, bytes); err != nil {
			return nil, err
		}
		rows = append(rows, metastore.ChargeRow{Root: c.Root, Files: files, Bytes: bytes})
	}
	return rows, nil
}

func (t *tx) blockConditions(r *metastore.Request) error {
	if t.careful {
		if err := t.noRows(r.Live); err != nil {
			return err
		}
	}
	if len(r.Links) == 0 {
		return nil
	}
	if r.Draft != (metastore.DraftID{}) {
		if err := t.draftHolds(r.Draft); err != nil {
			return err
		}
	}
	for _, id := range r.Links {
		if slices.ContainsFunc(r.Live, func(b metastore.BlockRow) bool { return b.ID == id }) {
			continue
		}
		if err := t.linkable(r.Draft, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) noRows(live []metastore.BlockRow) error {
	for i := range live {
		_, there, err := t.block(live[i].ID)
		if err == nil && there {
			err = fmt.Errorf("sqlite: block %v has a row already: %w", live[i].ID, kind.Conflict)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) linkable(d metastore.DraftID, id metastore.ID) error {
	b, there, err := t.block(id)
	switch {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("sqlite: linked block %v has no row: %w", id, kind.Conflict)
	case b.State == metastore.BlockLive:
		return nil
	case b.State == metastore.BlockNew && b.Draft == d && d != metastore.DraftID{}:
		return nil
	}
	return fmt.Errorf("sqlite: linked block %v is in state %v: %w", id, b.State, kind.Conflict)
}

func seal(r *metastore.Request, changes []change, seq uint64) error {
	for i := range changes {
		c := &changes[i]
		lent := c.old
		lent.Bytes = slices.Clone(c.old.Bytes)
		sealed, err := c.Seal(lent)
		if err != nil {
			return err
		}
		if err := sealed.Follows(c.old); err != nil {
			return err
		}
		c.new = metastore.Record{
			ID: c.ID, Epoch: sealed.Epoch, Version: sealed.Version, Seq: seq,
			Bytes: sealed.Bytes, Owner: r.OwnerOf(c.old.Owner),
		}
		if c.old.Bytes == nil {
			c.new.Owner = r.OwnerOf(c.Owner)
		}
	}
	return nil
}

// rootsHold checks the slots of r.Roots as they will be after r.
func (t *tx) rootsHold(r *metastore.Request, changes []change) error {
	for _, root := range r.Roots {
		var rec metastore.Record
		i := slices.IndexFunc(changes, func(c change) bool { return c.ID == root.ID })
		if i >= 0 {
			rec = changes[i].new
		} else {
			var err error
			if rec, err = t.slot(root.ID); err != nil {
				return err
			}
		}
		if rec.Bytes == nil {
			return fmt.Errorf("sqlite: root slot %v is absent: %w", root.ID, kind.Conflict)
		}
		if metastore.IsTombstone(rec.Bytes) {
			return fmt.Errorf("sqlite: root slot %v is a tombstone: %w", root.ID, kind.Conflict)
		}
	}
	return nil
}
