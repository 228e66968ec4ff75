// Package guard stands between a gateway and one store behind a network: it tries
// again what the store didn't answer, bounds what is under way at it, leaves it
// alone while it answers nothing, and tells how long each attempt took.
//
// Only Unavailable is tried again (package internal/retry); what the store said,
// it said. A store that has failed several times in a row is not asked for a
// while: calls then fail at once, and after a pause that grows from one failure
// to the next a single call finds out whether it is back.
package guard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
)

// Op names a call, for those who count them.
type Op string

// The calls.
const (
	OpPut         Op = "put"
	OpGet         Op = "get"
	OpRange       Op = "range"
	OpStat        Op = "stat"
	OpStatBatch   Op = "stat batch"
	OpDelete      Op = "delete"
	OpDeleteBatch Op = "delete batch"
	OpList        Op = "list" // until its first block
	OpMarker      Op = "marker"
	OpSetMarker   Op = "set marker"
)

// Attempt is one request to the store, as Options.Observe is told of it.
type Attempt struct {
	Store string // Options.Name
	Op    Op
	Took  time.Duration
	Bytes int       // given to the store, or by it
	Kind  kind.Kind // of its error; 0: none
}

// Options of New.
type Options struct {
	// Name is what errors, and who observes, call the store.
	Name string
	// InFlight is how many requests may be under way at a time, 32 if 0.
	InFlight int
	// Timeout bounds one request, a minute if 0. A list is not bounded.
	Timeout time.Duration
	// Observe is told of every attempt, if not nil, by the goroutine that made it.
	Observe func(Attempt)
	// Broken is told when the store is left alone, and when it is asked as before.
	Broken func(name string, broken bool)
}

// Store is a guarded blockstore.Store.
type Store struct {
	inner   blockstore.Store
	o       Options
	slots   chan struct{}
	breaker *breaker
}

var (
	_ blockstore.Store        = (*Store)(nil)
	_ blockstore.Wrapper      = (*Store)(nil)
	_ blockstore.RangeGetter  = (*Store)(nil)
	_ blockstore.BatchDeleter = (*Store)(nil)
	_ blockstore.BatchStater  = (*Store)(nil)
	_ blockstore.Marker       = (*Store)(nil)
)

// New guards s, which it closes when it is closed.
func New(s blockstore.Store, o Options) *Store {
	if o.InFlight <= 0 {
		o.InFlight = 32
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.Observe == nil {
		o.Observe = func(Attempt) {}
	}
	g := &Store{inner: s, o: o, slots: make(chan struct{}, o.InFlight)}
	g.breaker = newBreaker(func(broken bool) {
		if o.Broken != nil {
			o.Broken(o.Name, broken)
		}
	})
	return g
}

// Unwrap gives the guarded store.
func (g *Store) Unwrap() blockstore.Store { return g.inner }

// Broken reports whether the store is left alone just now.
func (g *Store) Broken() bool { return g.breaker.open() }

// errSlow is the cause with which a request ends that took too long.
var errSlow = errors.New("no answer in time")

// do runs one call: attempt returns the bytes that it moved.
func (g *Store) do(ctx context.Context, op Op, attempt func(ctx context.Context) (int, error)) error {
	var refused error
	err := retry.Do(ctx, func() error {
		release, err := g.breaker.admit()
		if err != nil {
			refused = err // not to be tried again: that would be waiting
			return nil
		}
		err = g.attempt(ctx, op, attempt)
		release(err)
		return err
	})
	switch {
	case refused != nil:
		return fmt.Errorf("%s: %s: %w", g.o.Name, op, refused)
	case err != nil && ctx.Err() != nil && kind.Of(err) == kind.Unavailable:
		return fmt.Errorf("%s: %s: %w: %w", g.o.Name, op, kind.Canceled, err)
	}
	return err
}

// attempt is one request, once there is a slot for it.
func (g *Store) attempt(ctx context.Context, op Op, f func(ctx context.Context) (int, error)) error {
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %s: %w", g.o.Name, op, ctx.Err())
	}
	defer func() { <-g.slots }()
	limited, cancel := context.WithTimeoutCause(ctx, g.o.Timeout, errSlow)
	defer cancel()
	begin := time.Now()
	n, err := f(limited)
	if kind.Of(err) == kind.Canceled && ctx.Err() == nil {
		err = fmt.Errorf("%s: %s: %w after %v: %w: %w", g.o.Name, op, errSlow, time.Since(begin), kind.Unavailable, err)
	}
	g.o.Observe(Attempt{g.o.Name, op, time.Since(begin), n, kind.Of(err)})
	return err
}

// Put implements blockstore.Store.
func (g *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	return g.do(ctx, OpPut, func(ctx context.Context) (int, error) { return len(data), g.inner.Put(ctx, id, data) })
}

// Get implements blockstore.Store.
func (g *Store) Get(ctx context.Context, id blockstore.ID) (block []byte, err error) {
	err = g.do(ctx, OpGet, func(ctx context.Context) (int, error) {
		block, err = g.inner.Get(ctx, id)
		return len(block), err
	})
	return block, err
}

