package late_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/late"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func open(t *testing.T, f late.OpenFunc) *late.Store {
	t.Helper()
	s, err := late.Open(t.Context(), f, 5*time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		return open(t, func(context.Context) (blockstore.Store, error) { return memory.New(), nil })
	})
}

// A store that is down at first answers Unavailable to everything, and works
// when it is back.
func TestItComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		var attempts atomic.Int32
		s := open(t, func(context.Context) (blockstore.Store, error) {
			if attempts.Add(1); !up.Load() {
				return nil, kind.Errorf(kind.NotExist, "no such bucket")
			}
			return memory.New(), nil
		})
		held := 0
		blockstore.Holds(s, func(blockstore.ID, []byte) error { held++; return nil })
		id, block := storecheck.Chunk(100)
		ctx := t.Context()
		_, errs := s.StatBatch(ctx, []blockstore.ID{id, id})
		_, getErr := s.Get(ctx, id)
		_, rangeErr := blockstore.GetRange(ctx, s, id, 0, 1)
		_, statErr := s.Stat(ctx, id)
		_, markerErr := blockstore.GetMarker(ctx, s)
		errs = append(errs, s.Put(ctx, id, block), getErr, rangeErr, statErr, s.Delete(ctx, id), markerErr,
			blockstore.SetMarker(ctx, s, []byte("x")), blockstore.DeleteBatch(ctx, s, []blockstore.ID{id}))
		for _, err := range s.List(ctx, blockstore.ID{}) {
			errs = append(errs, err)
		}
		if len(errs) != 11 {
			t.Errorf("%d answers", len(errs))
		}
		for i, err := range errs {
			if kind.Of(err) != kind.Unavailable {
				t.Errorf("call %d: %v", i, err)
			}
		}
		time.Sleep(5 * time.Minute) // of the bubble
		if n := attempts.Load(); n < 10 || n > 20 {
			t.Errorf("%d attempts in five minutes", n)
		}
		up.Store(true)
		time.Sleep(time.Minute)
		if err := s.Put(ctx, id, block); err != nil {
			t.Error(err)
		}
		if _, ok := blockstore.As[*memory.Store](s); !ok {
			t.Error("what it wraps can't be found")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Put(ctx, id, block); kind.Of(err) != kind.Closed {
			t.Errorf("after Close: %v", err)
		}
	})
}

// One that hangs doesn't hold up the start, nor Close.
func TestItHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(ctx context.Context) (blockstore.Store, error) { <-ctx.Done(); return nil, ctx.Err() })
		if _, err := s.Get(t.Context(), blockstore.ID{1}); kind.Of(err) != kind.Unavailable {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOtherErrorsAreReturned(t *testing.T) {
	t.Parallel()
	for _, k := range []kind.Kind{kind.Invalid, kind.Denied, kind.Conflict, kind.Other} {
		s, err := late.Open(t.Context(), func(context.Context) (blockstore.Store, error) { return nil, k }, time.Second, nil)
		if s != nil || !errors.Is(err, k) {
			t.Errorf("%v: %v", k, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := late.Open(ctx, func(ctx context.Context) (blockstore.Store, error) { <-ctx.Done(); return nil, ctx.Err() }, time.Hour, nil)
	if kind.Of(err) != kind.Canceled {
		t.Error(err)
	}
}

// disk is a store whose directory may be replaced.
type disk struct {
	*memory.Store
	replaced atomic.Bool
	closed   atomic.Bool
}

func (d *disk) Displaced() bool { return d.replaced.Load() }

func (d *disk) Marker(ctx context.Context) ([]byte, error) {
	if d.replaced.Load() {
		return nil, kind.Unavailable
	}
	return d.Store.Marker(ctx)
}

func (d *disk) Close() error {
	d.closed.Store(true)
	return d.Store.Close()
}

// A store that something else has come to the place of is closed and opened anew,
// for as long as that takes.
func TestItIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var disks []*disk
		s := open(t, func(context.Context) (blockstore.Store, error) {
			if len(disks) == 1 && !disks[0].closed.Load() {
				t.Error("it is opened twice at a time")
			}
			disks = append(disks, &disk{Store: memory.New()})
			if len(disks) == 2 || len(disks) == 3 { // isn't mounted yet, and then is no store
				return nil, []error{kind.Unavailable, kind.Corrupt}[len(disks)-2]
			}
			return disks[len(disks)-1], nil
		})
		blockstore.Holds(s, func(blockstore.ID, []byte) error { return nil })
		if err := blockstore.SetMarker(t.Context(), s, []byte("first")); err != nil {
			t.Fatal(err)
		}
		disks[0].replaced.Store(true)
		if _, err := blockstore.GetMarker(t.Context(), s); kind.Of(err) != kind.Unavailable {
			t.Error(err)
		}
		synctest.Wait()
		if _, err := blockstore.GetMarker(t.Context(), s); kind.Of(err) != kind.Unavailable {
			t.Errorf("while it isn't there: %v", err)
		}
		time.Sleep(time.Minute) // of the bubble
		if m, err := blockstore.GetMarker(t.Context(), s); m != nil || err != nil {
			t.Errorf("of the other one: %q, %v", m, err)
		}
		if err := s.Close(); err != nil || !disks[3].closed.Load() {
			t.Errorf("%v; the last one closed: %t", err, disks[3].closed.Load())
		}
	})
}

// Nothing is opened after Close, and what is being opened is closed.
func TestItIsReplacedAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := &disk{Store: memory.New()}
		n := 0
		s := open(t, func(ctx context.Context) (blockstore.Store, error) {
			if n++; n == 1 {
				return first, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		first.replaced.Store(true)
		if _, err := blockstore.GetMarker(t.Context(), s); kind.Of(err) != kind.Unavailable {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := blockstore.GetMarker(t.Context(), s); kind.Of(err) != kind.Closed || !first.closed.Load() {
			t.Error(err)
		}
	})
}
