package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

const pinUpsert = `INSERT INTO pin (seq, until, why) VALUES ($1, $2, $3)
	ON CONFLICT (seq) DO UPDATE SET until = excluded.until, why = excluded.why WHERE excluded.until >= pin.until`

// Pin implements metastore.Collector. It takes the lock of commits: whatever dies
// after the commit that it pins dies after the pin is there to be seen.
func (c *collector) Pin(ctx context.Context, until time.Time, why string) (seq uint64, err error) {
	err = c.s.transact(ctx, "pin", func(ctx context.Context, conn *pgx.Conn, _ int64) error {
		b := &pgx.Batch{}
		b.Queue("SELECT pg_advisory_xact_lock($1, $2)", c.s.key, lockCommit)
		b.Queue(newest).QueryRow(into(&seq))
		if err := send(ctx, conn, b); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, pinUpsert, seq, metastore.Nanos(until), why)
		return err
	})
	return seq, err
}

// PinAt implements metastore.Collector. It locks the floor: a collection raises it
// before, and the pin is refused, or after, and sees the pin.
func (c *collector) PinAt(ctx context.Context, seq uint64, until time.Time, why string) error {
	return c.s.transact(ctx, "pin", func(ctx context.Context, conn *pgx.Conn, now int64) error {
		var floor, last uint64
		var held bool
		b := &pgx.Batch{}
		b.Queue("SELECT floor FROM identity FOR UPDATE").QueryRow(into(&floor))
		b.Queue("SELECT ("+newest+"), EXISTS (SELECT FROM pin WHERE seq = $1 AND until > $2)", int64(min(seq, math.MaxInt64)), now).
			QueryRow(into(&last, &held))
		if err := send(ctx, conn, b); err != nil {
			return err
		}
		switch {
		case seq == 0 || seq > last:
			return fmt.Errorf("postgres: no commit %d to pin: %w", seq, kind.Invalid)
		case seq < floor && !held:
			return fmt.Errorf("postgres: some of commit %d may be gone: %w", seq, kind.Conflict)
		}
		_, err := conn.Exec(ctx, pinUpsert, seq, metastore.Nanos(until), why)
		return err
	})
}

// queueFloor comes before anything is dropped or condemned that the tree as of that
// commit does not need: from then on, what was before can't be pinned.
func queueFloor(b *pgx.Batch, seq uint64) {
	b.Queue("UPDATE identity SET floor = $1 WHERE floor < $1", seq)
}

// Unpin implements metastore.Collector.
func (c *collector) Unpin(ctx context.Context, seq uint64) error {
	return c.s.change(ctx, "unpin", func(b *pgx.Batch) {
		b.Queue("DELETE FROM pin WHERE seq = $1", int64(min(seq, math.MaxInt64)))
	})
}
