package array

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The time that members are given to finish a write that is complete without
// them, before it is noted that they owe it: as long again as the others took,
// within these bounds.
const (
	minLinger = 100 * time.Millisecond
	maxLinger = 2 * time.Second
)

// maxWrites is how many writes may be under way at one member that nobody waits
// for any more: beyond them it is not asked, so that a hung member doesn't hold
// ever more memory.
const maxWrites = 16

// write is one block on its way to all members.
type write struct {
	a       *Array
	id      blockstore.ID
	need    int
	left    atomic.Int64 // members that have not answered
	ended   func()       // called when none is left
	done    chan Answer[struct{}]
	pending map[int]bool
	failed  []Answer[struct{}]
	stored  int
}

// Write has every member store its part of a block, and returns when need of
// them have: nil then means that the part of each other member is durably noted
// as owed. release is called when no member refers to its part any more, which
// may be after Write returned.
func (a *Array) Write(ctx context.Context, id blockstore.ID, need int, put func(ctx context.Context, i int, s blockstore.Store) error, release func()) error {
	base, cancel := context.WithTimeoutCause(a.life, a.o.WriteTimeout, errLate)
	w := &write{
		a: a, id: id, need: need, pending: map[int]bool{}, done: make(chan Answer[struct{}], len(a.members)),
		ended: func() { cancel(); release() },
	}
	w.left.Store(int64(len(a.members)))
	unfollow := context.AfterFunc(ctx, cancel)
	defer unfollow()
	w.start(base, put)
	if err := w.wait(ctx); err != nil {
		// What has begun at other members ends there, unless the caller gave up:
		// whoever tries again finds it done, and half a block is of no use.
		if ctx.Err() == nil {
			unfollow()
		}
		return fmt.Errorf("%v: put %v: %w", a.level, id, err)
	}
	if len(w.pending)+len(w.failed) == 0 {
		return nil
	}
	unfollow() // whoever gives up now doesn't end the writes that go on
	if err := w.owe(ctx); err != nil {
		return fmt.Errorf("%v: put %v: note what members owe: %w", a.level, id, err)
	}
	return nil
}

// start starts the write at every member. Where all are needed, somebody waits
// for each.
func (w *write) start(ctx context.Context, put func(context.Context, int, blockstore.Store) error) {
	for i, m := range w.a.members {
		w.pending[i] = true
		if m.writes.Add(1) > maxWrites && w.need < len(w.a.members) {
			w.finish(i, fmt.Errorf("member %s: %d writes are under way: %w", m.name, maxWrites, kind.Unavailable))
			continue
		}
		w.a.work.Go(func() {
			w.finish(i, w.a.Store(ctx, i, func(ctx context.Context, s blockstore.Store) error { return put(ctx, i, s) }))
		})
	}
}

// finish takes the answer of a member.
func (w *write) finish(i int, err error) {
	w.a.members[i].writes.Add(-1)
	w.done <- Answer[struct{}]{Member: i, Err: err}
	if w.left.Add(-1) == 0 {
		w.ended()
	}
}

// wait returns nil once enough members have stored the block, and the others
// have failed or had their time.
func (w *write) wait(ctx context.Context) error {
	begin := time.Now()
	var enough <-chan time.Time
	for len(w.pending) > 0 {
		select {
		case ans := <-w.done:
			delete(w.pending, ans.Member)
			if ans.Err != nil {
				w.failed = append(w.failed, ans)
			} else {
				w.stored++
			}
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		if w.stored+len(w.pending) < w.need {
			return w.refused(ctx)
		}
		if w.stored >= w.need && enough == nil && len(w.pending) > 0 {
			linger := time.NewTimer(min(max(time.Since(begin), minLinger), maxLinger))
			defer linger.Stop()
			enough = linger.C
		}
	}
	return nil
}

// refused is the error of a write that too few members took.
func (w *write) refused(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result := kind.Unavailable
	for _, f := range w.failed {
		switch k := kind.Of(f.Err); k {
		case kind.NoSpace, kind.Denied, kind.TooLarge, kind.Invalid, kind.Corrupt:
			result = k
		}
	}
	return fmt.Errorf("%w: %w", result, because(errorsOf(w.failed)...))
}

// owe notes what members owe of a write that is complete without them, and takes
// it back for those that finish after all.
func (w *write) owe(ctx context.Context) error {
	owing := make([]int, 0, len(w.pending)+len(w.failed))
	for _, f := range w.failed {
		owing = append(owing, f.Member)
	}
	for i := range w.pending {
		owing = append(owing, i)
	}
	if err := w.a.owed.add(ctx, w.id, owing); err != nil {
		return err
	}
	if left := len(w.pending); left > 0 {
		w.a.work.Go(func() {
			for range left {
				if ans := <-w.done; ans.Err == nil {
					w.a.owed.paid(w.a.life, ans.Member, w.id)
				}
			}
		})
	}
	return nil
}
