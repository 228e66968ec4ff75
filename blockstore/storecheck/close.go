package storecheck

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// calls runs every method once, Close apart, and gives their errors by name.
func calls(ctx context.Context, s blockstore.Store) map[string]error {
	id, block := Chunk(10)
	errs := map[string]error{"put": s.Put(ctx, id, block)}
	_, errs["get"] = s.Get(ctx, id)
	_, errs["range"] = blockstore.GetRange(ctx, s, id, 0, 1)
	_, errs["stat"] = s.Stat(ctx, id)
	errs["delete"] = s.Delete(ctx, id)
	errs["delete batch"] = blockstore.DeleteBatch(ctx, s, []blockstore.ID{id})
	_, stats := blockstore.StatBatch(ctx, s, []blockstore.ID{id})
	errs["stat batch"] = errors.Join(stats...)
	if _, err := blockstore.GetMarker(ctx, s); kind.Of(err) != kind.Unsupported {
		errs["marker"] = err
	}
	errs["list"] = nil
	for _, err := range s.List(ctx, blockstore.ID{}) {
		if errs["list"] = err; err != nil {
			break
		}
	}
	return errs
}

func canceled(ctx context.Context, s blockstore.Store) (err error) {
	_, clean := put(ctx, s, &err, 10) // so that a list has something to yield
	defer clean()
	if err != nil {
		return err
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for op, err := range calls(gone, s) {
		if err := expectKind(op+" with a canceled context", err, kind.Canceled); err != nil {
			return err
		}
	}
	for op, err := range calls(ctx, s) {
		if err != nil && kind.Of(err) != kind.NotExist {
			return fmt.Errorf("%s after a canceled one: %w", op, err)
		}
	}
	return nil
}

// kindsOnly: no error comes without a kind that the interface names.
func kindsOnly(ctx context.Context, s blockstore.Store) error {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	id, _ := Chunk(1)
	var errs []error
	for _, err := range calls(gone, s) {
		errs = append(errs, err)
	}
	_, err := s.Get(ctx, id)
	errs = append(errs, err)
	_, err = s.Stat(ctx, id)
	errs = append(errs, err)
	_, err = blockstore.GetRange(ctx, s, id, -1, 1)
	errs = append(errs, err, s.Put(ctx, id, make([]byte, blockstore.MaxBlock+1)))
	for _, err := range errs {
		if k := kind.Of(err); k == kind.Other {
			return fmt.Errorf("an error without a kind: %w", err)
		}
	}
	return nil
}

func closeTwice(_ context.Context, s blockstore.Store) error {
	for range 2 {
		if err := s.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	return nil
}

func useAfterClose(ctx context.Context, s blockstore.Store) error {
	if err := s.Close(); err != nil {
		return err
	}
	for op, err := range calls(ctx, s) {
		if err := expectKind(op+" after close", err, kind.Closed); err != nil {
			return err
		}
	}
	return nil
}

// closeWaits: a call beside Close succeeds as if before it, or is Closed.
func closeWaits(ctx context.Context, s blockstore.Store) error {
	started, closed := make(chan struct{}, workers), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- each(func(int) error {
			started <- struct{}{}
			for {
				select {
				case <-closed:
					return nil
				default:
				}
				id, block := Chunk(50_000)
				if err := s.Put(ctx, id, block); err != nil {
					return expectKind("put beside close", err, kind.Closed)
				}
				if got, err := s.Get(ctx, id); err != nil {
					return expectKind("get beside close", err, kind.Closed)
				} else if string(got) != string(block) {
					return errors.New("get beside close gives other bytes")
				}
			}
		})
	}()
	for range workers {
		<-started
	}
	err := s.Close()
	close(closed)
	return errors.Join(err, <-done)
}