// GetRange implements blockstore.RangeGetter.
func (g *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) (part []byte, err error) {
	err = g.do(ctx, OpRange, func(ctx context.Context) (int, error) {
		part, err = blockstore.GetRange(ctx, g.inner, id, off, n)
		return len(part), err
	})
	return part, err
}

// Stat implements blockstore.Store.
func (g *Store) Stat(ctx context.Context, id blockstore.ID) (info blockstore.Info, err error) {
	err = g.do(ctx, OpStat, func(ctx context.Context) (int, error) {
		info, err = g.inner.Stat(ctx, id)
		return 0, err
	})
	return info, err
}

// StatBatch implements blockstore.BatchStater. All are asked about again if the
// store didn't answer about one.
func (g *Store) StatBatch(ctx context.Context, ids []blockstore.ID) (infos []blockstore.Info, errs []error) {
	if _, ok := blockstore.As[blockstore.BatchStater](g.inner); !ok {
		return blockstore.StatBatch(ctx, single{g}, ids)
	}
	err := g.do(ctx, OpStatBatch, func(ctx context.Context) (int, error) {
		infos, errs = blockstore.StatBatch(ctx, g.inner, ids)
		for _, err := range errs {
			if k := kind.Of(err); k == kind.Unavailable || k == kind.Canceled {
				return 0, err
			}
		}
		return 0, nil
	})
	if errs == nil || kind.Of(err) == kind.Canceled {
		infos, errs = make([]blockstore.Info, len(ids)), make([]error, len(ids))
		for i := range errs {
			errs[i] = err
		}
	}
	return infos, errs
}

// single is the store without its batches: what the inner store can't do at
// once is tried again block by block.
type single struct{ blockstore.Store }

// Delete implements blockstore.Store.
func (g *Store) Delete(ctx context.Context, id blockstore.ID) error {
	return g.do(ctx, OpDelete, func(ctx context.Context) (int, error) { return 0, g.inner.Delete(ctx, id) })
}

// DeleteBatch implements blockstore.BatchDeleter.
func (g *Store) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	if _, ok := blockstore.As[blockstore.BatchDeleter](g.inner); !ok {
		return blockstore.DeleteBatch(ctx, single{g}, ids)
	}
	return g.do(ctx, OpDeleteBatch, func(ctx context.Context) (int, error) {
		return 0, blockstore.DeleteBatch(ctx, g.inner, ids)
	})
}

// Marker implements blockstore.Marker.
func (g *Store) Marker(ctx context.Context) (data []byte, err error) {
	err = g.do(ctx, OpMarker, func(ctx context.Context) (int, error) {
		data, err = blockstore.GetMarker(ctx, g.inner)
		return len(data), err
	})
	return data, err
}

// SetMarker implements blockstore.Marker.
func (g *Store) SetMarker(ctx context.Context, data []byte) error {
	return g.do(ctx, OpSetMarker, func(ctx context.Context) (int, error) {
		return len(data), blockstore.SetMarker(ctx, g.inner, data)
	})
}

// List implements blockstore.Store. A list that breaks off is taken up after the
// last block that it gave. It takes no slot: whoever lists may put and delete
// meanwhile.
func (g *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		for {
			l := &listing{after: after, yield: yield}
			err := g.list(ctx, l)
			switch {
			case l.stopped || err == nil:
				return
			case l.after != after && kind.Of(err) == kind.Unavailable:
				after = l.after
			default:
				yield(blockstore.Info{}, err)
				return
			}
		}
	}
}

// listing is one try to list.
type listing struct {
	after   blockstore.ID
	yield   func(blockstore.Info, error) bool
	stopped bool
}

// list lists until it breaks off after the first block, and tries again what
// breaks off before that.
func (g *Store) list(ctx context.Context, l *listing) error {
	begun := l.after
	var final error
	err := retry.Do(ctx, func() error {
		release, err := g.breaker.admit()
		if err != nil {
			final = fmt.Errorf("%s: %s: %w", g.o.Name, OpList, err)
			return nil
		}
		begin := time.Now()
		var first error
		err = g.listOnce(ctx, l, func(err error) {
			g.o.Observe(Attempt{g.o.Name, OpList, time.Since(begin), 0, kind.Of(err)})
			// It answers: nobody has to wait for who lists, for hours maybe.
			first = err
			release(err)
		})
		if err != nil && first == nil {
			g.breaker.done(false, err)
		}
		if l.after != begun {
			final = err
			return nil
		}
		return err
	})
	if err = errors.Join(err, final); ctx.Err() != nil && kind.Of(err) == kind.Unavailable {
		return fmt.Errorf("%s: %s: %w: %w", g.o.Name, OpList, kind.Canceled, err)
	}
	return err
}

// listOnce yields the blocks of one list; first is called when it answers.
func (g *Store) listOnce(ctx context.Context, l *listing, first func(error)) error {
	answered := false
	answer := func(err error) {
		if !answered {
			first(err)
		}
		answered = true
	}
	for info, err := range g.inner.List(ctx, l.after) {
		answer(err)
		if err != nil {
			return err
		}
		l.after = info.ID
		if l.stopped = !l.yield(info, nil); l.stopped {
			return nil
		}
	}
	answer(nil)
	return nil
}

// Close implements blockstore.Store.
func (g *Store) Close() error { return g.inner.Close() }
