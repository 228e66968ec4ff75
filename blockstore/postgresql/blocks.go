package postgresql

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Put implements blockstore.Store. A block that is there already stays as it is.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := blockstore.CheckPut("postgresql", id, data); err != nil {
		return err
	}
	return s.exec(ctx, "put", id.String(), `INSERT INTO blockstore_block (id, data) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, id[:], notNull(data))
}

// notNull makes no bytes an empty value, not NULL.
func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// exec runs a statement without rows, and returns when it is committed.
func (s *Store) exec(ctx context.Context, op, object, sql string, args ...any) error {
	r, err := s.begin(ctx, op, object)
	if err != nil {
		return err
	}
	defer r.end()
	_, err = s.pool.Exec(r.ctx, sql, args...)
	return r.failed(err)
}

// row reads one row; NotExist if there is none.
func (s *Store) row(ctx context.Context, op, object string, into any, sql string, args ...any) error {
	r, err := s.begin(ctx, op, object)
	if err != nil {
		return err
	}
	defer r.end()
	return r.failed(s.pool.QueryRow(r.ctx, sql, args...).Scan(into))
}

// Get implements blockstore.Store.
func (s *Store) Get(ctx context.Context, id blockstore.ID) (data []byte, err error) {
	err = s.row(ctx, "get", id.String(), &data, `SELECT data FROM blockstore_block WHERE id = $1`, id[:])
	if err != nil {
		return nil, err
	}
	return data, nil
}

// GetRange implements blockstore.RangeGetter.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) (data []byte, err error) {
	if err := blockstore.CheckRange("postgresql", off, n); err != nil {
		return nil, err
	}
	off = min(off, blockstore.MaxBlock) // where nothing is
	n = min(n, blockstore.MaxBlock)
	err = s.row(ctx, "get", id.String(), &data, `SELECT substring(data FROM $2 FOR $3) FROM blockstore_block WHERE id = $1`, id[:], int32(off+1), int32(n))
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	info := blockstore.Info{ID: id}
	err := s.row(ctx, "stat", id.String(), &info.Size, `SELECT octet_length(data) FROM blockstore_block WHERE id = $1`, id[:])
	if err != nil {
		return blockstore.Info{}, err
	}
	return info, nil
}

// Delete implements blockstore.Store. The space comes back by the server's
// autovacuum.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	return s.exec(ctx, "delete", id.String(), `DELETE FROM blockstore_block WHERE id = $1`, id[:])
}

// List implements blockstore.Store, a thousand blocks a query. It holds no
// connection between two of them.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	const perPage = 1000
	return func(yield func(blockstore.Info, error) bool) {
		for {
			infos, err := s.infos(ctx, "list", `SELECT id, octet_length(data) FROM blockstore_block WHERE id > $1 ORDER BY id LIMIT $2`, after[:], perPage)
			if err != nil {
				yield(blockstore.Info{}, err)
				return
			}
			for _, info := range infos {
				if !yield(info, nil) {
					return
				}
				after = info.ID
			}
			if len(infos) < perPage {
				return
			}
		}
	}
}

// infos reads rows of id and size.
func (s *Store) infos(ctx context.Context, op, sql string, args ...any) ([]blockstore.Info, error) {
	r, err := s.begin(ctx, op, "blocks")
	if err != nil {
		return nil, err
	}
	defer r.end()
	rows, err := s.pool.Query(r.ctx, sql, args...)
	if err != nil {
		return nil, r.failed(err)
	}
	var odd error
	infos, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (info blockstore.Info, err error) {
		var id []byte
		if err := row.Scan(&id, &info.Size); err != nil {
			return info, err
		}
		if len(id) != len(info.ID) {
			odd = fmt.Errorf("%s: an id of %d bytes: %w", r.what, len(id), kind.Corrupt)
			return info, odd
		}
		info.ID = blockstore.ID(id)
		return info, nil
	})
	if odd != nil {
		return nil, odd
	}
	return infos, r.failed(err)
}

// perBatch bounds the ids of one statement.
const perBatch = 1000

// DeleteBatch implements blockstore.BatchDeleter. Rows are locked in the order
// of their ids, so that two batches wait for each other instead of dying.
func (s *Store) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	for len(ids) > 0 {
		n := min(len(ids), perBatch)
		err := s.exec(ctx, "delete", fmt.Sprintf("%d blocks", n), `DELETE FROM blockstore_block WHERE id IN
			(SELECT id FROM blockstore_block WHERE id = ANY($1) ORDER BY id FOR UPDATE)`, bytea(ids[:n]))
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// bytea is ids as an array for PostgreSQL.
func bytea(ids []blockstore.ID) [][]byte {
	array := make([][]byte, len(ids))
	for i := range ids {
		array[i] = ids[i][:]
	}
	return array
}

// StatBatch implements blockstore.BatchStater.
func (s *Store) StatBatch(ctx context.Context, ids []blockstore.ID) ([]blockstore.Info, []error) {
	infos, errs := make([]blockstore.Info, len(ids)), make([]error, len(ids))
	for start := 0; start < len(ids); start += perBatch {
		end := min(start+perBatch, len(ids))
		s.statBatch(ctx, ids[start:end], infos[start:end], errs[start:end])
	}
	return infos, errs
}

func (s *Store) statBatch(ctx context.Context, ids []blockstore.ID, infos []blockstore.Info, errs []error) {
	found, err := s.infos(ctx, "stat", `SELECT id, octet_length(data) FROM blockstore_block WHERE id = ANY($1)`, bytea(ids))
	there := make(map[blockstore.ID]blockstore.Info, len(found))
	for _, info := range found {
		there[info.ID] = info
	}
	for i, id := range ids {
		info, ok := there[id]
		switch {
		case err != nil:
			errs[i] = err
		case !ok:
			errs[i] = fmt.Errorf("postgresql: stat %v: %w", id, kind.NotExist)
		default:
			infos[i] = info
		}
	}
}

// Marker implements blockstore.Marker.
func (s *Store) Marker(ctx context.Context) (data []byte, err error) {
	err = s.row(ctx, "get", "the marker", &data, `SELECT data FROM blockstore_marker`)
	if errors.Is(err, kind.NotExist) {
		return nil, nil
	}
	return data, err
}

// SetMarker implements blockstore.Marker.
func (s *Store) SetMarker(ctx context.Context, data []byte) error {
	if err := blockstore.CheckMarkerSize(data); err != nil {
		return err
	}
	return s.exec(ctx, "put", "the marker", `INSERT INTO blockstore_marker (data) VALUES ($1) ON CONFLICT (one) DO UPDATE SET data = EXCLUDED.data`, data)
}
