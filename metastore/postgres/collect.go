package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

type collector struct{ s *Store }

// Collector implements metastore.Store.
func (s *Store) Collector() metastore.Collector { return &collector{s} }

// stepRows is how many rows a collection changes in one transaction: commits that
// link one of them wait for no more than one such step.
const stepRows = 512

// inSteps runs what queue queues for ids in transactions of stepRows each, in which
// the ids' rows of blk are locked. found tells what the last attempt at a step has
// found; it is forgotten before another.
func inSteps[R any](ctx context.Context, s *Store, op string, ids []metastore.ID, queue func(b *pgx.Batch, step [][]byte, found *[]R)) (all []R, err error) {
	if len(ids) == 0 {
		if err := s.enter(ctx); err != nil {
			return nil, err
		}
		s.leave()
	}
	for step := range slices.Chunk(ids, stepRows) {
		var found []R
		array := idArray(step)
		err := s.change(ctx, op, func(b *pgx.Batch) {
			found = found[:0]
			queue(b, array, &found)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// lockBlocks queues the locks of rows, in the order in which commits take them.
// What follows sees the rows as they are then.
func lockBlocks(b *pgx.Batch, ids [][]byte) {
	b.Queue("SELECT FROM blk WHERE id = ANY($1) ORDER BY id FOR UPDATE", ids)
}

// Condemn implements metastore.Collector.
func (c *collector) Condemn(ctx context.Context, v metastore.View, ids []metastore.ID) (int, error) {
	opened, seq := metastore.Nanos(v.Time()), v.Seq()
	if err := c.s.change(ctx, "condemn", func(b *pgx.Batch) { queueFloor(b, seq) }); err != nil {
		return 0, err
	}
	counts, err := inSteps(ctx, c.s, "condemn", ids, func(b *pgx.Batch, ids [][]byte, found *[]int) {
		lockBlocks(b, ids)
		b.Queue(`UPDATE blk SET condemned_at = n.now, condemned_seq = $3 FROM (SELECT now_ns(newest) AS now FROM clock) AS n
			WHERE id = ANY($1) AND state <= 2 AND condemned_at IS NULL AND seen < $2`, ids, opened, seq)
		var n int
		b.Queue("SELECT count(*) FROM unnest($1::bytea[]) AS u(id) JOIN blk USING (id) WHERE state <= 2 AND condemned_at IS NOT NULL", ids).
			Query(each([]any{&n}, func() error {
				*found = append(*found, n)
				return nil
			}))
	})
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, err
}

// Absolve implements metastore.Collector.
func (c *collector) Absolve(ctx context.Context, ids []metastore.ID) error {
	_, err := inSteps(ctx, c.s, "absolve", ids, func(b *pgx.Batch, ids [][]byte, _ *[]int) {
		lockBlocks(b, ids)
		b.Queue(`UPDATE blk SET condemned_at = NULL, condemned_seq = NULL
			WHERE id = ANY($1) AND state <= 2 AND condemned_at IS NOT NULL`, ids)
	})
	return err
}

// BeginDelete implements metastore.Collector. On an error, rows of earlier steps
// may be in state deleting already; a later collection finishes them.
//
// It locks the gateways' rows: a Heartbeat comes before, and counts, or comes after
// and finds that its lease has lapsed, if that is what was found here.
func (c *collector) BeginDelete(ctx context.Context, ids []metastore.ID, before time.Time) ([]metastore.Block, error) {
	place := make(map[metastore.ID]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	rows, err := inSteps(ctx, c.s, "begin to delete", ids, func(b *pgx.Batch, ids [][]byte, found *[]metastore.Block) {
		b.Queue("SELECT FROM gateway ORDER BY id FOR SHARE")
		lockBlocks(b, ids)
		b.Queue(`WITH d AS (
				UPDATE blk SET state = 3 WHERE id = ANY($1) AND state <= 2 AND condemned_at < $2 AND condemned_seq <= least(
					(`+newest+`), (SELECT min(oldest) FROM gateway WHERE lease > `+nowNS+`))
				RETURNING `+blockColumns+`),
			t AS (INSERT INTO total SELECT -count(*), -sum(len)::bigint FROM d HAVING count(*) > 0)
			SELECT * FROM d`, ids, metastore.Nanos(before)).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				row, err := scanBlock(rows)
				if err != nil {
					return err
				}
				*found = append(*found, row)
			}
			return rows.Err()
		})
	})
	slices.SortFunc(rows, func(a, b metastore.Block) int { return cmp.Compare(place[a.ID], place[b.ID]) })
	return rows, err
}

// EndDelete implements metastore.Collector.
func (c *collector) EndDelete(ctx context.Context, ids []metastore.ID) error {
	_, err := inSteps(ctx, c.s, "end deleting", ids, func(b *pgx.Batch, ids [][]byte, _ *[]int) {
		lockBlocks(b, ids)
		b.Queue("DELETE FROM node USING blk WHERE node.id = blk.id AND blk.id = ANY($1) AND state = 3 AND inline", ids)
		b.Queue("UPDATE blk SET state = 4 WHERE id = ANY($1) AND state = 3", ids)
	})
	return err
}

// Share implements metastore.Collector.
func (c *collector) Share(ctx context.Context, blocks []metastore.ID, slots []metastore.SlotID) error {
	for step := range slices.Chunk(slots, stepRows) {
		err := c.s.change(ctx, "share", func(b *pgx.Batch) {
			array := idArray(step)
			b.Queue("SELECT FROM slot WHERE id = ANY($1) ORDER BY id FOR UPDATE", array)
			b.Queue("UPDATE slot SET owner = NULL WHERE id = ANY($1) AND owner IS NOT NULL", array)
		})
		if err != nil {
			return err
		}
	}
	_, err := inSteps(ctx, c.s, "share", blocks, func(b *pgx.Batch, ids [][]byte, _ *[]int) {
		lockBlocks(b, ids)
		b.Queue("UPDATE blk SET owner = NULL WHERE id = ANY($1) AND owner IS NOT NULL", ids)
	})
	return err
}

// SetNonce implements metastore.Collector.
func (c *collector) SetNonce(ctx context.Context, old, new [16]byte) error {
	set := false
	err := c.s.change(ctx, "set the nonce", func(b *pgx.Batch) {
		b.Queue("WITH u AS (UPDATE identity SET nonce = $2 WHERE nonce = $1 RETURNING 1) SELECT count(*) = 1 FROM u", old[:], new[:]).QueryRow(into(&set))
	})
	if err == nil && !set {
		return fmt.Errorf("postgres: the nonce has changed: %w", kind.Conflict)
	}
	return err
}
