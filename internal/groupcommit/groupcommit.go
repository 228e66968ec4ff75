// Package groupcommit lets callers who want to commit something at the same time
// share one transaction: while one batch is under way, what arrives waits and
// makes the next.
//
// The first of those who wait applies the batch in its own goroutine, so that a
// caller who is alone pays for no change of goroutine.
package groupcommit

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Queue holds what waits. The zero Queue is ready for use.
type Queue[T any] struct {
	mu      sync.Mutex // guards the fields below
	jobs    []*job[T]
	leading bool // somebody applies a batch
	closed  bool
	idle    chan struct{} // closed when leading ends after Close
}

// job is what one call handed in.
type job[T any] struct {
	items []T
	turn  chan turn
}

// turn is what somebody who waits is told.
type turn uint8

const (
	done   turn = iota + 1
	lead        // apply the next batch
	broken      // apply has panicked
)

// MaxItems bounds a batch, and so how long the first of its items waits for the
// last. A call that hands in more gets a batch of its own.
const MaxItems = 256

// Do has items applied, together with others, by apply, which is the same
// function in every call and is never called twice at the same time. It returns
// when apply has returned. A caller that gives up while its items wait gets
// Canceled, and they are never applied; later it waits for the end. After Close
// it gets Closed. If apply panics, it does so in the goroutine of one caller, and the
// others of the batch get Unavailable: nobody knows how far it came.
func (q *Queue[T]) Do(ctx context.Context, items []T, apply func([]T)) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", kind.Canceled, err)
	}
	j := &job[T]{items: items, turn: make(chan turn, 1)}
	told, err := q.enter(j)
	if err == nil && told != lead {
		told, err = q.await(ctx, j)
	}
	switch {
	case err != nil:
		return err
	case told == lead:
		q.lead(apply)
	case told == broken:
		return fmt.Errorf("the batch was broken off: %w", kind.Unavailable)
	}
	return nil
}

// Close has later calls refused, and waits for those that are queued.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	if !q.leading {
		q.mu.Unlock()
		return
	}
	if q.idle == nil {
		q.idle = make(chan struct{})
	}
	idle := q.idle
	q.mu.Unlock()
	<-idle
}

// Waiting tells how many calls wait for the batch after the one that is under way.
func (q *Queue[T]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

// enter queues a job, and says lead if nobody does.
func (q *Queue[T]) enter(j *job[T]) (turn, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, kind.Closed
	}
	q.jobs = append(q.jobs, j)
	if q.leading {
		return 0, nil
	}
	q.leading = true
	return lead, nil
}

// await waits for the job's turn.
func (q *Queue[T]) await(ctx context.Context, j *job[T]) (turn, error) {
	select {
	case told := <-j.turn:
		return told, nil
	case <-ctx.Done():
	}
	if !q.withdraw(j) {
		return <-j.turn, nil
	}
	select {
	case <-j.turn: // it was made leader just before it withdrew
		q.pass()
	default:
	}
	return 0, fmt.Errorf("%w: %w", kind.Canceled, ctx.Err())
}

// withdraw takes a job back that is in no batch yet.
func (q *Queue[T]) withdraw(j *job[T]) bool {
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

// lead applies one batch, which has the leader's own job in it, and passes the
// lead on.
func (q *Queue[T]) lead(apply func([]T)) {
	batch := q.take()
	var items []T
	for _, j := range batch {
		items = append(items, j.items...)
	}
	outcome := broken
	defer func() {
		q.pass()
		for _, j := range batch {
			j.turn <- outcome
		}
	}()
	apply(items)
	outcome = done
}

// take gives the leader its batch.
func (q *Queue[T]) take() []*job[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, items := 0, 0
	for n < len(q.jobs) && (n == 0 || items+len(q.jobs[n].items) <= MaxItems) {
		items += len(q.jobs[n].items)
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
func (q *Queue[T]) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) > 0 {
		q.jobs[0].turn <- lead
		return
	}
	q.leading = false
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
}
