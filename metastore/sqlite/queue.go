package sqlite

import (
	"context"
	"fmt"
)

// op is one change waiting for a transaction.
type op struct {
	// run evaluates its conditions before it writes, so that an error other
	// than the database's own means that nothing of it was written.
	run func(*tx) error
	// frees: it makes room, or something can't go on without it, and so it may
	// use what is kept for that on a full disk.
	frees bool
	err   error
	// panicked holds what a callback of the caller's panicked with; it is
	// panicked with again in the caller's own goroutine, whoever led.
	panicked any
}

// submit runs ops in a transaction with whatever else waits, and returns when
// they are durable or were refused. A caller that gives up before a transaction
// took its ops gets Canceled and nothing was applied; later it waits.
func (s *Store) submit(ctx context.Context, ops ...*op) error {
	// One transaction at a time: SQLite has one writer.
	err := s.queue.Do(ctx, ops, func(batch []*op, _ func()) {
		s.writing.Lock()
		defer s.writing.Unlock()
		s.apply(batch)
	})
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	for _, o := range ops {
		if o.panicked != nil {
			panic(o.panicked)
		}
	}
	return nil
}
