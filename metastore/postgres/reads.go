package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/metastore"
)

// The point reads, each one round trip on whatever connection: the store's, a
// view's or a running transaction's.

// querier is a connection, or a transaction on one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// query runs one query; fn is called with each row.
func query(ctx context.Context, q querier, fn func(pgx.CollectableRow) error, sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readSlots reads the newest records up to a seq.
func readSlots(ctx context.Context, q querier, ids []metastore.SlotID, seq uint64) ([]metastore.Record, error) {
	found := make(map[metastore.SlotID]metastore.Record, len(ids))
	var r slotRow
	err := query(ctx, q, func(row pgx.CollectableRow) error {
		if err := r.scan(row); err != nil {
			return err
		}
		found[r.ID] = r.Record
		return nil
	}, "SELECT "+slotColumns+" FROM slot s, "+newestRecord+" WHERE s.id = ANY($1)", idArray(ids), int64(seq))
	if err != nil {
		return nil, err
	}
	return inOrder(ids, found, func(id metastore.SlotID) metastore.Record { return metastore.Record{ID: id} }, copyOf), nil
}

// anySeq is above every commit's.
const anySeq = math.MaxInt64

func readNodes(ctx context.Context, q querier, ids []metastore.ID) ([][]byte, error) {
	found := make(map[metastore.ID][]byte, len(ids))
	err := query(ctx, q, func(row pgx.CollectableRow) error {
		var id, data []byte
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		var key metastore.ID
		if err := setID(key[:], id, "node"); err != nil {
			return err
		}
		found[key] = data
		return nil
	}, "SELECT id, data FROM node WHERE id = ANY($1)", idArray(ids))
	if err != nil {
		return nil, err
	}
	return inOrder(ids, found, func(metastore.ID) []byte { return nil },
		func(b []byte) []byte { return append([]byte(nil), b...) }), nil
}

func readRoots(ctx context.Context, q querier, ids []metastore.SlotID) ([]bool, error) {
	found := make(map[metastore.SlotID]bool, len(ids))
	err := query(ctx, q, func(row pgx.CollectableRow) error {
		var id []byte
		if err := row.Scan(&id); err != nil {
			return err
		}
		var key metastore.SlotID
		if err := setID(key[:], id, "root"); err != nil {
			return err
		}
		found[key] = true
		return nil
	}, "SELECT id FROM root WHERE id = ANY($1)", idArray(ids))
	if err != nil {
		return nil, err
	}
	is := make([]bool, len(ids))
	for i, id := range ids {
		is[i] = found[id]
	}
	return is, nil
}

func readCharged(ctx context.Context, q querier, root metastore.SlotID) (files, bytes int64, err error) {
	err = query(ctx, q, func(row pgx.CollectableRow) error { return row.Scan(&files, &bytes) },
		"SELECT files, bytes FROM charge WHERE root = $1 ORDER BY n DESC LIMIT 1", root[:])
	return files, bytes, err
}

// Slots implements metastore.Reader.
func (s *Store) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = s.read(ctx, "read slots", func(ctx context.Context, c *pgx.Conn) (err error) {
		recs, err = readSlots(ctx, c, ids, anySeq)
		return err
	})
	return recs, err
}

// Nodes implements metastore.Reader.
func (s *Store) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = s.read(ctx, "read nodes", func(ctx context.Context, c *pgx.Conn) (err error) {
		data, err = readNodes(ctx, c, ids)
		return err
	})
	return data, err
}

// IsRoot implements metastore.Reader.
func (s *Store) IsRoot(ctx context.Context, ids []metastore.SlotID) (is []bool, err error) {
	err = s.read(ctx, "read roots", func(ctx context.Context, c *pgx.Conn) (err error) {
		is, err = readRoots(ctx, c, ids)
		return err
	})
	return is, err
}

// nowNS is the time of the database, as an expression. It is never less than any
// view's before (view.go).
const nowNS = "(SELECT now_ns(newest) FROM clock)"

// newest is the commit counter.
const newest = "SELECT seq FROM log ORDER BY seq DESC LIMIT 1"

// Seq implements metastore.Store.
func (s *Store) Seq(ctx context.Context) (seq uint64, err error) {
	err = s.read(ctx, "read the newest commit", func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, newest).Scan(&seq)
	})
	return seq, err
}

// Log implements metastore.Store. It answers when every commit of ours whose
// outcome was unknown has one, so that the answer is final.
func (s *Store) Log(ctx context.Context, id metastore.SlotID, after uint64) (recs []metastore.Record, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	err = s.read(ctx, "read the log", func(ctx context.Context, c *pgx.Conn) error {
		recs = recs[:0]
		var r slotRow
		return query(ctx, c, func(row pgx.CollectableRow) error {
			err := r.scan(row)
			recs = append(recs, r.Record)
			return err
		}, "SELECT "+slotColumns+" FROM slot s JOIN record r USING (id) WHERE id = $1 AND r.ver > $2 ORDER BY r.epoch, r.ver",
			id[:], int64(min(after, math.MaxInt64)))
	})
	return recs, err
}

// Charged implements metastore.Store.
func (s *Store) Charged(ctx context.Context, root metastore.SlotID) (files, bytes int64, err error) {
	err = s.read(ctx, "read counters", func(ctx context.Context, c *pgx.Conn) (err error) {
		files, bytes, err = readCharged(ctx, c, root)
		return err
	})
	return files, bytes, err
}

// Identity implements metastore.Store.
func (s *Store) Identity(ctx context.Context) (id metastore.Identity, err error) {
	err = s.read(ctx, "read the identity", func(ctx context.Context, c *pgx.Conn) (err error) {
		id, err = readIdentity(ctx, c)
		return err
	})
	return id, err
}

func readIdentity(ctx context.Context, q querier) (id metastore.Identity, err error) {
	err = query(ctx, q, func(row pgx.CollectableRow) error {
		var uuid, nonce []byte
		if err := row.Scan(&uuid, &nonce); err != nil {
			return err
		}
		if err := setID(id.UUID[:], uuid, "identity"); err != nil {
			return err
		}
		return setID(id.Nonce[:], nonce, "identity")
	}, "SELECT uuid, nonce FROM identity")
	if err == nil && id.UUID == [16]byte{} {
		err = corrupt("table identity is empty")
	}
	return id, err
}

// Blocks implements metastore.Store.
func (s *Store) Blocks(ctx context.Context, ids []metastore.ID) (rows []metastore.Block, err error) {
	err = s.read(ctx, "read blocks", func(ctx context.Context, c *pgx.Conn) error {
		found := make(map[metastore.ID]metastore.Block, len(ids))
		err := query(ctx, c, func(row pgx.CollectableRow) error {
			b, err := scanBlock(row)
			found[b.ID] = b
			return err
		}, "SELECT "+blockColumns+" FROM blk WHERE id = ANY($1)", idArray(ids))
		if err != nil {
			return err
		}
		rows = make([]metastore.Block, len(ids))
		for i, id := range ids {
			rows[i] = found[id]
			rows[i].ID = id
		}
		return nil
	})
	return rows, err
}
