// Package raid0 spreads blocks over members, each block on one: the space and
// the speed of all together, and no redundancy. A member that is down takes its
// blocks with it; the error says so.
//
// Which member has a block is chosen by rendezvous hashing (formats.md 15), so
// that a member that is added takes over 1/n of the blocks, and nothing else
// moves. A block that isn't where it belongs is looked for everywhere.
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "raid0"
package raid0

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/array"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Options of Open.
type Options struct {
	// Queue, Log and the time-outs are as in array.Options.
	Queue                     blockstore.Queue
	Log                       *slog.Logger
	ReadTimeout, WriteTimeout time.Duration
	ProbeTimeout              time.Duration
}

// Store is a blockstore.Store on the members of an array.
type Store struct {
	array.Base
	a     *array.Array
	holds array.Holds
	inner []blockstore.Store // the members, to be told what they hold
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.RangeGetter   = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.InReader      = (*Store)(nil)
	_ blockstore.Marker        = (*Store)(nil)
	_ blockstore.BatchDeleter  = (*Store)(nil)
	_ blockstore.Maintainer    = (*Store)(nil)
	_ blockstore.Holder        = (*Store)(nil)
)

// Open opens the array of which these are the members, or makes one of empty
// ones: see array.Open. Two members at least, all of which must answer.
func Open(ctx context.Context, members []blockstore.Member, o Options) (*Store, error) {
	if len(members) < 2 {
		return nil, fmt.Errorf("raid0: needs at least 2 members, not %d: %w", len(members), kind.Invalid)
	}
	s := &Store{}
	for _, m := range members {
		s.inner = append(s.inner, m.Store)
	}
	var err error
	s.a, err = array.Open(ctx, array.Layout{
		Level: 0, Spare: func(int) int { return 0 }, Grows: true,
		Belongs: s.belongs, Mend: s.mend, Examine: s.examine,
	}, members, array.Options{
		Queue: o.Queue, Log: o.Log, Need: len(members),
		ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, ProbeTimeout: o.ProbeTimeout,
	})
	if err != nil {
		return nil, err
	}
	s.Base = s.a.Base()
	s.a.Start()
	return s, nil
}

// Holds implements blockstore.Holder.
func (s *Store) Holds(check blockstore.Check) {
	s.holds.Holds(check)
	for _, m := range s.inner {
		blockstore.Holds(m, check)
	}
}

// owner is the member among n that a block belongs on: the one with the highest
// score. The score is the finalizer of splitmix64 over the first eight bytes of
// the id, u64, XOR the member's index + 1 times 0x9e3779b97f4a7c15; of equal ones
// the lower index wins.
func owner(id blockstore.ID, n int) int {
	best, most := 0, uint64(0)
	x := binary.BigEndian.Uint64(id[:])
	for i := range n {
		z := x ^ uint64(i+1)*0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		if z ^= z >> 31; z > most {
			best, most = i, z
		}
	}
	return best
}

func (s *Store) owner(id blockstore.ID) int { return owner(id, s.a.Members()) }

func (s *Store) belongs(i int, id blockstore.ID) bool { return s.owner(id) == i }

// Put implements blockstore.Store.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := s.a.CheckPut(id, data); err != nil {
		return err
	}
	if err := s.a.Enter(ctx, "put"); err != nil {
		return err
	}
	defer s.a.Leave()
	ctx, cancel := s.a.WriteBudget(ctx)
	defer cancel()
	err := s.a.Store(ctx, s.owner(id), func(ctx context.Context, m blockstore.Store) error { return m.Put(ctx, id, data) })
	if err != nil {
		return fmt.Errorf("raid0: put %v: %w", id, err)
	}
	return nil
}

// read asks the member that a block belongs on, and for one that isn't there the
// others too: members were added and blocks are on the move, or another gateway
// that doesn't know of them yet has put it where it belonged before.
func read[T any](ctx context.Context, s *Store, id blockstore.ID, ask func(ctx context.Context, m blockstore.Store) (T, error)) (v T, err error) {
	if err := s.a.Enter(ctx, "get"); err != nil {
		return v, err
	}
	defer s.a.Leave()
	to := func(ctx context.Context, _ int, m blockstore.Store) (T, error) { return ask(ctx, m) }
	i := s.owner(id)
	good, _, err := array.Gather(ctx, s.a, []int{i}, 1, to)
	if kind.Of(err) == kind.NotExist {
		good, _, err = array.Gather(ctx, s.a, s.a.OrderWithout(i), 1, to)
		if kind.Of(err) == kind.NotExist { // it may have been moved between the two
			good, _, err = array.Gather(ctx, s.a, []int{i}, 1, to)
		}
	}
	if err != nil {
		return v, err
	}
	return good[0].Value, nil
}

// Get implements blockstore.Store.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	return read(ctx, s, id, func(ctx context.Context, m blockstore.Store) ([]byte, error) { return m.Get(ctx, id) })
}

// GetRange implements blockstore.RangeGetter.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return s.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter: the first member that is asked reads
// into room.
func (s *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if err := s.a.CheckRange(off, n); err != nil {
		return nil, err
	}
	once := array.Once(room)
	return read(ctx, s, id, func(ctx context.Context, m blockstore.Store) ([]byte, error) {
		return blockstore.GetRangeIn(ctx, m, id, off, n, once())
	})
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	return read(ctx, s, id, func(ctx context.Context, m blockstore.Store) (blockstore.Info, error) { return m.Stat(ctx, id) })
}

// List implements blockstore.Store. It ends with Unavailable if a member doesn't
// answer.
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
		err = merge.Incomplete(1)
	}
	infos := make([]blockstore.Info, len(held))
	for i, h := range held {
		infos[i] = blockstore.Info{ID: h.ID, Size: h.Size()}
	}
	return infos, err
}
