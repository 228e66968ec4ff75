package postgres

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// view is a read transaction (REPEATABLE READ) on a connection of its own.
//
// Every change that it does not see must get a seen time at or after the view's,
// also one of another gateway that is running while the view is opened. So each
// transaction that writes shares a lock (session.go) before it asks for the time,
// until its end; a view is opened under that lock alone, when no such transaction
// runs: what began before is seen, what begins after asks for the time later. And
// the view's time is written down, so that no later time is less, even if
// somebody sets the clock of the machine back.
type view struct {
	s   *Store
	seq uint64
	at  int64

	mu   sync.Mutex // guards the connection
	conn *pgx.Conn  // nil: closed
}

// pageRows is how many rows an iteration reads at a time.
const pageRows = 512

// The exclusive lock waits at most viewLockTimeout at a time, since those who want
// to write wait behind it, and then lets them pass for longer than that. In all, a
// view waits longer than a session may hold locks and say nothing (idleTimeout).
const (
	viewLockTimeout  = "100ms"
	viewLockPause    = 200 * time.Millisecond // to 400
	viewLockAttempts = 80
)

// Snapshot implements metastore.Collector.
func (c *collector) Snapshot(ctx context.Context) (metastore.View, error) {
	v, err := c.s.openView(ctx)
	if err != nil {
		return nil, failed(ctx, "open a view", err)
	}
	return v, nil
}

func (s *Store) openView(ctx context.Context) (*view, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	conn, err := s.c.dial(ctx, viewIdleTimeout)
	if err != nil {
		return nil, err
	}
	v := &view{s: s, conn: conn}
	if err := v.open(ctx); err != nil {
		closeConn(conn)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		closeConn(conn)
		return nil, fmt.Errorf("postgres: %w", kind.Closed)
	}
	s.views[v] = true
	return v, nil
}

func (v *view) open(ctx context.Context) error {
	var err error
	for range viewLockAttempts {
		b := &pgx.Batch{}
		b.Queue("begin")
		b.Queue("SELECT set_config('lock_timeout', $1, true)", viewLockTimeout)
		b.Queue("SELECT pg_advisory_lock($1, $2)", v.s.key, lockView) // the session's: it outlives the transaction
		b.Queue("UPDATE clock SET newest = now_ns(newest) RETURNING newest").QueryRow(into(&v.at))
		b.Queue("commit")
		if err = send(ctx, v.conn, b); codeOf(err) != lockNotAvailable || !sleep(ctx, viewLockPause+rand.N(viewLockPause)) {
			break
		}
	}
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	b.Queue("begin isolation level repeatable read read only")
	b.Queue(newest).QueryRow(into(&v.seq)) // the first query fixes what is seen
	b.Queue("SELECT pg_advisory_unlock($1, $2)", v.s.key, lockView)
	return send(ctx, v.conn, b)
}

// Seq implements metastore.View.
func (v *view) Seq() uint64 { return v.seq }

// Time implements metastore.View.
func (v *view) Time() time.Time { return timeOf(v.at) }

// Close implements metastore.View.
func (v *view) Close() error {
	v.s.mu.Lock()
	delete(v.s.views, v)
	v.s.mu.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn != nil {
		closeConn(v.conn)
		v.conn = nil
	}
	return nil
}

// closeViews closes what is left open when the store closes.
func (s *Store) closeViews() {
	s.mu.Lock()
	var open []*view
	for v := range s.views {
		open = append(open, v)
	}
	s.mu.Unlock()
	for _, v := range open {
		_ = v.Close() // it gives no error
	}
}

// oldestView is the smallest seq of an open view of this gateway, or else.
func (s *Store) oldestView(otherwise uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.views {
		otherwise = min(otherwise, v.seq)
	}
	return otherwise
}

// use runs fn with the view's connection. A caller that gives up is not heard in
// the middle of a query: that would end the view, and queries are short.
func (v *view) use(ctx context.Context, op string, fn func(context.Context, *pgx.Conn) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.conn == nil {
		return fmt.Errorf("postgres: view: %w", kind.Closed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("postgres: view: %w: %w", kind.Canceled, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.s.callTimeout)
	defer cancel()
	err := fn(ctx, v.conn)
	if err == nil {
		return nil
	}
	return failed(context.WithoutCancel(ctx), "view: "+op, err)
}

// Slots implements metastore.Reader.
func (v *view) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = v.use(ctx, "read slots", func(ctx context.Context, c *pgx.Conn) (err error) {
		recs, err = readSlots(ctx, c, ids, v.seq)
		return err
	})
	return recs, err
}

// Nodes implements metastore.Reader.
func (v *view) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = v.use(ctx, "read nodes", func(ctx context.Context, c *pgx.Conn) (err error) {
		data, err = readNodes(ctx, c, ids)
		return err
	})
	return data, err
}

// IsRoot implements metastore.Reader.
func (v *view) IsRoot(ctx context.Context, ids []metastore.SlotID) (is []bool, err error) {
	err = v.use(ctx, "read roots", func(ctx context.Context, c *pgx.Conn) (err error) {
		is, err = readRoots(ctx, c, ids)
		return err
	})
	return is, err
}

