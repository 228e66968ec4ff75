package array

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Answer is what one member answered.
type Answer[T any] struct {
	Member int // index
	Value  T
	Err    error
}

// Order gives the members' indices as they are best asked: those that are in
// use first, by how long the next read of them is expected to take.
func (a *Array) Order() []int {
	type ranked struct {
		i, class int
		cost     time.Duration
	}
	rs := make([]ranked, len(a.members))
	for i, m := range a.members {
		class, cost := m.rank()
		rs[i] = ranked{i, class, cost}
	}
	slices.SortStableFunc(rs, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(x.cost, y.cost))
	})
	order := make([]int, len(rs))
	for i, r := range rs {
		order[i] = r.i
	}
	return order
}

// Gather asks members, in the order given, until want of them have answered
// well: the first want at once, another one for each that fails, and another one
// whenever an answer is late. It returns the good answers and the bad ones that
// came before; with fewer good answers than wanted also an error that sums up the
// bad ones: Unavailable if a member couldn't say, else Corrupt if one had damaged
// bytes, else NotExist. ask must be done with its context when it returns.
func Gather[T any](ctx context.Context, a *Array, order []int, want int, ask func(ctx context.Context, i int, s blockstore.Store) (T, error)) (good, bad []Answer[T], err error) {
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.ReadTimeout, errLate)
	defer cancel()
	answers := make(chan Answer[T], len(order))
	next, asked := 0, 0
	var longest time.Duration
	more := func() bool {
		if next == len(order) {
			return false
		}
		i := order[next]
		next++
		asked++
		longest = max(longest, a.members[i].patience())
		go func() {
			v, err := read(ctx, a, i, ask)
			answers <- Answer[T]{i, v, err}
		}()
		return true
	}
	for asked < want && more() {
	}
	late := time.NewTimer(a.patience(longest))
	defer late.Stop()
	for len(good) < want && asked > len(good)+len(bad) {
		select {
		case got := <-answers:
			if got.Err == nil {
				good = append(good, got)
				continue
			}
			bad = append(bad, got)
			more()
		case <-late.C:
			if more() {
				late.Reset(a.patience(longest))
			}
		case <-ctx.Done():
			return good, bad, a.sum(outer, errorsOf(bad), true)
		}
	}
	if len(good) < want {
		return good, bad, a.sum(outer, errorsOf(bad), false)
	}
	return good, bad, nil
}

// patience is after how long another member is asked.
func (a *Array) patience(estimate time.Duration) time.Duration {
	if a.o.HedgeAfter > 0 {
		return a.o.HedgeAfter
	}
	return estimate
}

// Patience is how long a read of member i may take before another way is tried.
func (a *Array) Patience(i int) time.Duration { return a.patience(a.members[i].patience()) }

// Ask reads from one member, whose speed is learnt from that.
func Ask[T any](ctx context.Context, a *Array, i int, ask func(ctx context.Context, i int, s blockstore.Store) (T, error)) (T, error) {
	return read(ctx, a, i, ask)
}

// Either tries one way to read, and a second one when the first fails or is
// late, and gives the first good answer. firstErr is why the first failed, if it
// did before the second was good.
func Either[T any](ctx context.Context, a *Array, late time.Duration, first, second func(ctx context.Context) (T, error)) (v T, firstErr, err error) {
	type answer struct {
		v     T
		err   error
		first bool
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, 2)
	try := func(isFirst bool, way func(context.Context) (T, error)) {
		go func() {
			v, err := way(ctx)
			answers <- answer{v, err, isFirst}
		}()
	}
	try(true, first)
	timer := time.NewTimer(late)
	defer timer.Stop()
	asked, errs := 1, []error(nil)
	for len(errs) < asked {
		select {
		case got := <-answers:
			if got.err == nil {
				return got.v, firstErr, nil
			}
			if errs = append(errs, got.err); got.first {
				firstErr = got.err
			}
		case <-timer.C:
		}
		if asked == 1 {
			try(false, second)
			asked = 2
		}
	}
	return v, firstErr, a.sum(outer, errs, false)
}

