package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Register implements metastore.Store. It leaves the draft's lease as it is when it
// would gain less than a 64th of its length: a draft has many Registers.
func (s *Store) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
	sorted := slices.SortedFunc(slices.Values(rows), func(a, b metastore.BlockRow) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	ids, owners, lens := make([][]byte, len(sorted)), make([][]byte, len(sorted)), make([]int64, len(sorted))
	size := int64(0)
	for i := range sorted {
		ids[i], owners[i], lens[i] = sorted[i].ID[:], orNull(sorted[i].Owner), sorted[i].Len
		size += sorted[i].Len
	}
	err := s.change(ctx, "register blocks", func(b *pgx.Batch) {
		if len(rows) > 0 {
			b.Queue(`INSERT INTO blk (id, len, state, inline, seen, owner, draft)
				SELECT u.id, u.len, 1, false, `+nowNS+`, u.owner, $4::bytea FROM unnest($1::bytea[], $2::bigint[], $3::bytea[]) AS u(id, len, owner)`,
				ids, lens, owners, d[:])
			s.queueDifference(b, int64(len(rows)), size)
		}
		b.Queue(`INSERT INTO draft (id, gateway, lease)
			SELECT $1, $2, now + least(coalesce((SELECT ttl FROM gateway WHERE id = $2 AND ttl > 0), $3::bigint), 9223372036854775807 - now)
			FROM (SELECT now_ns(newest) AS now FROM clock) AS n
			ON CONFLICT (id) DO UPDATE SET gateway = excluded.gateway, lease = excluded.lease
			WHERE draft.gateway <> excluded.gateway
				OR abs(excluded.lease - draft.lease) > coalesce((SELECT ttl FROM gateway WHERE id = $2 AND ttl > 0), $3::bigint) / 64`,
			d[:], g[:], int64(metastore.DefaultLease))
	})
	if codeOf(err) == uniqueViolation {
		return fmt.Errorf("postgres: a block has a row already: %w", kind.Conflict)
	}
	if err == nil {
		s.fold(ctx)
	}
	return err
}

// EndDraft implements metastore.Store.
func (s *Store) EndDraft(ctx context.Context, d metastore.DraftID) error {
	return s.change(ctx, "end a draft", func(b *pgx.Batch) {
		b.Queue("DELETE FROM draft WHERE id = $1", d[:])
	})
}

// Heartbeat implements metastore.Store. The gateway's row is locked before the
// time is asked for: BeginDelete, which locks it, too, comes before or after.
func (s *Store) Heartbeat(ctx context.Context, g metastore.GatewayID, oldestOpen uint64, ttl time.Duration) error {
	lapsed := false
	err := s.transact(ctx, "heartbeat", func(ctx context.Context, c *pgx.Conn, _ int64) error {
		lapsed = false
		known, lease, now, seq := false, int64(0), int64(0), uint64(0)
		b := &pgx.Batch{}
		b.Queue("SELECT lease FROM gateway WHERE id = $1 FOR UPDATE", g[:]).Query(each([]any{&lease}, func() error {
			known = true
			return nil
		}))
		b.Queue("SELECT " + nowNS + ", (" + newest + ")").QueryRow(into(&now, &seq))
		if err := send(ctx, c, b); err != nil {
			return err
		}
		lapsed = known && lease <= now
		if oldestOpen != 0 {
			seq = oldestOpen
		}
		b = &pgx.Batch{}
		b.Queue(`INSERT INTO gateway (id, lease, ttl, oldest) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET lease = excluded.lease, ttl = excluded.ttl, oldest = excluded.oldest`,
			g[:], metastore.AfterNanos(now, ttl), int64(ttl), seq)
		if !lapsed {
			b.Queue("SELECT FROM draft WHERE gateway = $1 ORDER BY id FOR UPDATE", g[:])
			b.Queue("UPDATE draft SET lease = $2 WHERE gateway = $1", g[:], metastore.AfterNanos(now, ttl))
		}
		return send(ctx, c, b)
	})
	if err == nil && lapsed {
		return fmt.Errorf("postgres: the gateway's lease had lapsed: %w", kind.Conflict)
	}
	return err
}

// SetCharged implements metastore.Store.
func (s *Store) SetCharged(ctx context.Context, root metastore.SlotID, files, bytes int64) error {
	if files < 0 || bytes < 0 {
		return fmt.Errorf("postgres: counters of %d files, %d bytes: %w", files, bytes, kind.Invalid)
	}
	return s.change(ctx, "set counters", func(b *pgx.Batch) {
		b.Queue("INSERT INTO charge (root, n, files, bytes) VALUES ($1, 0, 0, 0) ON CONFLICT DO NOTHING", root[:])
		b.Queue("SELECT FROM charge WHERE root = $1 AND n = 0 FOR UPDATE", root[:])
		b.Queue("INSERT INTO charge (root, n, files, bytes) SELECT $1, max(n) + 1, $2, $3 FROM charge WHERE root = $1", root[:], files, bytes)
		b.Queue("DELETE FROM charge WHERE root = $1 AND n > 0 AND n < (SELECT max(n) FROM charge WHERE root = $1)", root[:])
	})
}

// Lead implements metastore.Collector.
func (c *collector) Lead(ctx context.Context, g metastore.GatewayID, ttl time.Duration) (leads bool, err error) {
	if ttl < 0 {
		return false, fmt.Errorf("postgres: a lease of %v: %w", ttl, kind.Invalid)
	}
	err = c.s.transact(ctx, "take the lead", func(ctx context.Context, conn *pgx.Conn, _ int64) error {
		var holder []byte
		var until, now int64
		b := &pgx.Batch{}
		b.Queue("SELECT gateway, until FROM lead FOR UPDATE").QueryRow(into(&holder, &until))
		b.Queue("SELECT " + nowNS).QueryRow(into(&now))
		if err := send(ctx, conn, b); err != nil {
			return err
		}
		held := holder != nil && until > now
		leads = !held || bytes.Equal(holder, g[:])
		if !leads {
			return nil
		}
		holder, until = g[:], metastore.AfterNanos(now, ttl)
		if ttl == 0 {
			leads, holder, until = held, nil, 0
		}
		_, err := conn.Exec(ctx, "UPDATE lead SET gateway = $1, until = $2", holder, until)
		return err
	})
	return leads, err
}
