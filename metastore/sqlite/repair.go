package sqlite

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// AddRepairs implements metastore.Repairer.
func (s *Store) AddRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	return s.repairs(ctx, member, ids, func(t *tx) *stmt { return t.repairInsert })
}

// EndRepairs implements metastore.Repairer.
func (s *Store) EndRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	return s.repairs(ctx, member, ids, func(t *tx) *stmt { return t.repairDelete })
}

// repairs runs a statement on each entry.
func (s *Store) repairs(ctx context.Context, member string, ids []metastore.ID, by func(*tx) *stmt) error {
	if err := metastore.CheckMember(member); err != nil {
		return err
	}
	_, err := inSteps(ctx, s, ids, func(t *tx, id metastore.ID) ([]metastore.ID, error) {
		e := by(t)
		e.setText(1, member)
		e.setBlob(2, id[:])
		err := e.run()
		t.dirty = t.dirty || t.c.changes() > 0
		return nil, err
	})
	return err
}

// Repairs implements metastore.Repairer.
func (s *Store) Repairs(ctx context.Context, member string, after metastore.ID, limit int) ([]metastore.ID, error) {
	if err := metastore.CheckMember(member); err != nil {
		return nil, err
	}
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, fmt.Errorf("sqlite: %d repairs asked for: %w", limit, kind.Invalid)
	}
	var found []metastore.ID
	for len(found) < limit {
		page, err := s.repairPage(ctx, member, after, limit-len(found))
		if err != nil {
			return nil, err
		}
		if len(page.dead) > 0 {
			// Looked at again under the writer: a reader may be behind.
			if err := s.repairs(ctx, member, page.dead, func(t *tx) *stmt { return t.repairForget }); err != nil {
				return nil, err
			}
		}
		found = append(found, page.live...)
		if page.end {
			break
		}
		after = page.last
	}
	return found, nil
}

// repairPage is a part of a member's queue.
type repairPage struct {
	live, dead []metastore.ID
	last       metastore.ID
	end        bool // nothing follows
}

func (s *Store) repairPage(ctx context.Context, member string, after metastore.ID, n int) (p repairPage, err error) {
	err = s.readers.use(ctx, 1, func(r *reads) error {
		q := r.repairPage
		q.setText(1, member)
		q.setBlob(2, after[:])
		q.setInt(3, int64(n))
		p = repairPage{}
		for {
			row, err := q.step()
			if err != nil || !row {
				p.end = len(p.live)+len(p.dead) < n
				return err
			}
			if copy(p.last[:], q.lent(0)) != len(p.last) {
				q.reset()
				return fmt.Errorf("sqlite: a repair row is damaged: %w", kind.Corrupt)
			}
			if state := metastore.BlockState(q.int(1)); state == metastore.BlockNew || state == metastore.BlockLive {
				p.live = append(p.live, p.last)
			} else {
				p.dead = append(p.dead, p.last)
			}
		}
	})
	return p, err
}

// CountRepairs implements metastore.Repairer.
func (s *Store) CountRepairs(ctx context.Context) (map[string]int64, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	err := s.readers.use(ctx, 1, func(r *reads) error {
		q := r.repairCount
		for {
			row, err := q.step()
			if err != nil || !row {
				return err
			}
			counts[string(q.lent(0))] = q.int(1)
		}
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}
