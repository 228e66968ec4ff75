// Package raid1 keeps a copy of every block on every member.
//
// Reads ask the fastest member, and another one when the answer is late, absent
// or damaged; what was absent or damaged is repaired in the background. n-1 of n
// members may be lost. What array promises about members, repairs and
// maintenance holds (package array).
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "raid1"
//	write = "all"    # or "majority" or "one": how many members a write needs
package raid1

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/array"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Write is how many members must have a block before Put succeeds.
type Write string

// The write quorums. With All, a member that is down stops writing. The others
// note in the queue what members that were down owe.
const (
	All      Write = "all"
	Majority Write = "majority"
	One      Write = "one"
)

// Options of Open.
type Options struct {
	Write Write // All if empty
	// Queue is where repairs are kept; needed unless Write is All.
	Queue blockstore.Queue
	// Log, HedgeAfter and the time-outs are as in array.Options.
	Log                       *slog.Logger
	HedgeAfter                time.Duration
	ReadTimeout, WriteTimeout time.Duration
	ProbeTimeout              time.Duration
}

// Store is a blockstore.Store on the members of an array.
type Store struct {
	array.Base
	a       *array.Array
	need    int
	holds   array.Holds
	buffers array.Buffers
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.RangeGetter   = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.InReader      = (*Store)(nil)
	_ blockstore.Marker        = (*Store)(nil)
	_ blockstore.BatchDeleter  = (*Store)(nil)
	_ blockstore.BatchStater   = (*Store)(nil)
	_ blockstore.Maintainer    = (*Store)(nil)
	_ blockstore.Holder        = (*Store)(nil)
)

// Open opens the array of which these are the members, or makes one of empty
// ones: see array.Open. Two members at least.
func Open(ctx context.Context, members []blockstore.Member, o Options) (*Store, error) {
	if len(members) < 2 {
		return nil, fmt.Errorf("raid1: needs at least 2 members, not %d: %w", len(members), kind.Invalid)
	}
	need, err := o.Write.need(len(members))
	if err != nil {
		return nil, err
	}
	if need < len(members) && o.Queue == nil {
		return nil, fmt.Errorf("raid1: writing to %q of the members needs a durable queue of repairs: %w", o.Write, kind.Invalid)
	}
	s := &Store{need: need}
	s.a, err = array.Open(ctx, array.Layout{
		Level: 1, Spare: func(n int) int { return n - 1 }, Grows: true, Mend: s.mend, Examine: s.examine,
	}, members, array.Options{
		Queue: o.Queue, Log: o.Log, HedgeAfter: o.HedgeAfter, Need: need,
		ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, ProbeTimeout: o.ProbeTimeout,
	})
	if err != nil {
		return nil, err
	}
	s.Base = s.a.Base()
	s.a.Start()
	return s, nil
}

// need is how many of n members must have a write.
func (w Write) need(n int) (int, error) {
	switch w {
	case All, "":
		return n, nil
	case Majority:
		return n/2 + 1, nil
	case One:
		return 1, nil
	}
	return 0, fmt.Errorf("raid1: write %q: it is %q, %q or %q: %w", w, All, Majority, One, kind.Invalid)
}

// Holds implements blockstore.Holder: what the copies are held against.
func (s *Store) Holds(check blockstore.Check) { s.holds.Holds(check) }

// Put implements blockstore.Store.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := s.a.CheckPut(id, data); err != nil {
		return err
	}
	if err := s.a.Enter(ctx, "put"); err != nil {
		return err
	}
	defer s.a.Leave()
	own := s.buffers.Get(len(data)) // a member may refer to it for longer than the caller allows
	copy(own, data)
	return s.a.Write(ctx, id, s.need,
		func(ctx context.Context, _ int, m blockstore.Store) error { return m.Put(ctx, id, own) },
		func() { s.buffers.Put(own) })
}

// Get implements blockstore.Store. The block has been checked against its id.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if err := s.a.Enter(ctx, "get"); err != nil {
		return nil, err
	}
	defer s.a.Leave()
	return first(ctx, s, id, s.sound(id))
}

// sound reads the copy of one member, and checks it.
func (s *Store) sound(id blockstore.ID) func(context.Context, int, blockstore.Store) ([]byte, error) {
	return func(ctx context.Context, _ int, m blockstore.Store) ([]byte, error) {
		block, err := m.Get(ctx, id)
		if err == nil {
			err = s.holds.Check(id, block)
		}
		return block, err
	}
}

// first gives the first good answer about a block. Members that had none though
// another did are repaired.
func first[T any](ctx context.Context, s *Store, id blockstore.ID, ask func(context.Context, int, blockstore.Store) (T, error)) (none T, err error) {
	good, bad, err := array.Gather(ctx, s.a, s.a.Order(), 1, ask)
	if err != nil {
		return none, err
	}
	for _, b := range bad {
		if k := kind.Of(b.Err); k == kind.NotExist || k == kind.Corrupt {
			s.a.Suspect(b.Member, id)
		}
	}
	return good[0].Value, nil
}

