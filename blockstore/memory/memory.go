// Package memory keeps blocks in memory: for tests, and to try a node out. What
// it holds is gone when the process ends, so Put promises less here than
// elsewhere: durable for the life of the Store.
//
// In tahoe.cfg:
//
//	[blockstore]
//	driver = "memory"
package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Store is a blockstore.Store in memory, with ranged reads and a marker.
type Store struct {
	mu     sync.RWMutex // guards the fields below
	blocks map[blockstore.ID][]byte
	marker []byte
	closed bool
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.Marker        = (*Store)(nil)
)

// New returns an empty store.
func New() *Store { return &Store{blocks: make(map[blockstore.ID][]byte)} }

// usable tells why a call can't run: the caller gave up, or the store is closed.
// The lock is held.
func (s *Store) usable(ctx context.Context, op string) error {
	if s.closed {
		return fmt.Errorf("memory: %s: %w", op, kind.Closed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %s: %w", op, err)
	}
	return nil
}

// Put implements blockstore.Store.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := blockstore.CheckPut("memory", id, data); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, "put"); err != nil {
		return err
	}
	if _, ok := s.blocks[id]; !ok {
		s.blocks[id] = append([]byte{}, data...)
	}
	return nil
}

// block gives the stored slice, which never changes.
func (s *Store) block(ctx context.Context, op string, id blockstore.ID) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, op); err != nil {
		return nil, err
	}
	b, ok := s.blocks[id]
	if !ok {
		return nil, fmt.Errorf("memory: %s %v: %w", op, id, kind.NotExist)
	}
	return b, nil
}

// Get implements blockstore.Store.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	b, err := s.block(ctx, "get", id)
	if err != nil {
		return nil, err
	}
	return append([]byte{}, b...), nil
}

// GetRange implements blockstore.RangeGetter.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return s.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter.
func (s *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if err := blockstore.CheckRange("memory", off, n); err != nil {
		return nil, err
	}
	b, err := s.block(ctx, "get", id)
	if err != nil {
		return nil, err
	}
	b = b[min(off, int64(len(b))):]
	return append(room[:0], b[:min(n, int64(len(b)))]...), nil
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	b, err := s.block(ctx, "stat", id)
	if err != nil {
		return blockstore.Info{}, err
	}
	return blockstore.Info{ID: id, Size: int64(len(b))}, nil
}

// Delete implements blockstore.Store.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, "delete"); err != nil {
		return err
	}
	delete(s.blocks, id)
	return nil
}

// List implements blockstore.Store: it yields what was there when it began.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		infos, err := s.infos(ctx, after)
		if err != nil {
			yield(blockstore.Info{}, err)
			return
		}
		for _, info := range infos {
			if err := ctx.Err(); err != nil {
				yield(blockstore.Info{}, fmt.Errorf("memory: list: %w", err))
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s *Store) infos(ctx context.Context, after blockstore.ID) ([]blockstore.Info, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "list"); err != nil {
		return nil, err
	}
	var infos []blockstore.Info
	for id, b := range s.blocks {
		if bytes.Compare(id[:], after[:]) > 0 {
			infos = append(infos, blockstore.Info{ID: id, Size: int64(len(b))})
		}
	}
	slices.SortFunc(infos, func(a, b blockstore.Info) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return infos, nil
}

// Marker implements blockstore.Marker.
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "marker"); err != nil {
		return nil, err
	}
	return bytes.Clone(s.marker), nil
}

// SetMarker implements blockstore.Marker.
func (s *Store) SetMarker(ctx context.Context, data []byte) error {
	if err := blockstore.CheckMarkerSize(data); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx, "set marker"); err != nil {
		return err
	}
	s.marker = bytes.Clone(data)
	return nil
}

// Close implements blockstore.Store, and forgets the blocks.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.blocks = true, nil
	return nil
}
