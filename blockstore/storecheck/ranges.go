package storecheck

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func ranges(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, 1, 5000, 300_000)
	defer clean()
	if err != nil {
		return err
	}
	for id, block := range blocks {
		if err := rangesOf(ctx, s, id, block); err != nil {
			return err
		}
	}
	return nil
}

func rangesOf(ctx context.Context, s blockstore.Store, id blockstore.ID, block []byte) error {
	size := int64(len(block))
	for _, r := range [][2]int64{
		{0, 0},
		{0, 1},
		{0, size},
		{0, size + 1},
		{1, size},
		{size - 1, 1},
		{size - 1, 9},
		{size, 1},
		{size + 5, 1},
		{0, math.MaxInt64},
		{1, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64},
		{size / 3, size / 3},
		{size / 2, 17},
	} {
		off, n := r[0], r[1]
		want := block[min(off, size):]
		want = want[:min(n, int64(len(want)))]
		got, err := blockstore.GetRange(ctx, s, id, off, n)
		if err != nil {
			return fmt.Errorf("range of %d at %d: %w", n, off, err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("range of %d at %d of %d gives %d bytes, or other ones", n, off, size, len(got))
		}
		for _, room := range [][]byte{nil, make([]byte, size/4), make([]byte, 0, blockstore.RangeRoom(size))} {
			got, err := blockstore.GetRangeIn(ctx, s, id, off, n, room)
			if err != nil {
				return fmt.Errorf("range of %d at %d into room of %d: %w", n, off, cap(room), err)
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("range of %d at %d of %d into room of %d gives %d bytes, or other ones", n, off, size, cap(room), len(got))
			}
		}
	}
	for _, r := range [][2]int64{{-1, 1}, {0, -1}, {math.MinInt64, math.MinInt64}} {
		_, err := blockstore.GetRange(ctx, s, id, r[0], r[1])
		if err := expectKind("a negative range", err, kind.Invalid); err != nil {
			return err
		}
		_, err = blockstore.GetRangeIn(ctx, s, id, r[0], r[1], make([]byte, 100))
		if err := expectKind("a negative range into room", err, kind.Invalid); err != nil {
			return err
		}
	}
	return nil
}

// forwardsOptional: who finds an optional interface behind a wrapper must find
// there what was put through the wrapper, as it was put.
func forwardsOptional(ctx context.Context, s blockstore.Store) (err error) {
	w, ok := s.(blockstore.Wrapper)
	if !ok {
		return nil
	}
	blocks, clean := put(ctx, s, &err, 5000)
	defer clean()
	if err != nil {
		return err
	}
	for id, block := range blocks {
		part, err := blockstore.GetRange(ctx, w.Unwrap(), id, 100, 200)
		if err != nil {
			return fmt.Errorf("range from the store that %T wraps: %w", s, err)
		}
		if !bytes.Equal(part, block[100:300]) {
			return fmt.Errorf("%T changes blocks, and yet has the ranges of the store that it wraps", s)
		}
	}
	return nil
}
