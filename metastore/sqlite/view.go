package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// view is a read transaction on a connection of its own. While it is open, the
// write-ahead log keeps everything that was committed since.
type view struct {
	s   *Store
	seq uint64
	at  int64

	mu sync.Mutex // guards the connection
	r  *reader    // nil: closed
	q  viewQueries
}

type viewQueries struct {
	slots, roots, blocks, drafts, pins, total *stmt
}

func (q *viewQueries) prepare(c *conn) error {
	const page = " WHERE id > ? ORDER BY id LIMIT 256"
	const blocks = " WHERE id > ? AND state IS NOT NULL ORDER BY id LIMIT 256"
	return c.prepareAll([]statement{
		{&q.slots, "SELECT id, seq, epoch, ver, owner, rec FROM slot" + page},
		{&q.roots, "SELECT id, sealed, source, seen FROM root" + page},
		{&q.blocks, "SELECT " + blockColumns + " FROM blk" + blocks},
		{&q.drafts, "SELECT id FROM draft WHERE lease > ?"},
		{&q.pins, pinsSQL},
		{&q.total, "SELECT files, bytes FROM charge WHERE root = x''"},
	})
}

// Snapshot implements metastore.Collector.
func (c *collector) Snapshot(ctx context.Context) (metastore.View, error) {
	s := c.s
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	r, err := openReader(s.path, viewCache)
	if err != nil {
		return nil, err
	}
	v := &view{s: s, r: r}
	if err = v.q.prepare(r.c); err == nil {
		err = v.begin()
	}
	if err != nil {
		r.c.close()
		return nil, err
	}
	return v, nil
}

// begin starts the transaction between two of the writer's: a change that the
// view does not see must have its seen time after the view's, else Condemn
// could hit a block that was linked meanwhile.
func (v *view) begin() error {
	s := v.s
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed.Load() {
		return fmt.Errorf("sqlite: %w", kind.Closed)
	}
	if s.reserve.givenUp() {
		s.renewLog() // all that the log has room for is then for commits beside the view
	}
	v.at = s.timestamp()
	if err := v.r.begin.run(); err != nil {
		return err
	}
	seq, err := v.r.c.queryInt("SELECT max(seq) FROM log") // the first read fixes what is seen
	if err != nil {
		return err
	}
	v.seq = uint64(seq)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.views == nil {
		return fmt.Errorf("sqlite: %w", kind.Closed)
	}
	s.views[v] = true
	return nil
}

// oldestView is the smallest seq of an open view, or else.
func (s *Store) oldestView(otherwise uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.views {
		otherwise = min(otherwise, v.seq)
	}
	return otherwise
}

func (s *Store) hasViews() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.views) > 0
}

// closeViews ends what is left open when the store closes.
func (s *Store) closeViews() {
	s.mu.Lock()
	views := s.views
	s.views = nil
	s.mu.Unlock()
	for v := range views {
		v.end()
	}
}

func (v *view) Seq() uint64     { return v.seq }
func (v *view) Time() time.Time { return timeOf(v.at) }

func (v *view) Close() error {
	v.s.mu.Lock()
	delete(v.s.views, v)
	v.s.mu.Unlock()
	v.end()
	return nil
}

func (v *view) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.r != nil {
		v.r.c.close()
		v.r = nil
	}
}

// use runs fn alone with the view's connection.
func (v *view) use(ctx context.Context, fn func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: view: %w: %w", kind.Canceled, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.r == nil {
		return fmt.Errorf("sqlite: view: %w", kind.Closed)
	}
	return fn()
}

func (v *view) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = v.use(ctx, func() error { recs, err = v.r.slots(ids); return err })
	return recs, err
}

func (v *view) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = v.use(ctx, func() error { data, err = v.r.nodes(ids); return err })
	return data, err
}

func (v *view) IsRoot(ctx context.Context, ids []metastore.SlotID) (is []bool, err error) {
	err = v.use(ctx, func() error { is, err = v.r.areRoots(ids); return err })
	return is, err
}

func (v *view) LiveDrafts(ctx context.Context) (map[metastore.DraftID]bool, error) {
	live := map[metastore.DraftID]bool{}
	err := v.use(ctx, func() error {
		v.q.drafts.setInt(1, v.at)
		for {
			row, err := v.q.drafts.step()
			if err != nil || !row {
				return err
			}
			var id metastore.DraftID
			copy(id[:], v.q.drafts.lent(0))
			live[id] = true
		}
	})
	if err != nil {
		return nil, err
	}
	return live, nil
}

func (v *view) Pins(ctx context.Context) (pins []metastore.Pin, err error) {
	err = v.use(ctx, func() error { pins, err = readPins(v.q.pins, v.at); return err })
	return pins, err
}

const pinsSQL = "SELECT seq, until, why FROM pin WHERE until > ? ORDER BY seq"

func readPins(s *stmt, now int64) (pins []metastore.Pin, err error) {
	s.setInt(1, now)
	for {
		row, err := s.step()
		if err != nil || !row {
			return pins, err
		}
		pins = append(pins, metastore.Pin{Seq: uint64(s.int(0)), Until: timeOf(s.int(1)), Why: string(s.lent(2))})
	}
}

func (v *view) Usage(ctx context.Context) (blocks, size int64, err error) {
	err = v.use(ctx, func() error {
		row, err := v.q.total.step()
		if row {
			blocks, size = v.q.total.int(0), v.q.total.int(1)
			v.q.total.reset()
		}
		return err
	})
	return blocks, size, err
}

func (v *view) Charged(ctx context.Context, root metastore.SlotID) (files, size int64, err error) {
	err = v.use(ctx, func() error { files, size, err = v.r.charged(root); return err })
	return files, size, err
}