// pages yields the rows of a query that takes the last row's id as $1, args, and
// pageRows, in the order of ids. scan also tells whether a row is to be yielded.
func pages[R any](ctx context.Context, v *view, op, sql string, scan func(row pgx.CollectableRow, r *R) (id []byte, ok bool, err error), args ...any) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		after := []byte{}
		for {
			var page []R
			rows := 0
			err := v.use(ctx, op, func(ctx context.Context, c *pgx.Conn) error {
				return query(ctx, c, func(row pgx.CollectableRow) error {
					var r R
					id, ok, err := scan(row, &r)
					if ok {
						page = append(page, r)
					}
					after = id
					rows++
					return err
				}, sql, slices.Concat([]any{after}, args, []any{pageRows})...)
			})
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if rows < pageRows {
				return
			}
		}
	}
}

// AllSlots implements metastore.View.
func (v *view) AllSlots(ctx context.Context) iter.Seq2[metastore.Record, error] {
	return v.SlotsAt(ctx, v.seq)
}

// SlotsAt implements metastore.View.
func (v *view) SlotsAt(ctx context.Context, seq uint64) iter.Seq2[metastore.Record, error] {
	const sql = "SELECT s.id, r.seq, r.epoch, r.ver, s.owner, r.rec FROM (SELECT * FROM slot WHERE id > $1 ORDER BY id LIMIT $3) AS s LEFT JOIN " +
		newestRecord + " ON true ORDER BY s.id"
	return pages(ctx, v, "read all slots", sql, func(row pgx.CollectableRow, r *metastore.Record) (id []byte, there bool, err error) {
		var seq, epoch, ver *int64
		var owner []byte
		if err := row.Scan(&id, &seq, &epoch, &ver, &owner, &r.Bytes); err != nil {
			return nil, false, err
		}
		if seq == nil {
			return id, false, nil
		}
		s := slotRow{Record: metastore.Record{Seq: uint64(*seq), Epoch: uint32(*epoch), Version: uint64(*ver), Bytes: r.Bytes}}
		err = s.identify(id, owner)
		*r = s.Record
		return id, true, err
	}, int64(min(seq, v.seq)))
}

// AllRoots implements metastore.View.
func (v *view) AllRoots(ctx context.Context) iter.Seq2[metastore.Root, error] {
	return pages(ctx, v, "read all roots", "SELECT id, sealed, source, seen FROM root WHERE id > $1 ORDER BY id LIMIT $2",
		func(row pgx.CollectableRow, r *metastore.Root) (id []byte, ok bool, err error) {
			id, err = scanRoot(row, r)
			return id, true, err
		})
}

func scanRoot(row pgx.CollectableRow, r *metastore.Root) (id []byte, err error) {
	var seen int64
	if err := row.Scan(&id, &r.Sealed, &r.Source, &seen); err != nil {
		return nil, err
	}
	r.Seen = timeOf(seen)
	return id, setID(r.ID[:], id, "root")
}

// AllBlocks implements metastore.View.
func (v *view) AllBlocks(ctx context.Context) iter.Seq2[metastore.Block, error] {
	return pages(ctx, v, "read all blocks", "SELECT "+blockColumns+" FROM blk WHERE id > $1 ORDER BY id LIMIT $2",
		func(row pgx.CollectableRow, b *metastore.Block) (id []byte, ok bool, err error) {
			*b, err = scanBlock(row)
			return b.ID[:], true, err
		})
}

// LiveDrafts implements metastore.View.
func (v *view) LiveDrafts(ctx context.Context) (map[metastore.DraftID]bool, error) {
	live := map[metastore.DraftID]bool{}
	err := v.use(ctx, "read drafts", func(ctx context.Context, c *pgx.Conn) error {
		return query(ctx, c, func(row pgx.CollectableRow) error {
			var id []byte
			if err := row.Scan(&id); err != nil {
				return err
			}
			var d metastore.DraftID
			err := setID(d[:], id, "draft")
			live[d] = true
			return err
		}, "SELECT id FROM draft WHERE lease > $1", v.at)
	})
	if err != nil {
		return nil, err
	}
	return live, nil
}

// Pins implements metastore.View.
func (v *view) Pins(ctx context.Context) (pins []metastore.Pin, err error) {
	err = v.use(ctx, "read pins", func(ctx context.Context, c *pgx.Conn) (err error) {
		pins, err = readPins(ctx, c, v.at)
		return err
	})
	return pins, err
}

// readPins reads the pins that hold at a time.
func readPins(ctx context.Context, q querier, at int64) (pins []metastore.Pin, err error) {
	err = query(ctx, q, func(row pgx.CollectableRow) error {
		p, err := scanPin(row)
		pins = append(pins, p)
		return err
	}, "SELECT seq, until, why FROM pin WHERE until > $1 ORDER BY seq", at)
	return pins, err
}

func scanPin(row pgx.CollectableRow) (p metastore.Pin, err error) {
	var until int64
	err = row.Scan(&p.Seq, &until, &p.Why)
	p.Until = timeOf(until)
	return p, err
}

// Charged implements metastore.View.
func (v *view) Charged(ctx context.Context, root metastore.SlotID) (files, bytes int64, err error) {
	err = v.use(ctx, "read counters", func(ctx context.Context, c *pgx.Conn) (err error) {
		files, bytes, err = readCharged(ctx, c, root)
		return err
	})
	return files, bytes, err
}

// Usage implements metastore.View.
func (v *view) Usage(ctx context.Context) (blocks, bytes int64, err error) {
	err = v.use(ctx, "read the usage", func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT coalesce(sum(blocks), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM total").Scan(&blocks, &bytes)
	})
	return blocks, bytes, err
}
