package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// AddRepairs implements metastore.Repairer.
func (s *Store) AddRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	if err := metastore.CheckMember(member); err != nil {
		return err
	}
	return s.write(ctx, func(t *tables, _ time.Time) error {
		t.addRepairs(member, ids)
		return nil
	})
}

func (t *tables) addRepairs(member string, ids []metastore.ID) {
	if t.repairs[member] == nil {
		t.repairs[member] = map[metastore.ID]bool{}
	}
	for _, id := range ids {
		t.repairs[member][id] = true
	}
}

// Repairs implements metastore.Repairer.
func (s *Store) Repairs(ctx context.Context, member string, after metastore.ID, limit int) (found []metastore.ID, err error) {
	if err := metastore.CheckMember(member); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, fmt.Errorf("memory: %d repairs asked for: %w", limit, kind.Invalid)
	}
	err = s.write(ctx, func(t *tables, _ time.Time) error {
		for _, id := range t.repairsAfter(member, after) {
			if len(found) == limit {
				break
			}
			if b, there := t.blocks[id]; !there || b.State > metastore.BlockLive {
				delete(t.repairs[member], id)
				continue
			}
			found = append(found, id)
		}
		return nil
	})
	return found, err
}

func (t *tables) repairsAfter(member string, after metastore.ID) []metastore.ID {
	ids := slices.SortedFunc(maps.Keys(t.repairs[member]), compareIDs)
	i, at := slices.BinarySearchFunc(ids, after, compareIDs)
	if at {
		i++
	}
	return ids[i:]
}

func compareIDs(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) }

// EndRepairs implements metastore.Repairer.
func (s *Store) EndRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	if err := metastore.CheckMember(member); err != nil {
		return err
	}
	return s.write(ctx, func(t *tables, _ time.Time) error {
		for _, id := range ids {
			delete(t.repairs[member], id)
		}
		return nil
	})
}

// CountRepairs implements metastore.Repairer.
func (s *Store) CountRepairs(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.read(ctx, func(t *tables) {
		for member, ids := range t.repairs {
			if len(ids) > 0 {
				counts[member] = int64(len(ids))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}
