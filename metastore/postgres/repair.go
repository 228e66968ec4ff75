package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// AddRepairs implements metastore.Repairer.
func (s *Store) AddRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	if err := metastore.CheckMember(member); err != nil {
		return err
	}
	return s.change(ctx, "queue repairs", func(b *pgx.Batch) {
		b.Queue("INSERT INTO repair (member, id) SELECT $1, u.id FROM unnest($2::bytea[]) AS u(id) ORDER BY u.id ON CONFLICT DO NOTHING", member, idArray(ids))
	})
}

// Repairs implements metastore.Repairer.
func (s *Store) Repairs(ctx context.Context, member string, after metastore.ID, limit int) (found []metastore.ID, err error) {
	if err := metastore.CheckMember(member); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, fmt.Errorf("postgres: %d repairs asked for: %w", limit, kind.Invalid)
	}
	for {
		page, gone, err := s.repairs(ctx, member, after, limit-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, page...)
		if len(gone) > 0 {
			if err := s.EndRepairs(ctx, member, gone); err != nil {
				return nil, err
			}
		}
		if len(gone) == 0 || len(found) == limit {
			return found, nil
		}
		for _, id := range append(page, gone...) {
			if compareIDs(id, after) > 0 {
				after = id
			}
		}
	}
}

// repairs reads a page of the queue: the ids to repair, and those to forget, whose
// blocks no longer are, and never will be again.
func (s *Store) repairs(ctx context.Context, member string, after metastore.ID, limit int) (found, gone []metastore.ID, err error) {
	err = s.read(ctx, "read repairs", func(ctx context.Context, c *pgx.Conn) error {
		found, gone = nil, nil
		return query(ctx, c, func(row pgx.CollectableRow) error {
			var id []byte
			var there bool
			if err := row.Scan(&id, &there); err != nil {
				return err
			}
			var key metastore.ID
			if err := setID(key[:], id, "repair"); err != nil {
				return err
			}
			if there {
				found = append(found, key)
			} else {
				gone = append(gone, key)
			}
			return nil
		}, `SELECT r.id, coalesce(b.state <= 2, false) FROM (
				SELECT id FROM repair WHERE member = $1 AND id > $2 ORDER BY id LIMIT $3) AS r
			LEFT JOIN blk b ON b.id = r.id ORDER BY r.id`, member, after[:], limit)
	})
	return found, gone, err
}

// EndRepairs implements metastore.Repairer.
func (s *Store) EndRepairs(ctx context.Context, member string, ids []metastore.ID) error {
	if err := metastore.CheckMember(member); err != nil {
		return err
	}
	return s.change(ctx, "end repairs", func(b *pgx.Batch) {
		b.Queue("DELETE FROM repair WHERE member = $1 AND id = ANY($2)", member, idArray(ids))
	})
}

// CountRepairs implements metastore.Repairer.
func (s *Store) CountRepairs(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := s.read(ctx, "count repairs", func(ctx context.Context, c *pgx.Conn) error {
		clear(counts)
		var member string
		var n int64
		rows, err := c.Query(ctx, "SELECT member, count(*) FROM repair GROUP BY member")
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&member, &n}, func() error {
			counts[member] = n
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}
