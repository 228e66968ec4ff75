package groupcommit_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/internal/groupcommit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// world is a queue whose batches stop at a gate.
type world struct {
	groupcommit.Queue[int]
	gate    chan bool
	mu      sync.Mutex
	batches [][]int
}

func (w *world) apply(items []int, _ func()) {
	<-w.gate
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches = append(w.batches, slices.Clone(items))
}

func (w *world) do(ctx context.Context, items ...int) error { return w.Do(ctx, items, w.apply) }

func TestWhatWaitsMakesTheNextBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{gate: make(chan bool)}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := w.do(t.Context(), 10*i, 10*i+1); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if w.Waiting() != 3 {
			t.Errorf("%d calls wait, want 3", w.Waiting())
		}
		close(w.gate)
		wg.Wait()
		if len(w.batches) != 2 || !slices.Equal(w.batches[0], []int{0, 1}) || !slices.Equal(w.batches[1], []int{10, 11, 20, 21, 30, 31}) {
			t.Errorf("batches %v", w.batches)
		}
	})
}

func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{gate: make(chan bool)}
		var wg sync.WaitGroup
		for _, n := range []int{1, groupcommit.MaxItems, 2, groupcommit.MaxItems + 5} {
			wg.Go(func() {
				if err := w.do(t.Context(), make([]int, n)...); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		close(w.gate)
		wg.Wait()
		var sizes []int
		for _, b := range w.batches {
			sizes = append(sizes, len(b))
		}
		if !slices.Equal(sizes, []int{1, groupcommit.MaxItems, 2, groupcommit.MaxItems + 5}) {
			t.Errorf("batches of %v", sizes)
		}
	})
}

func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{gate: make(chan bool)}
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 3)
		go func() { results <- w.do(ctx, 1) }() // under way: it waits for the end
		synctest.Wait()
		for _, c := range []context.Context{ctx, t.Context()} {
			go func() { results <- w.do(c, 2) }()
			synctest.Wait()
		}
		cancel()
		if err := <-results; kind.Of(err) != kind.Canceled {
			t.Errorf("who gave up while waiting: %v", err)
		}
		close(w.gate)
		if a, b := <-results, <-results; a != nil || b != nil {
			t.Errorf("the others: %v, %v", a, b)
		}
		if len(w.batches) != 2 || len(w.batches[1]) != 1 {
			t.Errorf("batches %v", w.batches)
		}
		if err := w.do(ctx, 3); kind.Of(err) != kind.Canceled {
			t.Errorf("who had given up before: %v", err)
		}
	})
}

// TestGivingUpAsNextLeader: the lead is passed on by whoever gets it and is gone.
func TestGivingUpAsNextLeader(t *testing.T) {
	for range 200 {
		w := &world{gate: make(chan bool, 3)}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.do(t.Context(), 1) })
		wg.Go(func() { _ = w.do(ctx, 2) })
		wg.Go(func() { _ = w.do(t.Context(), 3) })
		wg.Go(cancel)
		for range 3 {
			w.gate <- true
		}
		wg.Wait()
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{gate: make(chan bool)}
		results := make(chan error, 2)
		for range 2 {
			go func() { results <- w.do(t.Context(), 1) }()
			synctest.Wait()
		}
		closed := make(chan bool)
		go func() { w.Close(); close(closed) }()
		synctest.Wait()
		if err := w.do(t.Context(), 2); kind.Of(err) != kind.Closed {
			t.Errorf("after Close: %v", err)
		}
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		close(w.gate)
		<-closed
		if a, b := <-results, <-results; a != nil || b != nil {
			t.Errorf("those that Close waited for: %v, %v", a, b)
		}
		w.Close()
	})
}

// TestRelease: a batch that says so lets the next begin before it ends, but no third.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q groupcommit.Queue[int]
		var begun atomic.Int64
		gates := [3]chan bool{make(chan bool), make(chan bool), make(chan bool)}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				err := q.Do(t.Context(), []int{1}, func(items []int, release func()) {
					n := begun.Add(1) - 1
					release()
					release() // once is enough
					<-gates[n]
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if begun.Load() != 2 || q.Waiting() != 1 {
			t.Errorf("%d batches have begun, %d wait", begun.Load(), q.Waiting())
		}
		close(gates[1]) // the second may end before the first
		synctest.Wait()
		if begun.Load() != 3 {
			t.Errorf("%d batches have begun", begun.Load())
		}
		close(gates[0])
		close(gates[2])
		wg.Wait()
		q.Close()
	})
}

// TestPanic: a bug in apply ends the caller that led; the others of its batch don't
// take it for success, and the next batch runs.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q groupcommit.Queue[int]
		gate := make(chan bool)
		apply := func(items []int, _ func()) {
			<-gate
			if len(items) == 2 {
				panic("bug")
			}
		}
		var panicked, unavailable, fine atomic.Int64
		var wg sync.WaitGroup
		for range 3 { // one alone, then two together
			wg.Go(func() {
				defer func() {
					if recover() == "bug" {
						panicked.Add(1)
					}
				}()
				switch err := q.Do(t.Context(), []int{1}, apply); kind.Of(err) {
				case 0:
					fine.Add(1)
				case kind.Unavailable:
					unavailable.Add(1)
				}
			})
			synctest.Wait()
		}
		close(gate)
		wg.Wait()
		if fine.Load() != 1 || panicked.Load() != 1 || unavailable.Load() != 1 {
			t.Errorf("%d fine, %d panicked, %d unavailable", fine.Load(), panicked.Load(), unavailable.Load())
		}
		if err := q.Do(t.Context(), []int{1}, apply); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}
