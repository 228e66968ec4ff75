package postgres

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/metastore"
)

// sealedName names a sealed row.
type sealedName struct {
	kind uint8
	key  [32]byte
}

func nameOf(c *metastore.SealedChange) sealedName { return sealedName{c.Kind, c.Key} }

// sealedState is a sealed row as a batch has locked it and makes it.
type sealedState struct {
	stored  uint64 // its rev; zero: absent
	current uint64 // the same; unwritten if the batch writes it
	data    []byte
	by      int // the commit of the batch that writes it; zero: none
}

// unwritten is the rev of a row whose commit has no seq yet: nobody can name it.
const unwritten = math.MaxUint64

// sealedArrays gives names as parameters, in the order in which everybody locks.
func sealedArrays(names []sealedName) (kinds []int16, keys [][]byte) {
	slices.SortFunc(names, func(a, b sealedName) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), bytes.Compare(a.key[:], b.key[:]))
	})
	for _, n := range names {
		kinds, keys = append(kinds, int16(n.kind)), append(keys, bytes.Clone(n.key[:]))
	}
	return kinds, keys
}

// queueSealed locks and reads the sealed rows that the batch names.
func (t *tx) queueSealed(b *pgx.Batch, names map[sealedName]bool) {
	if len(names) == 0 {
		return
	}
	var list []sealedName
	for n := range names {
		t.sealed[n] = &sealedState{}
		list = append(list, n)
	}
	kinds, keys := sealedArrays(list)
	var row metastore.SealedRow
	var kind int16
	var key []byte
	b.Queue("SELECT kind, key, rev FROM sealed WHERE (kind, key) IN (SELECT * FROM unnest($1::smallint[], $2::bytea[])) ORDER BY kind, key FOR UPDATE",
		kinds, keys).Query(each([]any{&kind, &key, &row.Rev}, func() error {
		n := sealedName{kind: uint8(kind)}
		if err := setID(n.key[:], key, "sealed"); err != nil {
			return err
		}
		t.sealed[n] = &sealedState{stored: row.Rev, current: row.Rev}
		return nil
	}))
}

// sealedHold requires that the sealed rows are those that r builds on.
func (t *tx) sealedHold(r *metastore.Request) error {
	for i := range r.Sealed {
		if err := r.Sealed[i].CheckBase(t.sealed[nameOf(&r.Sealed[i])].current); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) noteSealed(r *metastore.Request, by int) {
	for i := range r.Sealed {
		c := &r.Sealed[i]
		st := t.sealed[nameOf(c)]
		st.by, st.data, st.current = by, c.Data, unwritten
		if c.Data == nil {
			st.current = 0
		}
	}
}

// queueSealedRows writes the rows, after those of log, whose seqs they get.
func (t *tx) queueSealedRows(b *pgx.Batch) {
	var fresh, changed, gone []sealedName
	for n, st := range t.sealed {
		switch {
		case st.by == 0, st.stored == 0 && st.data == nil:
		case st.data == nil:
			gone = append(gone, n)
		case st.stored == 0:
			fresh = append(fresh, n)
		default:
			changed = append(changed, n)
		}
	}
	base := int64(len(t.commits)) // behind the newest commit
	if len(gone) > 0 {
		kinds, keys := sealedArrays(gone)
		b.Queue("WITH w AS (DELETE FROM sealed s USING unnest($1::smallint[], $3::bytea[]) AS u(kind, key) WHERE s.kind = u.kind AND s.key = u.key RETURNING 1)"+exactly,
			kinds, len(gone), keys)
	}
	if len(changed) > 0 {
		kinds, keys := sealedArrays(changed)
		by, data := t.sealedValues(changed)
		b.Queue(`WITH w AS (UPDATE sealed s SET rev = (`+newest+`) - $3::bigint + u.n, data = u.data
			FROM unnest($1::smallint[], $4::bytea[], $5::bigint[], $6::bytea[]) AS u(kind, key, n, data)
			WHERE s.kind = u.kind AND s.key = u.key RETURNING 1)`+exactly, kinds, len(changed), base, keys, by, data)
	}
	if len(fresh) > 0 {
		kinds, keys := sealedArrays(fresh)
		by, data := t.sealedValues(fresh)
		b.Queue(`INSERT INTO sealed (kind, key, rev, data) SELECT u.kind, u.key, (`+newest+`) - $1::bigint + u.n, u.data
			FROM unnest($2::smallint[], $3::bytea[], $4::bigint[], $5::bytea[]) AS u(kind, key, n, data)`, base, kinds, keys, by, data)
	}
}

// sealedValues are those of names, which are in order.
func (t *tx) sealedValues(names []sealedName) (by []int64, data [][]byte) {
	for _, n := range names {
		by, data = append(by, int64(t.sealed[n].by)), append(data, t.sealed[n].data)
	}
	return by, data
}

const sealedColumns = "kind, key, rev, data"

func scanSealed(row pgx.CollectableRow) (r metastore.SealedRow, err error) {
	var kind int16
	var key, data []byte
	if err := row.Scan(&kind, &key, &r.Rev, &data); err != nil {
		return r, err
	}
	r.Kind, r.Data = uint8(kind), append([]byte{}, data...)
	return r, setID(r.Key[:], key, "sealed")
}

// SealedRows implements metastore.Store.
func (s *Store) SealedRows(ctx context.Context, kind uint8, after metastore.SealedPlace, limit int) (rows []metastore.SealedRow, err error) {
	if err := metastore.CheckSealedLimit(limit); err != nil {
		return nil, err
	}
	err = s.read(ctx, "read sealed rows", func(ctx context.Context, c *pgx.Conn) error {
		rows = nil
		return query(ctx, c, func(row pgx.CollectableRow) error {
			r, err := scanSealed(row)
			rows = append(rows, r)
			return err
		}, "SELECT "+sealedColumns+" FROM sealed WHERE kind = $1 AND (rev, key) > ($2, $3) ORDER BY rev, key LIMIT $4",
			int16(kind), int64(min(after.Rev, math.MaxInt64)), after.Key[:], limit)
	})
	return rows, err
}

// SealedState implements metastore.Store.
func (s *Store) SealedState(ctx context.Context, kind uint8) (st metastore.SealedState, err error) {
	err = s.read(ctx, "read the state of sealed rows", func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT count(*), coalesce(max(rev), 0) FROM sealed WHERE kind = $1", int16(kind)).Scan(&st.Rows, &st.Newest)
	})
	return st, err
}
