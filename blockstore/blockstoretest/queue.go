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
	mu    sync.Mutex // guards the fields below
	owed  map[string]map[blockstore.ID]bool
	fates map[blockstore.ID]blockstore.Fate // but live
	err   error
}

var _ blockstore.Queue = (*Queue)(nil)

// NewQueue returns an empty queue, to which every block is live.
func NewQueue() *Queue {
	return &Queue{owed: map[string]map[blockstore.ID]bool{}, fates: map[blockstore.ID]blockstore.Fate{}}
}

// Set says what has become of a block.
func (q *Queue) Set(id blockstore.ID, fate blockstore.Fate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fates[id] = fate
}

// Collect says that nobody wants a block any more.
func (q *Queue) Collect(id blockstore.ID) { q.Set(id, blockstore.FateCollected) }

// fate is what is known about a block. The lock is held.
func (q *Queue) fate(id blockstore.ID) blockstore.Fate {
	if f, ok := q.fates[id]; ok {
		return f
	}
	return blockstore.FateLive
}

// Fates implements blockstore.Queue.
func (q *Queue) Fates(ctx context.Context, ids []blockstore.ID) ([]blockstore.Fate, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fates := make([]blockstore.Fate, len(ids))
	for i, id := range ids {
		fates[i] = q.fate(id)
	}
	return fates, q.failure()
}

// Fail makes every call fail with err, until it is nil.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
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
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := q.failure(); err != nil {
		return nil, err
	}
	var ids []blockstore.ID
	for id := range q.owed[member] {
		switch {
		case !q.fate(id).Wanted():
			delete(q.owed[member], id)
		case bytes.Compare(id[:], after[:]) > 0:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b blockstore.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids[:min(len(ids), limit)], nil
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
