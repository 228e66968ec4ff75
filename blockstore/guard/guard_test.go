package guard_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/guard"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(*testing.T) blockstore.Store {
		return guard.New(blockstoretest.NewFaulty(memory.New()), guard.Options{Name: "test", InFlight: 3})
	})
}

// The suite holds for a store that fails one of sixteen requests: so seldom that none
// is tried in vain five times.
func TestStoreThatStutters(t *testing.T) {
	for _, check := range storecheck.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := blockstoretest.NewFaulty(memory.New())
				g := guard.New(f, guard.Options{Name: "test"})
				var n atomic.Int64
				f.Before(func(context.Context, blockstoretest.Op, int, blockstore.ID) error {
					if n.Add(1)%16 == 0 {
						return kind.Unavailable
					}
					return nil
				})
				if err := check.Run(t.Context(), g); err != nil {
					t.Error(err)
				}
				g.Close()
			})
		})
	}
}

func guarded(o guard.Options) (*guard.Store, *blockstoretest.Faulty) {
	f := blockstoretest.NewFaulty(memory.New())
	o.Name = "the store"
	return guard.New(f, o), f
}

// What the store says is not asked again; what it doesn't say is.
func TestOnlyUnavailableIsTriedAgain(t *testing.T) {
	for _, k := range kind.All() {
		t.Run(k.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, f := guarded(guard.Options{})
				f.FailFrom(1, k)
				id, block := storecheck.Chunk(10)
				want := 1
				err := g.Put(t.Context(), id, block)
				if k == kind.Canceled { // by the store: it has a limit of its own
					k = kind.Unavailable
				}
				if k == kind.Unavailable {
					want = 5
				}
				if kind.Of(err) != k {
					t.Errorf("%v", err)
				}
				if f.Ops() != want {
					t.Errorf("%d requests", f.Ops())
				}
			})
		})
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []bool
		g, f := guarded(guard.Options{Broken: func(_ string, b bool) { told = append(told, b) }})
		id, block := storecheck.Chunk(10)
		if err := g.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		f.FailFrom(1, kind.Unavailable)
		if _, err := g.Get(t.Context(), id); kind.Of(err) != kind.Unavailable || !g.Broken() {
			t.Fatalf("%v, broken: %t", err, g.Broken())
		}
		// Fails at once, without a request.
		ops, begin := f.Ops(), time.Now()
		for range 100 {
			if _, err := g.Get(t.Context(), id); kind.Of(err) != kind.Unavailable {
				t.Fatal(err)
			}
		}
		if f.Ops() != ops || time.Since(begin) > 0 {
			t.Errorf("%d requests in %v while it is left alone", f.Ops()-ops, time.Since(begin))
		}
		// For an hour it is asked about every half minute, by one call at a time.
		for range 3600 {
			time.Sleep(time.Second)
			_, _ = g.Get(t.Context(), id)
		}
		if asked := f.Ops() - ops; asked < 90 || asked > 140 {
			t.Errorf("asked %d times in an hour", asked)
		}
		f.Honest()
		time.Sleep(40 * time.Second)
		var failed atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := g.Get(t.Context(), id); err != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		if _, err := g.Get(t.Context(), id); err != nil || g.Broken() {
			t.Errorf("after it is back: %v", err)
		}
		if want := []bool{true, false}; fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("told %v", told)
		}
	})
}

