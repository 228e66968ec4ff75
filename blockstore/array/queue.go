package array

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
)

// owed brings what members owe to the queue, many blocks at a time.
type owed struct {
	a *Array

	mu   sync.Mutex // guards the fields below
	next *batch     // collects while another is being written
	busy bool       // one is being written
}

// batch is what one visit to the queue writes.
type batch struct {
	ids  map[int][]blockstore.ID // by member
	done chan struct{}           // closed when err is final
	err  error
}

func newBatch() *batch {
	return &batch{ids: map[int][]blockstore.ID{}, done: make(chan struct{})}
}

// add notes that members owe a block, and returns when that is durable.
func (o *owed) add(ctx context.Context, id blockstore.ID, members []int) error {
	o.mu.Lock()
	if o.next == nil {
		o.next = newBatch()
	}
	b := o.next
	for _, i := range members {
		b.ids[i] = append(b.ids[i], id)
	}
	if !o.busy {
		o.busy = true
		o.a.work.Go(o.run)
	}
	o.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes batches until there is none.
func (o *owed) run() {
	for {
		o.mu.Lock()
		b := o.next
		o.next = nil
		if b == nil {
			o.busy = false
		}
		o.mu.Unlock()
		if b == nil {
			return
		}
		for i, ids := range b.ids {
			if b.err = o.a.queue.AddRepairs(o.a.life, o.a.members[i].key, ids); b.err != nil {
				break
			}
		}
		close(b.done)
		o.a.wake(o.a.drains)
	}
}

// paid takes a block off the queue. If that doesn't work, a repair finds nothing
// to do.
func (o *owed) paid(ctx context.Context, member int, id blockstore.ID) {
	_ = o.a.queue.EndRepairs(ctx, o.a.members[member].key, []blockstore.ID{id})
}

// memoryQueue is the queue of an array without one: it forgets what is owed when
// the process ends, and takes every block as wanted.
type memoryQueue struct {
	mu   sync.Mutex // guards owed
	owed map[string]map[blockstore.ID]bool
}

func (q *memoryQueue) AddRepairs(_ context.Context, member string, ids []blockstore.ID) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.owed[member] == nil {
		q.owed[member] = map[blockstore.ID]bool{}
	}
	for _, id := range ids {
		q.owed[member][id] = true
	}
	return nil
}

func (q *memoryQueue) Repairs(_ context.Context, member string, after blockstore.ID, limit int) ([]blockstore.ID, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ids []blockstore.ID
	for id := range q.owed[member] {
		if bytes.Compare(id[:], after[:]) > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b blockstore.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids[:min(len(ids), limit)], nil
}

func (q *memoryQueue) EndRepairs(_ context.Context, member string, ids []blockstore.ID) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		delete(q.owed[member], id)
	}
	return nil
}

func (q *memoryQueue) CountRepairs(context.Context) (map[string]int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	counts := map[string]int64{}
	for member, ids := range q.owed {
		if len(ids) > 0 {
			counts[member] = int64(len(ids))
		}
	}
	return counts, nil
}

func (q *memoryQueue) Fates(_ context.Context, ids []blockstore.ID) ([]blockstore.Fate, error) {
	return slices.Repeat([]blockstore.Fate{blockstore.FateLive}, len(ids)), nil
}
