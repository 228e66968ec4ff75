package postgres

import (
	"context"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/metastore"
)

// What a view shows.

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
