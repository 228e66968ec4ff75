package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

const (
	segmentSize = 256 << 20
	laneCount   = 2
)

// Store is a blockstore.Store in a directory.
type Store struct {
	home        *home
	log         *slog.Logger
	segmentSize int64
	direct      bool // segments are written, and large blocks read, past the page cache
	disk        disk
	sums        sums
	lock        *os.File

	index  *index
	files  *files
	lanes  []*lane
	keeper *keeper
	tight  atomic.Bool // little space was left when last looked

	segMu   sync.RWMutex // guards the fields below
	segs    map[uint32]*segment
	lastNum uint32

	marking sync.Mutex // held while the marker is written

	life   sync.RWMutex // held for reading by every call
	closed bool         // guarded by life
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.Marker        = (*Store)(nil)
)

// enter begins a call, which leave ends.
func (s *Store) enter(ctx context.Context, op string) error {
	s.life.RLock()
	err := ctx.Err()
	if s.closed {
		err = kind.Closed
	}
	if err != nil {
		s.life.RUnlock()
		return fmt.Errorf("local: %s: %w", op, err)
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Put implements blockstore.Store. Putting a block again doesn't look whether
// the copy on disk is intact: to replace a damaged one, delete it first.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := blockstore.CheckPut("local", id, data); err != nil {
		return err
	}
	if err := s.enter(ctx, "put"); err != nil {
		return err
	}
	defer s.leave()
	seq, needed := s.index.beginPut(id)
	if !needed {
		return nil
	}
	if _, err := s.append(ctx, entry{id: id, seq: seq, n: uint32(len(data))}, data); err != nil {
		return fmt.Errorf("local: put %v: %w", id, err)
	}
	return nil
}

// append adds a record to the lane that has least to do, or where that has no
// space to another.
func (s *Store) append(ctx context.Context, e entry, body []byte) (dead place, err error) {
	first := 0
	for i, l := range s.lanes {
		if l.pending.Load() < s.lanes[first].pending.Load() {
			first = i
		}
	}
	for i := range s.lanes {
		dead, err = s.lanes[(first+i)%len(s.lanes)].append(ctx, e, body)
		if !errors.Is(err, kind.NoSpace) {
			break
		}
		s.tight.Store(true)
	}
	return dead, err
}

// Delete implements blockstore.Store. It gives the pages of a large block back
// to the file system before it returns.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	if err := s.enter(ctx, "delete"); err != nil {
		return err
	}
	defer s.leave()
	seq, needed := s.index.beginDelete(id)
	if !needed {
		return nil
	}
	dead, err := s.append(ctx, entry{id: id, seq: seq, n: tombstone}, nil)
	if err != nil {
		return fmt.Errorf("local: delete %v: %w", id, err)
	}
	s.punch(dead)
	return nil
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	if err := s.enter(ctx, "stat"); err != nil {
		return blockstore.Info{}, err
	}
	defer s.leave()
	p, ok := s.index.get(id)
	if !ok {
		return blockstore.Info{}, fmt.Errorf("local: stat %v: %w", id, kind.NotExist)
	}
	return blockstore.Info{ID: id, Size: int64(p.n)}, nil
}

// List implements blockstore.Store.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		const page = 1000
		for full := true; full; {
			if err := s.enter(ctx, "list"); err != nil {
				yield(blockstore.Info{}, err)
				return
			}
			infos := s.index.page(after, page)
			s.leave()
			for _, info := range infos {
				if !yield(info, nil) {
					return
				}
				after = info.ID
			}
			full = len(infos) >= page
		}
	}
}

// Close implements blockstore.Store. It leaves checkpoints, so that the next
// Open reads no segment.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.keeper.stop()
	for _, l := range s.lanes {
		seg := l.close()
		if s.abandon(seg) {
			continue
		}
		if err := s.checkpoint(seg); err != nil {
			s.log.Warn("blocks: no checkpoint, the next start will scan", "segment", seg.num, "error", err)
		}
	}
	s.lanes = nil
	s.release()
	return nil
}
