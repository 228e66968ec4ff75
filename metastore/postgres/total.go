package postgres

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"
)

// foldEvery is how many rows a store adds to total before it folds them.
const foldEvery = 512

// queueDifference notes by how much the rows of blk in states new and live grow:
// a row of its own, since everybody would wait for a row that all change.
func (s *Store) queueDifference(b *pgx.Batch, blocks, bytes int64) {
	b.Queue("INSERT INTO total (blocks, bytes) VALUES ($1, $2)", blocks, bytes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.differences++
}

// fold makes one row of those in total, now and then.
func (s *Store) fold(ctx context.Context) {
	s.mu.Lock()
	due := s.differences >= foldEvery
	if due {
		s.differences = 0
	}
	s.mu.Unlock()
	if due {
		s.foldNow(ctx)
	}
}

func (s *Store) foldNow(ctx context.Context) {
	err := s.write(ctx, "fold the totals", func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `WITH d AS (DELETE FROM total RETURNING blocks, bytes)
			INSERT INTO total SELECT sum(blocks)::bigint, sum(bytes)::bigint FROM d HAVING count(*) > 0`)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("the metastore's totals were not folded; the next time will do", slog.Any("error", err))
	}
}
