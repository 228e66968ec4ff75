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
	mu       sync.Mutex // guards the fields below
	jobs     []*job[T]
	running  int // batches under way
	released int // those of them that let the next begin
	closed   bool
	idle     chan struct{} // closed when nothing runs or waits after Close
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

// depth is how many batches are under way at most.
const depth = 2

// Do has items applied, together with others, by apply, which is the same
// function in every call. It returns when apply has returned. A caller that gives up
// while its items wait gets Canceled, and they are never applied; later it waits for
// the end. After Close it gets Closed. If apply panics, it does so in the goroutine of
// one caller, and the others of the batch get Unavailable: nobody knows how far it came.
//
// The next batch begins when apply returns or, if no other is under way, when it calls
// release: when it has only to wait for what others need not wait for.
func (q *Queue[T]) Do(ctx context.Context, items []T, apply func(items []T, release func())) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", kind.Canceled, err)
	}
	j := &job[T]{items: items, turn: make(chan turn, 1)}
	if err := q.enter(j); err != nil {
		return err
	}
	told, err := q.await(ctx, j)
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
	if q.running == 0 {
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

// Waiting tells how many calls are in no batch yet.
func (q *Queue[T]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs)
}

func (q *Queue[T]) enter(j *job[T]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return kind.Closed
	}
	q.jobs = append(q.jobs, j)
	if len(q.jobs) == 1 {
		q.begin()
	}
	return nil
}

// begin lets the first job that waits lead a batch, if one may begin. The lock is held.
func (q *Queue[T]) begin() {
	if len(q.jobs) > 0 && q.running == q.released && q.running < depth {
		q.running++
		q.jobs[0].turn <- lead
	}
}

// end tells that a batch has ended that did, or didn't, let the next begin before.
func (q *Queue[T]) end(released bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	if released {
		q.released--
	}
	q.begin()
	if q.running == 0 && q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
}

// await waits for the job's turn.
func (q *Queue[T]) await(ctx context.Context, j *job[T]) (turn, error) {
	select {
	case told := <-j.turn:
		return told, nil
	default:
	}
	select {
	case told := <-j.turn:
		return told, nil
	case <-ctx.Done():
	}
	if !q.withdraw(j) {
		return <-j.turn, nil
	}
	select {
	case <-j.turn: // it was told to lead just before it withdrew
		q.end(false)
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

// lead applies one batch, which has the leader's own job in it.
func (q *Queue[T]) lead(apply func([]T, func())) {
	batch := q.take()
	var items []T
	for _, j := range batch {
		items = append(items, j.items...)
	}
	released, outcome := false, broken
	defer func() {
		q.end(released)
		for _, j := range batch {
			j.turn <- outcome
		}
	}()
	apply(items, func() {
		if released {
			return
		}
		released = true
		q.mu.Lock()
		defer q.mu.Unlock()
		q.released++
		q.begin()
	})
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
