package storecheck

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// manySmall is more than drivers are likely to put into one request of a batch.
const manySmall = 40

func deleteBatch(ctx context.Context, s blockstore.Store) (err error) {
	small := make([]int, manySmall)
	for i := range small {
		small[i] = 1 + i
	}
	blocks, clean := put(ctx, s, &err, append(small, 5000, 70_000)...)
	defer clean()
	if err != nil {
		return err
	}
	ids := sorted(blocks)
	kept := ids[len(ids)/2]
	absent, _ := Chunk(1)
	gone := []blockstore.ID{absent}
	for _, id := range ids {
		if id != kept {
			gone = append(gone, id)
		}
	}
	gone = append(gone, gone[1]) // twice
	for range 2 {
		if err := blockstore.DeleteBatch(ctx, s, gone); err != nil {
			return fmt.Errorf("delete of %d: %w", len(gone), err)
		}
	}
	if err := blockstore.DeleteBatch(ctx, s, nil); err != nil {
		return fmt.Errorf("delete of none: %w", err)
	}
	for _, id := range gone {
		_, err := s.Get(ctx, id)
		if err := expectKind("get after a batch deleted the block", err, kind.NotExist); err != nil {
			return err
		}
	}
	if err := expect(ctx, s, kept, blocks[kept]); err != nil {
		return fmt.Errorf("the block that the batch didn't name: %w", err)
	}
	return nil
}

func statBatch(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, 1, 1000, 5000, 70_000, 300_000)
	defer clean()
	if err != nil {
		return err
	}
	var ids []blockstore.ID
	for id := range blocks {
		absent, _ := Chunk(1)
		ids = append(ids, id, absent, id)
	}
	infos, errs := blockstore.StatBatch(ctx, s, ids)
	if len(infos) != len(ids) || len(errs) != len(ids) {
		return fmt.Errorf("stat of %d gives %d, and %d errors", len(ids), len(infos), len(errs))
	}
	for i, id := range ids {
		block, ok := blocks[id]
		switch {
		case !ok && kind.Of(errs[i]) != kind.NotExist:
			return fmt.Errorf("stat of an absent block in a batch gives %+v, error %w", infos[i], errs[i])
		case ok && errs[i] != nil:
			return fmt.Errorf("stat in a batch: %w", errs[i])
		case ok && infos[i] != (blockstore.Info{ID: id, Size: int64(len(block))}):
			return fmt.Errorf("stat of %d bytes in a batch says %+v", len(block), infos[i])
		}
	}
	if infos, errs := blockstore.StatBatch(ctx, s, nil); len(infos)+len(errs) != 0 {
		return fmt.Errorf("stat of none gives %d", len(infos))
	}
	return nil
}