// GetRange implements blockstore.RangeGetter. What a range holds can't be
// checked here: who finds it damaged asks for the whole block (Get), and gets
// the sound copy.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return s.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter: the member that is asked first reads
// into room. Where another is asked, too, the two don't share it.
func (s *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if err := s.a.CheckRange(off, n); err != nil {
		return nil, err
	}
	if err := s.a.Enter(ctx, "get"); err != nil {
		return nil, err
	}
	defer s.a.Leave()
	once := array.Once(room)
	return first(ctx, s, id, func(ctx context.Context, _ int, m blockstore.Store) ([]byte, error) {
		return blockstore.GetRangeIn(ctx, m, id, off, n, once())
	})
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	if err := s.a.Enter(ctx, "stat"); err != nil {
		return blockstore.Info{}, err
	}
	defer s.a.Leave()
	return s.stat(ctx, id)
}

func (s *Store) stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return first(ctx, s, id, func(ctx context.Context, _ int, m blockstore.Store) (blockstore.Info, error) {
		return m.Stat(ctx, id)
	})
}

// StatBatch implements blockstore.BatchStater: one member is asked for all, and
// the others for what it doesn't have.
func (s *Store) StatBatch(ctx context.Context, ids []blockstore.ID) ([]blockstore.Info, []error) {
	infos, errs := make([]blockstore.Info, len(ids)), make([]error, len(ids))
	if err := s.a.Enter(ctx, "stat"); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return infos, errs
	}
	defer s.a.Leave()
	type batch struct {
		infos []blockstore.Info
		errs  []error
	}
	good, _, err := array.Gather(ctx, s.a, s.a.Order(), 1, func(ctx context.Context, _ int, m blockstore.Store) (batch, error) {
		infos, errs := blockstore.StatBatch(ctx, m, ids)
		return batch{infos, errs}, unanswered(errs)
	})
	for i, id := range ids {
		if err == nil && good[0].Value.errs[i] == nil {
			infos[i] = good[0].Value.infos[i]
			continue
		}
		infos[i], errs[i] = s.stat(ctx, id)
	}
	return infos, errs
}

// unanswered is the first error that says nothing about its block.
func unanswered(errs []error) error {
	for _, err := range errs {
		if k := kind.Of(err); err != nil && k != kind.NotExist && k != kind.Corrupt {
			return err
		}
	}
	return nil
}

// List implements blockstore.Store: what any member has. It ends with
// Unavailable if so many members are missing that a block may be on these alone.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		merge := s.a.NewMerge(after)
		for {
			infos, err := s.page(ctx, merge)
			for _, info := range infos {
				if !yield(info, nil) {
					return
				}
			}
			if err != nil {
				yield(blockstore.Info{}, err)
			}
			if err != nil || len(infos) == 0 {
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, merge *array.Merge) ([]blockstore.Info, error) {
	if err := s.a.Enter(ctx, "list"); err != nil {
		return nil, err
	}
	defer s.a.Leave()
	held, err := merge.Next(ctx)
	if err == nil {
		err = merge.Incomplete(s.need)
	}
	infos := make([]blockstore.Info, len(held))
	for i, h := range held {
		infos[i] = blockstore.Info{ID: h.ID, Size: h.Size()}
	}
	return infos, err
}

// mend makes member i hold a sound copy.
func (s *Store) mend(ctx context.Context, i int, id blockstore.ID) (did array.Mended, err error) {
	damaged := false
	err = s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		block, err := m.Get(ctx, id)
		did.Bytes += int64(len(block))
		if err == nil {
			err = s.holds.Check(id, block)
		}
		damaged = kind.Of(err) == kind.Corrupt
		return err
	})
	if err == nil || !damaged && kind.Of(err) != kind.NotExist {
		return did, err
	}
	good, _, gerr := array.Gather(ctx, s.a, s.a.OrderWithout(i), 1, s.sound(id))
	if gerr != nil {
		if damaged && kind.Of(gerr) == kind.NotExist {
			return did, err // the damaged copy is the only one
		}
		return did, gerr
	}
	block := good[0].Value
	did.Bytes += 2 * int64(len(block))
	err = s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		if damaged { // a store may take a second put for done
			if err := m.Delete(ctx, id); err != nil {
				return err
			}
		}
		return m.Put(ctx, id, block)
	})
	did.Wrote = err == nil
	return did, err
}

// examine reads every copy of a block.
func (s *Store) examine(ctx context.Context, h array.Held) (found []array.Suspect) {
	answers := s.a.All(ctx, func(ctx context.Context, i int, m blockstore.Store) error {
		block, err := m.Get(ctx, h.ID)
		if err == nil {
			err = s.holds.Check(h.ID, block)
		}
		return err
	})
	sound := false
	for _, err := range answers {
		sound = sound || err == nil
	}
	for i, err := range answers {
		switch kind.Of(err) {
		case 0:
		case kind.NotExist:
			if sound || h.Holds(i) {
				found = append(found, array.Suspect{Member: i, Fault: blockstore.FaultAbsent})
			}
		case kind.Corrupt:
			found = append(found, array.Suspect{Member: i, Fault: blockstore.FaultCorrupt, Err: err})
		default:
			found = append(found, array.Suspect{Member: i, Fault: blockstore.FaultUnread, Err: err})
		}
	}
	return found
}