// A call that its caller gives up while it finds out doesn't keep others from it.
func TestATrialThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := guarded(guard.Options{})
		id, block := storecheck.Chunk(10)
		f.FailFrom(1, kind.Unavailable)
		_ = g.Put(t.Context(), id, block)
		f.Before(func(ctx context.Context, _ blockstoretest.Op, _ int, _ blockstore.ID) error {
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Put(ctx, id, block); kind.Of(err) != kind.Canceled {
			t.Errorf("%v", err)
		}
		f.Honest()
		if err := g.Put(t.Context(), id, block); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// Where the call that finds out whether the store is back is a list, the others go
// on as soon as it has begun, however long it takes who lists.
func TestATrialThatLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := guarded(guard.Options{})
		var id blockstore.ID
		for range 3 {
			var block []byte
			id, block = storecheck.Chunk(10)
			if err := g.Put(t.Context(), id, block); err != nil {
				t.Fatal(err)
			}
		}
		f.FailFrom(1, kind.Unavailable)
		if _, err := g.Get(t.Context(), id); err == nil || !g.Broken() {
			t.Fatalf("%v, broken: %t", err, g.Broken())
		}
		f.Honest()
		time.Sleep(time.Minute)
		listed := 0
		for _, err := range g.List(t.Context(), blockstore.ID{}) {
			if err != nil {
				t.Fatal(err)
			}
			listed++
			time.Sleep(time.Hour)
			if _, err := g.Get(t.Context(), id); err != nil {
				t.Errorf("while a list goes on: %v", err)
			}
		}
		if listed != 3 || g.Broken() {
			t.Errorf("%d of 3 blocks listed, broken: %t", listed, g.Broken())
		}
	})
}

// A request that takes too long is a store that doesn't answer.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := guarded(guard.Options{Timeout: time.Second})
		id, block := storecheck.Chunk(10)
		f.Before(func(ctx context.Context, _ blockstoretest.Op, _ int, _ blockstore.ID) error {
			<-ctx.Done()
			return ctx.Err()
		})
		begin := time.Now()
		if err := g.Put(t.Context(), id, block); kind.Of(err) != kind.Unavailable {
			t.Errorf("%v", err)
		}
		if took := time.Since(begin); took < 5*time.Second || took > 8*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, f := guarded(guard.Options{InFlight: 3})
		var now, most atomic.Int64
		f.Before(func(context.Context, blockstoretest.Op, int, blockstore.ID) error {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return nil
		})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				id, block := storecheck.Chunk(10)
				if err := g.Put(t.Context(), id, block); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.Stat(ctx, blockstore.ID{1}); kind.Of(err) != kind.Canceled {
			t.Errorf("a caller that gives up while it waits: %v", err)
		}
		wg.Wait()
		if most.Load() != 3 {
			t.Errorf("%d requests at a time", most.Load())
		}
	})
}

// A list goes on where it broke off, and gives no block twice.
func TestListGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New()
		for range 100 {
			id, block := storecheck.Chunk(10)
			if err := inner.Put(t.Context(), id, block); err != nil {
				t.Fatal(err)
			}
		}
		g := guard.New(breaksOff{inner}, guard.Options{Name: "test"})
		seen := map[blockstore.ID]bool{}
		for info, err := range g.List(t.Context(), blockstore.ID{}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[info.ID] {
				t.Errorf("%v twice", info.ID)
			}
			seen[info.ID] = true
		}
		if len(seen) != 100 {
			t.Errorf("%d blocks of 100", len(seen))
		}
	})
}

// breaksOff gives lists that break off after seven blocks.
type breaksOff struct{ *memory.Store }

func (b breaksOff) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		n := 0
		for info, err := range b.Store.List(ctx, after) {
			if n++; n > 7 {
				yield(blockstore.Info{}, kind.Unavailable)
				return
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []string
		g, f := guarded(guard.Options{Observe: func(a guard.Attempt) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprintf("%s %s %d %v %v", a.Store, a.Op, a.Bytes, a.Took, a.Kind))
		}})
		id, block := storecheck.Chunk(10)
		f.Before(func(_ context.Context, _ blockstoretest.Op, n int, _ blockstore.ID) error {
			time.Sleep(time.Millisecond)
			if n == 1 {
				return kind.Unavailable
			}
			return nil
		})
		_ = g.Put(t.Context(), id, block)
		_, _ = g.Get(t.Context(), id)
		_, _ = g.Get(t.Context(), blockstore.ID{9})
		for range g.List(t.Context(), blockstore.ID{}) {
			break
		}
		want := []string{
			"the store put 74 1ms storage unavailable", "the store put 74 1ms unknown error kind", "the store get 74 1ms unknown error kind",
			"the store get 0 1ms no such file or directory", "the store list 0 1ms unknown error kind",
		}
		if fmt.Sprint(seen) != fmt.Sprint(want) {
			t.Errorf("seen %q", seen)
		}
	})
}
