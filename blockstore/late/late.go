// Package late opens a store that doesn't answer yet when it is needed: a node of
// a RAID that is down while its gateway starts. Until it is open every call fails
// at once with Unavailable, as from a node that fails later; it is asked again in
// the background, at growing intervals, for as long as it takes. It is opened anew
// when it says that something else has come to its place: another disk was put
// there, or the right one at last.
package late

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The intervals at which a store that doesn't answer is asked again.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// OpenFunc opens the store. ctx ends when the late Store is closed.
type OpenFunc func(ctx context.Context) (blockstore.Store, error)

// Displacer is an optional interface of a store that can tell that it isn't open
// any more on what its address names, and has to be opened anew.
type Displacer interface {
	Displaced() bool
}

// Store is a blockstore.Store that may not be open yet.
type Store struct {
	log  *slog.Logger
	open OpenFunc
	life context.Context // ends when Close begins
	end  context.CancelFunc
	work sync.WaitGroup // what runs in the background

	mu    sync.Mutex // guards the fields below
	inner blockstore.Store
	err   error // why it isn't open
	holds blockstore.Check
	over  bool
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.Wrapper       = (*Store)(nil)
	_ blockstore.RangeGetter   = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.InReader      = (*Store)(nil)
	_ blockstore.Marker        = (*Store)(nil)
	_ blockstore.BatchDeleter  = (*Store)(nil)
	_ blockstore.BatchStater   = (*Store)(nil)
	_ blockstore.Holder        = (*Store)(nil)
)

// Open opens the store by open. If it hasn't answered within patience, or said
// Unavailable or NotExist, a Store is returned all the same, which goes on trying;
// any other error is returned.
func Open(ctx context.Context, open OpenFunc, patience time.Duration, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s := &Store{log: log, open: open, life: life, end: end}
	s.err = kind.Errorf(kind.Unavailable, "it has not answered yet")
	first := make(chan error, 1)
	s.work.Go(func() { s.run(life, first) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-first:
		if err != nil && !worthWaiting(err) {
			return nil, closing(s, err)
		}
		if err != nil {
			log.Warn("a blockstore can't be used yet; it is asked again and again", "error", err)
		}
	case <-timer.C:
		log.Warn("a blockstore doesn't answer; it is waited for", "after", patience)
	case <-ctx.Done():
		return nil, closing(s, fmt.Errorf("open: %w", ctx.Err()))
	}
	return s, nil
}

func closing(s *Store, err error) error {
	_ = s.Close()
	return err
}

func worthWaiting(err error) bool {
	k := kind.Of(err)
	return k == kind.Unavailable || k == kind.NotExist
}

// run opens the store, sooner or later. first, unless it is nil, hears of the first
// attempt, and decides whether there are more.
func (s *Store) run(ctx context.Context, first chan<- error) {
	pause := firstRetry
	for attempt := 0; ; attempt++ {
		inner, err := s.open(ctx)
		s.opened(inner, err)
		if attempt == 0 && first != nil {
			first <- err
			if err != nil && !worthWaiting(err) {
				return
			}
		}
		if err == nil {
			if attempt > 0 || first == nil {
				s.log.Info("the blockstore answers now")
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRetry)
	}
}

// displaced has the store opened anew, if err is because it must be.
func (s *Store) displaced(inner blockstore.Store, err error) {
	d, ok := blockstore.As[Displacer](inner)
	if kind.Of(err) != kind.Unavailable || !ok || !d.Displaced() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.inner != inner {
		return
	}
	s.inner, s.err = nil, err
	s.log.Warn("the blockstore is opened anew", "error", err)
	s.work.Go(func() {
		if err := inner.Close(); err != nil {
			s.log.Warn("the blockstore that was there before", "error", err)
		}
		s.run(s.life, nil)
	})
}

// opened takes note of an attempt.
func (s *Store) opened(inner blockstore.Store, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = err
		return
	}
	if s.holds != nil {
		blockstore.Holds(inner, s.holds)
	}
	s.inner = inner
}

// get is the store, if it is open.
func (s *Store) get() (blockstore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return nil, fmt.Errorf("late: %w", kind.Closed)
	case s.inner == nil:
		// Whatever the reason is, for the caller it isn't there.
		return nil, fmt.Errorf("%w: %v", kind.Unavailable, s.err)
	}
	return s.inner, nil
}

// Unwrap gives the store; nil while it isn't open.
func (s *Store) Unwrap() blockstore.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inner
}

// Holds passes on what the store is going to hold, now or when it is open.
func (s *Store) Holds(check blockstore.Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = check // what it wraps is told by blockstore.Holds, or by opened
}

// Put, and every other call, fails with Unavailable while the store isn't open.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	inner, err := s.get()
	if err != nil {
		return err
	}
	return inner.Put(ctx, id, data)
}

// Get is Store's.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	inner, err := s.get()
	if err != nil {
		return nil, err
	}
	return inner.Get(ctx, id)
}

// GetRange is RangeGetter's.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	inner, err := s.get()
	if err != nil {
		return nil, err
	}
	return blockstore.GetRange(ctx, inner, id, off, n)
}

// GetRangeIn is RangeInGetter's.
func (s *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	inner, err := s.get()
	if err != nil {
		return nil, err
	}
	return blockstore.GetRangeIn(ctx, inner, id, off, n, room)
}

// ReadsIn is InReader's. As long as the store isn't open nothing is read from it, and
// what else there is decides.
func (s *Store) ReadsIn() bool {
	inner, err := s.get()
	return err != nil || blockstore.ReadsIn(inner)
}

// Stat is Store's.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	inner, err := s.get()
	if err != nil {
		return blockstore.Info{}, err
	}
	return inner.Stat(ctx, id)
}

// StatBatch is BatchStater's.
func (s *Store) StatBatch(ctx context.Context, ids []blockstore.ID) ([]blockstore.Info, []error) {
	inner, err := s.get()
	if err != nil {
		errs := make([]error, len(ids))
		for i := range errs {
			errs[i] = err
		}
		return make([]blockstore.Info, len(ids)), errs
	}
	return blockstore.StatBatch(ctx, inner, ids)
}

// Delete is Store's.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	inner, err := s.get()
	if err != nil {
		return err
	}
	return inner.Delete(ctx, id)
}

// DeleteBatch is BatchDeleter's.
func (s *Store) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	inner, err := s.get()
	if err != nil {
		return err
	}
	return blockstore.DeleteBatch(ctx, inner, ids)
}

// List is Store's.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	inner, err := s.get()
	if err != nil {
		return func(yield func(blockstore.Info, error) bool) { yield(blockstore.Info{}, err) }
	}
	return inner.List(ctx, after)
}

// Marker is Marker's. By it an array tells whether its node is the one that it
// should be, after every failure: so it is here that it is opened anew.
func (s *Store) Marker(ctx context.Context) ([]byte, error) {
	inner, err := s.get()
	if err != nil {
		return nil, err
	}
	data, err := blockstore.GetMarker(ctx, inner)
	s.displaced(inner, err)
	return data, err
}

// SetMarker is Marker's.
func (s *Store) SetMarker(ctx context.Context, data []byte) error {
	inner, err := s.get()
	if err != nil {
		return err
	}
	return blockstore.SetMarker(ctx, inner, data)
}

// Close stops trying, and closes the store if it is open.
func (s *Store) Close() error {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.end()
	s.work.Wait()
	s.mu.Lock()
	inner := s.inner
	s.mu.Unlock()
	if inner == nil {
		return nil
	}
	return inner.Close()
}
