package storecheck

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
)

// listed collects what List yields of want, and checks that all it yields is
// above after and ascends.
func listed(ctx context.Context, s blockstore.Store, after blockstore.ID, want map[blockstore.ID][]byte) ([]blockstore.ID, error) {
	var found []blockstore.ID
	last := after
	for info, err := range s.List(ctx, after) {
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		if bytes.Compare(info.ID[:], last[:]) <= 0 {
			return nil, fmt.Errorf("list yields %v after %v", info.ID, last)
		}
		last = info.ID
		block, ok := want[info.ID]
		if !ok {
			continue
		}
		if info.Size != int64(len(block)) {
			return nil, fmt.Errorf("list says %d bytes of %d", info.Size, len(block))
		}
		found = append(found, info.ID)
	}
	return found, nil
}

func sorted(blocks map[blockstore.ID][]byte) []blockstore.ID {
	var ids []blockstore.ID
	for id := range blocks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b blockstore.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

func listOrdered(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, slices.Concat(sizes[:], sizes[:], sizes[:], sizes[:])...)
	defer clean()
	if err != nil {
		return err
	}
	want := sorted(blocks)
	if err := s.Delete(ctx, want[3]); err != nil {
		return err
	}
	want = slices.Delete(want, 3, 4)
	got, err := listed(ctx, s, blockstore.ID{}, blocks)
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("list yields %d of %d blocks", len(got), len(want))
	}
	return err
}

func listAfter(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, slices.Concat(sizes[:], sizes[:])...)
	defer clean()
	if err != nil {
		return err
	}
	ids := sorted(blocks)
	for i, after := range ids {
		got, err := listed(ctx, s, after, blocks)
		if err != nil {
			return err
		}
		if !slices.Equal(got, ids[i+1:]) {
			return fmt.Errorf("list after id %d of %d yields %d", i, len(ids), len(got))
		}
		absent := after // the id just below a present one starts with that one
		absent[31]--
		if absent[31] != 255 {
			if got, err = listed(ctx, s, absent, blocks); err != nil {
				return err
			}
			if !slices.Equal(got, ids[i:]) {
				return fmt.Errorf("list after an absent id yields %d, want %d", len(got), len(ids)-i)
			}
		}
	}
	last := blockstore.ID(bytes.Repeat([]byte{255}, 32))
	if got, err := listed(ctx, s, last, blocks); err != nil || len(got) != 0 {
		return fmt.Errorf("list after the last id yields %d, error %w", len(got), err)
	}
	return nil
}

func listBreak(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, 1, 1, 1, 100_000)
	defer clean()
	if err != nil {
		return err
	}
	seen := 0
	for _, err := range s.List(ctx, blockstore.ID{}) {
		if err != nil {
			return err
		}
		if seen++; seen == 2 {
			break
		}
	}
	for id, block := range blocks { // a broken off list holds no lock
		if err := s.Put(ctx, id, block); err != nil {
			return err
		}
		if err := expect(ctx, s, id, block); err != nil {
			return err
		}
	}
	return nil
}

func listWhilePutting(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, slices.Repeat([]int{500}, 40)...)
	defer clean()
	if err != nil {
		return err
	}
	more := slices.Repeat([]int{700}, 40)
	var putErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		_, clean := put(ctx, s, &putErr, more...)
		clean()
	})
	for range 3 {
		got, lerr := listed(ctx, s, blockstore.ID{}, blocks)
		if err = lerr; err == nil && len(got) != len(blocks) {
			err = fmt.Errorf("list beside puts yields %d of %d blocks", len(got), len(blocks))
		}
		if err != nil {
			break
		}
	}
	// A list that does nothing else may put and delete in its own loop.
	for info, lerr := range s.List(ctx, blockstore.ID{}) {
		if lerr != nil {
			err = lerr
			break
		}
		if _, ok := blocks[info.ID]; ok && err == nil {
			err = s.Delete(ctx, info.ID)
		}
	}
	wg.Wait()
	if err == nil {
		err = putErr
	}
	return err
}
