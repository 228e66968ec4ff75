package blockstoretest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
)

// Queue is a blockstore.Queue in memory, as the metastore keeps one: blocks that
// are said to be collected drop out of it.
type Queue struct {
	mu        sync.Mutex // guards the fields below
	owed      map[string]map[blockstore.ID]bool
	collected map[blockstore.ID]bool
	asked     func() // called at the end of every Repairs
	err       error
}

var _ blockstore.Queue = (*Queue)(nil)

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	return &Queue{owed: map[string]map[blockstore.ID]bool{}, collected: map[blockstore.ID]bool{}}
}

// Collect says that nobody wants a block any more.
func (q *Queue) Collect(id blockstore.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.collected[id] = true
}

// Collected tells which blocks were collected, as blockstore.ScrubOptions wants it.
func (q *Queue) Collected(_ context.Context, ids []blockstore.ID) ([]bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	collected := make([]bool, len(ids))
	for i, id := range ids {
		collected[i] = q.collected[id]
	}
	return collected, q.err
}

// Fail makes every call fail with err, until it is nil.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
}

// Asked has f called when Repairs has made up its answer.
func (q *Queue) Asked(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = f
}

// Owed tells how many repairs are in the queue.
func (q *Queue) Owed() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, ids := range q.owed {
		n += len(ids)
	}
	return n
}

func (q *Queue) failure() error {
	if q.err == nil {
		return nil
	}
	return fmt.Errorf("queue: %w", q.err)
}

// AddRepairs implements blockstore.Queue.
func (q *Queue) AddRepairs(ctx context.Context, member string, ids []blockstore.ID) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := q.failure(); err != nil {
		return err
	}
	if q.owed[member] == nil {
		q.owed[member] = map[blockstore.ID]bool{}
	}
	for _, id := range ids {
		q.owed[member][id] = true
	}
	return nil
}

// Repairs implements blockstore.Queue.
func (q *Queue) Repairs(ctx context.Context, member string, after blockstore.ID, limit int) ([]blockstore.ID, error) {
	ids, asked, err := q.repairs(ctx, member, after, limit)
	if asked != nil {
		asked()
	}
	return ids, err
}

func (q *Queue) repairs(ctx context.Context, member string, after blockstore.ID, limit int) ([]blockstore.ID, func(), error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := q.failure(); err != nil {
		return nil, nil, err
	}
	var ids []blockstore.ID
	for id := range q.owed[member] {
		switch {
		case q.collected[id]:
			delete(q.owed[member], id)
		case bytes.Compare(id[:], after[:]) > 0:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b blockstore.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids[:min(len(ids), limit)], q.asked, nil
}

// EndRepairs implements blockstore.Queue.
func (q *Queue) EndRepairs(_ context.Context, member string, ids []blockstore.ID) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.failure(); err != nil {
		return err
	}
	for _, id := range ids {
		delete(q.owed[member], id)
	}
	return nil
}

// CountRepairs implements blockstore.Queue.
func (q *Queue) CountRepairs(context.Context) (map[string]int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := map[string]int64{}
	for member, ids := range q.owed {
		if len(ids) > 0 {
			counts[member] = int64(len(ids))
		}
	}
	return counts, q.failure()
}
