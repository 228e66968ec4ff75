package sqlite

import (
	"context"
	"fmt"
	"runtime"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// reader is a connection for point reads.
type reader struct {
	c *conn
	reads
	begin, commit *stmt
}

func openReader(path string, cacheKiB int) (*reader, error) {
	c, err := openConn(path, exclusiveVFS)
	if err != nil {
		return nil, err
	}
	r := &reader{c: c}
	err = c.exec(settings + fmt.Sprintf("PRAGMA query_only = ON; PRAGMA cache_size = -%d", cacheKiB))
	if err == nil {
		err = r.prepare(c)
	}
	if err == nil {
		err = c.prepareAll([]statement{{&r.begin, "BEGIN"}, {&r.commit, "COMMIT"}})
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return r, nil
}

// readers is a pool of connections, opened when first needed.
type readers struct {
	path string
	free chan *reader // nil stands for one not yet opened
}

func (p *readers) open(path string) {
	p.path = path
	p.free = make(chan *reader, max(4, 2*runtime.GOMAXPROCS(0)))
	for range cap(p.free) {
		p.free <- nil
	}
}

// close waits for all readers to come back.
func (p *readers) close() {
	for range cap(p.free) {
		if r := <-p.free; r != nil {
			r.c.close()
		}
	}
	close(p.free)
}

// use runs fn with a reader: several reads in one transaction if n > 1.
func (p *readers) use(ctx context.Context, n int, fn func(*reads) error) error {
	var r *reader
	var ok bool
	select {
	case r, ok = <-p.free:
	case <-ctx.Done():
		return fmt.Errorf("sqlite: %w: %w", kind.Canceled, ctx.Err())
	}
	if !ok {
		return fmt.Errorf("sqlite: %w", kind.Closed)
	}
	defer func() { p.free <- r }()
	if r == nil {
		var err error
		if r, err = openReader(p.path, readerCache); err != nil {
			return err
		}
	}
	if n <= 1 {
		return fn(&r.reads)
	}
	if err := r.begin.run(); err != nil {
		return err
	}
	err := fn(&r.reads)
	if e := r.commit.run(); err == nil {
		err = e
	}
	return err
}

// readsOnWriter bounds how long a commit may wait for a read.
const readsOnWriter = 8

// read runs fn with the point reads of some connection.
func (s *Store) read(ctx context.Context, n int, fn func(*reads) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	// The writer's page cache is the warmest; while it is idle, reading a little
	// there costs least.
	if n <= readsOnWriter && s.writing.TryLock() {
		defer s.writing.Unlock()
		if s.w.c.db == 0 {
			return fmt.Errorf("sqlite: %w", kind.Closed)
		}
		return fn(&s.w.reads)
	}
	return s.readers.use(ctx, n, fn)
}

// Slots implements metastore.Reader.
func (s *Store) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = s.read(ctx, len(ids), func(r *reads) error {
		recs, err = r.slots(ids)
		return err
	})
	return recs, err
}

// Nodes implements metastore.Reader.
func (s *Store) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = s.read(ctx, len(ids), func(r *reads) error {
		data, err = r.nodes(ids)
		return err
	})
	return data, err
}

// IsRoot implements metastore.Reader.
func (s *Store) IsRoot(ctx context.Context, ids []metastore.SlotID) (is []bool, err error) {
	err = s.read(ctx, len(ids), func(r *reads) error {
		is, err = r.areRoots(ids)
		return err
	})
	return is, err
}

// Log implements metastore.Store.
func (s *Store) Log(ctx context.Context, id metastore.SlotID, after uint64) (recs []metastore.Record, err error) {
	err = s.read(ctx, 2, func(r *reads) error {
		recs, err = r.chain(id, func(rec *metastore.Record) bool { return rec.Version > after })
		return err
	})
	return recs, err
}

// Blocks implements metastore.Store.
func (s *Store) Blocks(ctx context.Context, ids []metastore.ID) (rows []metastore.Block, err error) {
	err = s.read(ctx, len(ids), func(r *reads) error {
		rows, err = r.blocks(ids)
		return err
	})
	return rows, err
}

// Charged implements metastore.Store.
func (s *Store) Charged(ctx context.Context, root metastore.SlotID) (files, bytes int64, err error) {
	err = s.read(ctx, 1, func(r *reads) error {
		files, bytes, err = r.charged(root)
		return err
	})
	return files, bytes, err
}

// Identity implements metastore.Store.
func (s *Store) Identity(ctx context.Context) (id metastore.Identity, err error) {
	err = s.read(ctx, 1, func(r *reads) error {
		id, err = r.identity()
		return err
	})
	return id, err
}

// The reads of many, each as one; a failure gives nothing.

func (r *reads) slots(ids []metastore.SlotID) ([]metastore.Record, error) {
	recs := make([]metastore.Record, len(ids))
	for i, id := range ids {
		var err error
		if recs[i], err = r.slot(id); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

func (r *reads) nodes(ids []metastore.ID) ([][]byte, error) {
	data := make([][]byte, len(ids))
	for i, id := range ids {
		var err error
		if data[i], err = r.node(id); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (r *reads) blocks(ids []metastore.ID) ([]metastore.Block, error) {
	rows := make([]metastore.Block, len(ids))
	for i, id := range ids {
		var err error
		if rows[i], _, err = r.block(id); err != nil {
			return nil, err
		}
		rows[i].ID = id
	}
	return rows, nil
}

func (r *reads) areRoots(ids []metastore.SlotID) ([]bool, error) {
	is := make([]bool, len(ids))
	for i, id := range ids {
		var err error
		if is[i], err = r.isRoot(id); err != nil {
			return nil, err
		}
	}
	return is, nil
}

// transactionReader is what Request.Check reads through.
type transactionReader struct{ r *reads }

func (t transactionReader) Slots(_ context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	return t.r.slots(ids)
}

func (t transactionReader) Nodes(_ context.Context, ids []metastore.ID) ([][]byte, error) {
	return t.r.nodes(ids)
}

func (t transactionReader) IsRoot(_ context.Context, ids []metastore.SlotID) ([]bool, error) {
	return t.r.areRoots(ids)
}
