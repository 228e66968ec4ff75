package raid0

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/array"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
)

// sound reads a member's copy, and checks it.
func (s *Store) sound(id blockstore.ID) func(context.Context, int, blockstore.Store) ([]byte, error) {
	return func(ctx context.Context, _ int, m blockstore.Store) ([]byte, error) {
		block, err := m.Get(ctx, id)
		if err == nil {
			err = s.holds.Check(id, block)
		}
		return block, err
	}
}

// mend brings a block to the member that it belongs on, from where it lies.
func (s *Store) mend(ctx context.Context, i int, id blockstore.ID) (did array.Mended, err error) {
	if !s.belongs(i, id) {
		return did, nil
	}
	there := s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		_, err := s.sound(id)(ctx, i, m)
		return err
	})
	damaged := kind.Of(there) == kind.Corrupt
	if there == nil || !damaged && kind.Of(there) != kind.NotExist {
		return did, there
	}
	good, _, err := array.Gather(ctx, s.a, s.a.OrderWithout(i), 1, s.sound(id))
	switch {
	case kind.Of(err) == kind.NotExist && damaged:
		return did, there // the damaged copy is the only one
	case err != nil:
		return did, err
	}
	block := good[0].Value
	err = s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		if damaged { // a store may take a second put for done
			if err := m.Delete(ctx, id); err != nil {
				return err
			}
		}
		return m.Put(ctx, id, block)
	})
	return array.Mended{Wrote: err == nil, Bytes: 2 * int64(len(block))}, err
}

// examine reads a block where it belongs.
func (s *Store) examine(ctx context.Context, h array.Held) []array.Suspect {
	i := s.owner(h.ID)
	err := s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		if !h.Holds(i) {
			return kind.NotExist
		}
		_, err := s.sound(h.ID)(ctx, i, m)
		return err
	})
	switch kind.Of(err) {
	case 0:
		return nil
	case kind.NotExist:
		return []array.Suspect{{Member: i, Fault: blockstore.FaultMisplaced}}
	case kind.Corrupt:
		return []array.Suspect{{Member: i, Fault: blockstore.FaultCorrupt, Err: err}}
	}
	return []array.Suspect{{Member: i, Fault: blockstore.FaultUnread, Err: err}}
}

// Rebuild implements blockstore.Maintainer: it moves to a member that was added
// what belongs there, and then removes it where it lay before. When no block
// lies at another member than it should, none is looked for there any more.
func (s *Store) Rebuild(ctx context.Context, member string, o blockstore.RebuildOptions, report func(blockstore.Finding)) (blockstore.Totals, error) {
	totals, err := s.Base.Rebuild(ctx, member, o, report)
	if err != nil || !s.a.Moved() {
		return totals, err
	}
	if err := s.a.Enter(ctx, "rebuild"); err != nil {
		return totals, err
	}
	defer s.a.Leave()
	misplaced, err := s.tidy(ctx, pace.New(o.Rate))
	if err != nil || misplaced > 0 {
		return totals, err
	}
	return totals, s.a.Settled(ctx)
}

// tidy removes copies that lie at another member than they should, once a sound
// one lies where it belongs. It tells how many blocks have none there.
func (s *Store) tidy(ctx context.Context, rate *pace.Pace) (misplaced int, err error) {
	merge := s.a.NewMerge(blockstore.ID{})
	for {
		held, err := merge.Next(ctx)
		if err == nil {
			err = merge.Incomplete(1)
		}
		if err != nil || len(held) == 0 {
			return misplaced, err
		}
		for _, h := range held {
			i := s.owner(h.ID)
			if !h.Holds(i) {
				misplaced++
				continue
			}
			for j := range s.a.Members() {
				if j == i || !h.Holds(j) {
					continue
				}
				if err := rate.Wait(ctx, h.Sizes[i]); err != nil {
					return misplaced, err
				}
				if err := s.drop(ctx, h.ID, i, j); err != nil {
					return misplaced, fmt.Errorf("raid0: tidy up: %w", err)
				}
			}
		}
	}
}

// drop removes the copy of member j if that of member i is sound.
func (s *Store) drop(ctx context.Context, id blockstore.ID, i, j int) error {
	err := s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		_, err := s.sound(id)(ctx, i, m)
		return err
	})
	if err != nil {
		return err
	}
	return s.a.Do(ctx, j, func(ctx context.Context, m blockstore.Store) error { return m.Delete(ctx, id) })
}
