// Package raid5 cuts every block into n-1 pieces, adds their parity, and keeps a
// piece on each of n members: any one of them may be lost, for 1/(n-1) more
// space. Which member has the parity differs from block to block.
//
// Reads take the n-1 pieces with data, and the parity instead of one that is
// late, absent or damaged, which is then repaired in the background. What array
// promises about members, repairs and maintenance holds (package array).
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "raid5"
//	write = "all"    # or "all-but-one": how many members a write needs
package raid5

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/array"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Write is how many members must have their piece before Put succeeds.
type Write string

// The write quorums. With All, a member that is down stops writing. With
// AllButOne it is noted in the queue what the one that was down owes.
const (
	All       Write = "all"
	AllButOne Write = "all-but-one"
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
	lengths *lru.Cache[blockstore.ID, int] // of blocks lately met
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

// knownLengths is how many blocks' lengths are remembered, to know where a range
// of them lies: 2 MiB of memory.
const knownLengths = 16 << 10

// Open opens the array of which these are the members, or makes one of empty
// ones: see array.Open. Three members at least.
func Open(ctx context.Context, members []blockstore.Member, o Options) (*Store, error) {
	n := len(members)
	if n < 3 {
		return nil, fmt.Errorf("raid5: needs at least 3 members, not %d: %w", n, kind.Invalid)
	}
	s := &Store{need: n}
	switch o.Write {
	case All, "":
	case AllButOne:
		s.need = n - 1
		if o.Queue == nil {
			return nil, fmt.Errorf("raid5: writing to %q of the members needs a durable queue of repairs: %w", o.Write, kind.Invalid)
		}
	default:
		return nil, fmt.Errorf("raid5: write %q: it is %q or %q: %w", o.Write, All, AllButOne, kind.Invalid)
	}
	var err error
	if s.lengths, err = lru.New[blockstore.ID, int](knownLengths); err != nil {
		return nil, err
	}
	s.a, err = array.Open(ctx, array.Layout{
		Level: 5, Spare: func(int) int { return 1 }, Holds: checkPiece, Mend: s.mend, Examine: s.examine,
	}, members, array.Options{
		Queue: o.Queue, Log: o.Log, HedgeAfter: o.HedgeAfter, Need: s.need,
		ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, ProbeTimeout: o.ProbeTimeout,
	})
	if err != nil {
		return nil, err
	}
	s.Base = s.a.Base()
	s.a.Start()
	return s, nil
}

// Holds implements blockstore.Holder: what whole blocks are held against.
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
	n := s.a.Members()
	buf := s.buffers.Get(stripe{n, len(data)}.storedSize())
	pieces := encode(buf, n, id, data)
	s.lengths.Add(id, len(data))
	return s.a.Write(ctx, id, s.need, func(ctx context.Context, i int, m blockstore.Store) error {
		return m.Put(ctx, id, pieces[pieceOn(id, n, i)])
	}, func() { s.buffers.Put(buf) })
}

// Get implements blockstore.Store. The block has been checked against its id.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if err := s.a.Enter(ctx, "get"); err != nil {
		return nil, err
	}
	defer s.a.Leave()
	block, wrong, err := s.sound(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, i := range wrong {
		s.a.Suspect(i, id)
	}
	s.lengths.Add(id, len(block))
	return block, nil
}

// Stat implements blockstore.Store: enough members must have a piece for the
// block to be readable.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	if err := s.a.Enter(ctx, "stat"); err != nil {
		return blockstore.Info{}, err
	}
	defer s.a.Leave()
	h, err := s.head(ctx, id, s.a.Members()-1)
	return blockstore.Info{ID: id, Size: int64(h.length)}, err
}

// head reads the headers of so many pieces of a block, and gives one of them.
func (s *Store) head(ctx context.Context, id blockstore.ID, want int) (header, error) {
	good, _, err := array.Gather(ctx, s.a, s.a.Order(), want, func(ctx context.Context, i int, m blockstore.Store) (header, error) {
		b, err := blockstore.GetRange(ctx, m, id, 0, headerSize)
		if err != nil {
			return header{}, err
		}
		h, err := parseHeader(id, b)
		if err == nil {
			err = s.belongs(id, i, h)
		}
		return h, err
	})
	if err != nil {
		return header{}, err
	}
	return good[0].Value, nil
}

// List implements blockstore.Store: the blocks that can be read, or could if the
// members that don't answer did. It ends with Unavailable if too few answer.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		merge := s.a.NewMerge(after)
		for {
			infos, more, err := s.page(ctx, merge)
			for _, info := range infos {
				if !yield(info, nil) {
					return
				}
			}
			if err != nil {
				yield(blockstore.Info{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, merge *array.Merge) (infos []blockstore.Info, more bool, err error) {
	if err := s.a.Enter(ctx, "list"); err != nil {
		return nil, false, err
	}
	defer s.a.Leave()
	held, err := merge.Next(ctx)
	if err == nil {
		err = merge.Incomplete(2)
	}
	for _, h := range held {
		size, ok, err := s.sizeOf(ctx, h, merge.Missing())
		if err != nil {
			return infos, false, err
		}
		if ok {
			infos = append(infos, blockstore.Info{ID: h.ID, Size: int64(size)})
		}
	}
	return infos, len(held) > 0, err
}

// sizeOf tells the length of a block from those of its pieces: together they
// are the payload. Only if one is missing that may be the short one, the header
// of another is read. false: too little is left to read the block.
func (s *Store) sizeOf(ctx context.Context, h array.Held, silent int) (size int, ok bool, err error) {
	n := s.a.Members()
	found, sum, lost, parity, last := 0, -prefixSize, -1, 0, -1
	for k := range n {
		i := memberOf(h.ID, n, k)
		stored := int(h.Sizes[i]) - headerSize
		switch {
		case !h.Holds(i):
			lost = k
			continue
		case k == n-1:
			parity = stored
		default:
			sum += stored
			if stored > 0 {
				last = k
			}
		}
		found++
	}
	switch {
	case found+silent < n-1:
		return 0, false, nil
	case found == n || lost == n-1 && found == n-1:
		return sum, true, nil
	case found == n-1 && lost < last:
		return sum + parity, true, nil
	}
	head, err := s.head(ctx, h.ID, 1)
	if kind.Of(err) == kind.NotExist || kind.Of(err) == kind.Corrupt {
		return 0, false, nil
	}
	return head.length, err == nil, err
}
