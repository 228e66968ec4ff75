package storecheck

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

const workers = 16

// each runs f in several goroutines at once and joins their errors.
func each(f func(worker int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for i := range workers {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func samePutConcurrently(ctx context.Context, s blockstore.Store) error {
	for _, n := range []int{2000, 200_000} {
		id, block := Chunk(n)
		err := each(func(int) error {
			if err := s.Put(ctx, id, block); err != nil {
				return fmt.Errorf("put: %w", err)
			}
			return expect(ctx, s, id, block)
		})
		if derr := s.Delete(ctx, id); derr != nil {
			err = errors.Join(err, derr)
		}
		if err != nil {
			return err
		}
		_, err = s.Get(ctx, id)
		if err := expectKind("get after all copies are deleted", err, kind.NotExist); err != nil {
			return err
		}
	}
	return nil
}

func manyAtOnce(ctx context.Context, s blockstore.Store) error {
	return each(func(int) (err error) {
		blocks, clean := put(ctx, s, &err, 100, 4000, 66_000, 100, 20_000, 500_000, 100)
		defer clean()
		for id, block := range blocks {
			if err := expect(ctx, s, id, block); err != nil {
				return err
			}
		}
		return err
	})
}

// putDeleteRace: a Put that returned after the last Delete returned must hold,
// and a Get gives the whole block or NotExist, whatever runs beside it.
func putDeleteRace(ctx context.Context, s blockstore.Store) error {
	id, block := Chunk(3000)
	err := each(func(worker int) error {
		for range 10 {
			switch worker % 3 {
			case 0:
				if err := s.Put(ctx, id, block); err != nil {
					return fmt.Errorf("put: %w", err)
				}
			case 1:
				if err := s.Delete(ctx, id); err != nil {
					return fmt.Errorf("delete: %w", err)
				}
			case 2:
				if got, err := s.Get(ctx, id); err == nil && string(got) != string(block) {
					return errors.New("get beside put and delete gives other bytes")
				} else if err != nil && kind.Of(err) != kind.NotExist {
					return fmt.Errorf("get: %w", err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.Put(ctx, id, block); err != nil {
		return err
	}
	if err := expect(ctx, s, id, block); err != nil {
		return fmt.Errorf("put after the race: %w", err)
	}
	return s.Delete(ctx, id)
}