// Budget bounds a read that isn't one Gather.
func (a *Array) Budget(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, a.o.ReadTimeout, errLate)
}

// WriteBudget bounds a write that isn't one Write.
func (a *Array) WriteBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, a.o.WriteTimeout, errLate)
}

// Slow reports whether a member is better not asked: it isn't in use, or takes
// far longer than another one.
func (a *Array) Slow(i int) bool {
	class, _ := a.members[i].rank()
	if class != 0 || a.members[i].hangs() {
		return true
	}
	own, least := time.Duration(0), time.Duration(0)
	for j, m := range a.members {
		m.mu.Lock()
		mean := m.mean
		m.mu.Unlock()
		switch {
		case j == i:
			own = mean
		case least == 0 || mean < least:
			least = mean
		}
	}
	return own > 4*least+10*time.Millisecond
}

// Sum makes one error of those of the members that were asked about a block:
// Unavailable if one couldn't say, else Corrupt if one had damaged bytes, else
// NotExist.
func (a *Array) Sum(ctx context.Context, errs ...error) error { return a.sum(ctx, errs, false) }

// read asks one member, and learns how long it takes. One that is given up
// because others were faster counts as having taken at least that long.
func read[T any](ctx context.Context, a *Array, i int, ask func(context.Context, int, blockstore.Store) (T, error)) (v T, err error) {
	m := a.members[i]
	expected := a.patience(m.patience())
	m.busy.Add(1)
	begin := time.Now()
	err = a.do(ctx, m, func(ctx context.Context, s blockstore.Store) error {
		v, err = ask(ctx, i, s)
		return err
	})
	m.busy.Add(-1)
	took := time.Since(begin)
	switch {
	case err == nil:
		m.learn(took)
		m.givenUp.Store(0)
	case ctx.Err() != nil && took > expected:
		m.learn(took)
		m.givenUp.Add(1)
		m.late.Store(true)
	}
	return v, err
}

func errorsOf[T any](bad []Answer[T]) []error {
	errs := make([]error, len(bad))
	for i, b := range bad {
		errs[i] = b.Err
	}
	return errs
}

// sum makes one error of those of a read; late says that members were still
// silent.
func (a *Array) sum(ctx context.Context, errs []error, late bool) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%v: %w", a.level, err)
	}
	if late {
		errs = append(errs, fmt.Errorf("%w after %v", errLate, a.o.ReadTimeout))
	}
	result := kind.NotExist
	for _, err := range errs {
		switch kind.Of(err) {
		case 0, kind.NotExist:
		case kind.Corrupt:
			if result == kind.NotExist {
				result = kind.Corrupt
			}
		default:
			result = kind.Unavailable
		}
	}
	return fmt.Errorf("%v: %w: %w", a.level, result, because(errs...))
}

// All asks every member that is in use, and gives the outcomes by member.
func (a *Array) All(ctx context.Context, ask func(ctx context.Context, i int, s blockstore.Store) error) map[int]error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.ReadTimeout, errLate)
	defer cancel()
	errs := make([]error, len(a.members))
	outcomes := map[int]error{}
	var wg sync.WaitGroup
	for i, m := range a.members {
		if usable(a.State(i)) {
			wg.Go(func() {
				errs[i] = a.do(ctx, m, func(ctx context.Context, s blockstore.Store) error { return ask(ctx, i, s) })
			})
			outcomes[i] = nil
		}
	}
	wg.Wait()
	for i := range outcomes {
		outcomes[i] = errs[i]
	}
	return outcomes
}

// OrderWithout is Order without one member.
func (a *Array) OrderWithout(i int) []int {
	return slices.DeleteFunc(a.Order(), func(j int) bool { return j == i })
}
