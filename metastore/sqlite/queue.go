package sqlite

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// op is one change waiting for a transaction.
type op struct {
	// run evaluates its conditions before it writes, so that an error other
	// than the database's own means that nothing of it was written.
	run func(*tx) error
	err error
	// panicked holds what a callback of the caller's panicked with; it is
	// panicked with again in the caller's own goroutine, whoever led.
	panicked any
}

// job is the ops of one call.
type job struct {
	ops  []*op
	turn chan bool // true: lead now; false: done
}

// queue holds the jobs that wait for the writer. At any time at most one
// caller, the leader, takes jobs from it.
type queue struct {
	mu      sync.Mutex // guards the fields below
	idle    sync.Cond  // signalled when leading ends; its L is &mu
	jobs    []*job
	leading bool
	closed  bool
}

// batchOps bounds the ops of one transaction, and so how long the first of them waits for the last.
const batchOps = 256

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// close refuses new jobs, waits for those that are queued, and reports whether
// it was the first to close.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	for q.leading {
		q.idle.Wait()
	}
	return true
}

// enter queues a job and reports whether its caller must lead.
func (q *queue) enter(j *job) (lead bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, fmt.Errorf("sqlite: %w", kind.Closed)
	}
	q.jobs = append(q.jobs, j)
	lead = !q.leading
	q.leading = true
	return lead, nil
}

// withdraw takes a job back that no transaction has taken yet.
func (q *queue) withdraw(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, o := range q.jobs {
		if o == j {
			q.jobs = append(q.jobs[:i], q.jobs[i+1:]...)
			return true
		}
	}
	return false
}

// take gives the leader its next batch.
func (q *queue) take() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, ops := 0, 0
	for n < len(q.jobs) && (n == 0 || ops+len(q.jobs[n].ops) <= batchOps) {
		ops += len(q.jobs[n].ops)
		n++
	}
	batch := q.jobs[:n:n]
	q.jobs = q.jobs[n:]
	if len(q.jobs) == 0 {
		q.jobs = nil
	}
	return batch
}

// pass hands the lead to the first job that waits, or ends it.
func (q *queue) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) > 0 {
		q.jobs[0].turn <- true
		return
	}
	q.leading = false
	if q.closed {
		q.idle.Broadcast()
	}
}

// submit runs ops in a transaction with whatever else waits, and returns when
// they are durable or were refused. A caller that gives up before a transaction
// took its ops gets Canceled and nothing was applied; later it waits.
func (s *Store) submit(ctx context.Context, ops ...*op) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: %w: %w", kind.Canceled, err)
	}
	j := &job{ops: ops, turn: make(chan bool, 1)}
	lead, err := s.queue.enter(j)
	if err != nil {
		return err
	}
	if !lead {
		if lead, err = s.await(ctx, j); err != nil {
			return err
		}
	}
	if lead {
		s.lead()
	}
	for _, o := range ops {
		if o.panicked != nil {
			panic(o.panicked)
		}
	}
	return nil
}

// await waits for the job's turn: done, or to lead.
func (s *Store) await(ctx context.Context, j *job) (lead bool, err error) {
	select {
	case lead = <-j.turn:
		return lead, nil
	case <-ctx.Done():
	}
	if !s.queue.withdraw(j) {
		return <-j.turn, nil
	}
	select {
	case <-j.turn: // it was made leader just before it withdrew
		s.queue.pass()
	default:
	}
	return false, fmt.Errorf("sqlite: %w: %w", kind.Canceled, ctx.Err())
}

// lead applies one batch, which has the leader's own job in it, and passes the lead on.
func (s *Store) lead() {
	batch := s.queue.take()
	ops := make([]*op, 0, len(batch))
	for _, j := range batch {
		ops = append(ops, j.ops...)
	}
	s.writing.Lock()
	s.apply(ops)
	s.writing.Unlock()
	s.queue.pass()
	for _, j := range batch {
		j.turn <- false
	}
}
