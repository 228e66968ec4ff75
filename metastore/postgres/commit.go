package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// op is one request on its way.
type op struct {
	ctx context.Context // its caller's, for Check
	r   *metastore.Request
	err error
	// panicked holds what a callback of the caller's panicked with; it is
	// panicked with again in the caller's own goroutine, whoever led.
	panicked any
}

// Commit implements metastore.Store.
func (s *Store) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	errs := make([]error, len(reqs))
	ops := make([]*op, 0, len(reqs))
	at := make([]int, 0, len(reqs))
	for i, r := range reqs {
		if errs[i] = r.Validate(); errs[i] == nil {
			ops, at = append(ops, &op{ctx: ctx, r: r}), append(at, i)
		}
	}
	if len(ops) == 0 {
		return errs
	}
	err := s.commit(ctx, ops)
	for j, i := range at {
		if errs[i] = ops[j].err; err != nil {
			errs[i] = err
		}
	}
	return errs
}

func (s *Store) commit(ctx context.Context, ops []*op) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if err := s.queue.Do(ctx, ops, s.apply); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	for _, o := range ops {
		if o.panicked != nil {
			panic(o.panicked)
		}
	}
	s.fold(ctx)
	return nil
}

// maxBatch bounds the bytes of a transaction's new nodes: they are held in memory
// once more on either side.
const maxBatch = 16 << 20

// apply commits ops in one transaction, or some more if they are large or some
// build on others.
//
// It lets the next batch begin as soon as it has told the server to commit.
func (s *Store) apply(ops []*op, release func()) {
	for len(ops) > 0 {
		n, size := 0, 0
		for n < len(ops) && (n == 0 || size <= maxBatch) {
			for i := range ops[n].r.Nodes {
				size += len(ops[n].r.Nodes[i].Data)
			}
			n++
		}
		last := n == len(ops)
		ops = ops[s.applyFirst(ops[:n], func() {
			if last {
				release()
			}
		}):]
	}
}

// applyFirst commits the first n of ops in one transaction. Each op's err says how it
// fared: nil only when it is durable. When the transaction as a whole is refused the
// ops are tried each alone, so that nobody fails for what a neighbour asked for.
func (s *Store) applyFirst(ops []*op, sent func()) (n int) {
	n, err := s.applyAll(ops, sent)
	if err == nil {
		return n
	}
	alone := len(ops) > 1 && (answered(err) || errors.Is(err, kind.Corrupt))
	for _, o := range ops {
		if o.err = err; alone {
			o.err = nil
			if _, err := s.applyAll([]*op{o}, func() {}); err != nil {
				o.err = err
			}
		}
	}
	return len(ops)
}

// applyAll applies ops up to the first that builds on a record of another of them,
// and tells how many. It gives an error only if nothing of ops was applied, or
// (Unavailable) nobody knows. It calls sent when COMMIT is on its way.
func (s *Store) applyAll(ops []*op, sent func()) (n int, err error) {
	// The batch is many callers': none of them ends it by giving up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ops[0].ctx), s.callTimeout)
	defer cancel()
	careful := false
	for attempt := range attempts {
		t := &tx{s: s, careful: careful, onSent: sent}
		rand.Read(t.token[:])
		n, err := t.run(ctx, ops)
		switch code := codeOf(err); {
		case err == nil:
			return n, nil
		case code == uniqueViolation || code == divisionByZero:
			// Something was there, or gone, that nobody had reason to look for.
			careful = true
		case passing(err):
		case answered(err) || errors.Is(err, kind.Corrupt):
			return 0, failed(ctx, "commit", err)
		case t.sent:
			if committed, known := s.outcome(ctx, t); committed {
				return n, nil
			} else if !known {
				return 0, fmt.Errorf("postgres: commit: the outcome is unknown: %w: %w", kind.Unavailable, err)
			}
		case attempt > 1:
			// Nothing was sent that could have been applied, but no connection lives.
			return 0, failed(ctx, "commit", err)
		}
		if !pause(ctx, attempt) {
			break
		}
	}
	return 0, fmt.Errorf("postgres: commit: %d attempts met others: %w", attempts, kind.Unavailable)
}

// tx is one attempt to commit a batch: two round trips, the first of which locks
// and reads what the requests name, the second writes and commits.
type tx struct {
	s    *Store
	conn *pgx.Conn
	// careful: look whether the rows that are to be inserted are there already.
	// Ids are hashes or random, so that they are only when a request is repeated.
	careful bool

	now   int64
	base  uint64   // the newest commit when it began
	xid   string   // what the server calls the transaction
	token [16]byte // its name in log
	sent  bool     // the second round trip has begun
	// onSent is told when all of it is on its way.
	onSent func()

	read
	writes

	failed error // of a read by Check: the transaction has ended
}

// run makes the attempt with the first n of ops. An error of the server's means that
// nothing was applied; any other, if t.sent, that nobody knows.
func (t *tx) run(ctx context.Context, ops []*op) (n int, err error) {
	conn, err := t.s.pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	t.conn = conn.Conn()
	if err := t.lockAndRead(ctx, ops); err != nil {
		return 0, err
	}
	defer rollback(t.conn)
	for n < len(ops) && !t.rewrites(ops[n].r) {
		t.call(ctx, ops[n])
		if t.failed != nil {
			return n, t.failed
		}
		n++
	}
	if len(t.commits) == 0 {
		return n, nil
	}
	t.sent = true
	return n, t.writeAndCommit(ctx)
}

// call evaluates one request, and keeps what a callback panics with.
func (t *tx) call(ctx context.Context, o *op) {
	defer func() { o.panicked = recover() }()
	o.err = t.evaluate(ctx, o)
}
