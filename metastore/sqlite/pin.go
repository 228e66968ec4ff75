package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Pin implements metastore.Collector.
func (c *collector) Pin(ctx context.Context, until time.Time, why string) (seq uint64, err error) {
	err = c.s.change(ctx, func(t *tx) error {
		seq = t.st.seq
		return t.pin(seq, until, why)
	})
	return seq, err
}

// PinAt implements metastore.Collector.
func (c *collector) PinAt(ctx context.Context, seq uint64, until time.Time, why string) error {
	return c.s.change(ctx, func(t *tx) error {
		if seq == 0 || seq > t.st.seq {
			return fmt.Errorf("sqlite: no commit %d to pin: %w", seq, kind.Invalid)
		}
		kept, err := t.kept(seq)
		if err != nil {
			return err
		}
		if !kept {
			return fmt.Errorf("sqlite: some of commit %d may be gone: %w", seq, kind.Conflict)
		}
		return t.pin(seq, until, why)
	})
}

func (t *tx) pin(seq uint64, until time.Time, why string) error {
	t.dirty = true
	s := t.pinUpsert
	s.need(minBuffer + len(why))
	s.setInt(1, int64(seq))
	s.setInt(2, metastore.Nanos(until))
	s.setText(3, why)
	return s.run()
}

// kept tells whether nothing of a commit can have been dropped or condemned.
func (t *tx) kept(seq uint64) (kept bool, err error) {
	t.pinHeld.setInt(1, int64(seq))
	t.pinHeld.setInt(2, t.now)
	err = t.pinHeld.each(func() error { kept = true; return nil })
	if err != nil || kept {
		return kept, err
	}
	err = t.floorGet.each(func() error { kept = seq >= uint64(t.floorGet.int(0)); return nil })
	return kept, err
}

// raiseFloor comes before anything is dropped or condemned that the tree as of
// that commit does not need: from then on, what was before can't be pinned.
func (t *tx) raiseFloor(seq uint64) error {
	t.floorRaise.setInt(1, int64(seq))
	err := t.floorRaise.run()
	t.dirty = t.dirty || t.c.changes() > 0
	return err
}

// Unpin implements metastore.Collector.
func (c *collector) Unpin(ctx context.Context, seq uint64) error {
	return c.s.change(ctx, func(t *tx) error {
		t.pinDelete.setInt(1, int64(seq))
		err := t.pinDelete.run()
		t.dirty = t.dirty || t.c.changes() > 0
		return err
	})
}
