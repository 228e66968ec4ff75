package storecheck

import (
	"bytes"
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func putGet(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, sizes[:]...)
	defer clean()
	if err != nil {
		return err
	}
	for id, block := range blocks {
		if err := expect(ctx, s, id, block); err != nil {
			return err
		}
	}
	return nil
}

func putTwice(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, sizes[:]...)
	defer clean()
	for id, block := range blocks {
		if err := s.Put(ctx, id, block); err != nil {
			return fmt.Errorf("second put: %w", err)
		}
		if err := expect(ctx, s, id, block); err != nil {
			return err
		}
	}
	return err
}

// putWrongName: a store may take bytes under an id that isn't theirs, or refuse
// them; it must not touch the block that they belong to, or give others.
func putWrongName(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, 70_000)
	defer clean()
	if err != nil {
		return err
	}
	other, _ := Chunk(1)
	for id, block := range blocks {
		if err := s.Put(ctx, other, block); err != nil {
			if err := expectKind("put under another id", err, kind.Corrupt, kind.Invalid); err != nil {
				return err
			}
		} else if got, err := s.Get(ctx, other); err != nil {
			if err := expectKind("get of what belongs to another id", err, kind.Corrupt); err != nil {
				return err
			}
		} else if !bytes.Equal(got, block) {
			return fmt.Errorf("get gives %d bytes that nobody put", len(got))
		}
		if err := s.Delete(ctx, other); err != nil {
			return err
		}
		if err := expect(ctx, s, id, block); err != nil {
			return err
		}
	}
	return nil
}

func putKeepsNothing(ctx context.Context, s blockstore.Store) (err error) {
	for _, n := range sizes {
		id, block := Chunk(n)
		given := bytes.Clone(block)
		if err := s.Put(ctx, id, given); err != nil {
			return err
		}
		clear(given)
		err := expect(ctx, s, id, block)
		if derr := s.Delete(ctx, id); err == nil {
			err = derr
		}
		if err != nil {
			return fmt.Errorf("after the slice given to put changed: %w", err)
		}
	}
	return nil
}

func getAbsent(ctx context.Context, s blockstore.Store) error {
	id, _ := Chunk(1)
	if _, err := s.Get(ctx, id); kind.Of(err) != kind.NotExist {
		return expectKind("get of an absent block", err, kind.NotExist)
	}
	if _, err := s.Stat(ctx, id); kind.Of(err) != kind.NotExist {
		return expectKind("stat of an absent block", err, kind.NotExist)
	}
	_, err := blockstore.GetRange(ctx, s, id, 0, 1)
	return expectKind("range of an absent block", err, kind.NotExist)
}

func getIsACopy(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, sizes[:]...)
	defer clean()
	for id, block := range blocks {
		got, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		clear(got)
		_ = append(got, make([]byte, 64)...)
		part, err := blockstore.GetRange(ctx, s, id, 0, int64(len(block)))
		if err != nil {
			return err
		}
		clear(part)
		if err := expect(ctx, s, id, block); err != nil {
			return fmt.Errorf("after the slices given by get changed: %w", err)
		}
	}
	return err
}

func zeroID(ctx context.Context, s blockstore.Store) error {
	_, block := Chunk(1)
	err := s.Put(ctx, blockstore.ID{}, block)
	return expectKind("put under the id that stands for a hole", err, kind.Invalid, kind.Corrupt)
}

func empty(ctx context.Context, s blockstore.Store) error {
	id, _ := Chunk(1)
	if err := s.Put(ctx, id, nil); err != nil {
		return expectKind("put of no bytes", err, kind.Corrupt, kind.Invalid)
	}
	err := expect(ctx, s, id, nil)
	if derr := s.Delete(ctx, id); err == nil {
		err = derr
	}
	return err
}

func largest(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, blockstore.MaxChunk)
	defer clean()
	if err != nil {
		return err
	}
	for id, block := range blocks {
		if err := expect(ctx, s, id, block); err != nil {
			return err
		}
	}
	return nil
}

func tooLarge(ctx context.Context, s blockstore.Store) error {
	id, _ := Chunk(1)
	err := s.Put(ctx, id, make([]byte, blockstore.MaxBlock+1))
	if err == nil {
		_ = s.Delete(ctx, id)
	}
	return expectKind("put of more than MaxBlock bytes", err, kind.TooLarge, kind.Corrupt)
}

func stat(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, 1, 100_000)
	defer clean()
	for id, block := range blocks {
		info, err := s.Stat(ctx, id)
		if err != nil {
			return err
		}
		if info.ID != id || info.Size != int64(len(block)) {
			return fmt.Errorf("stat of %d bytes says %+v", len(block), info)
		}
	}
	return err
}

func deleteTwice(ctx context.Context, s blockstore.Store) (err error) {
	blocks, _ := put(ctx, s, &err, sizes[:]...)
	if err != nil {
		return err
	}
	for id := range blocks {
		for range 2 {
			if err := s.Delete(ctx, id); err != nil {
				return err
			}
			_, err := s.Get(ctx, id)
			if err := expectKind("get of a deleted block", err, kind.NotExist); err != nil {
				return err
			}
			_, err = s.Stat(ctx, id)
			if err := expectKind("stat of a deleted block", err, kind.NotExist); err != nil {
				return err
			}
		}
	}
	return nil
}

func deleteThenPut(ctx context.Context, s blockstore.Store) (err error) {
	blocks, clean := put(ctx, s, &err, 1, 100_000)
	defer clean()
	for id, block := range blocks {
		for range 3 {
			if err := s.Delete(ctx, id); err != nil {
				return err
			}
			if err := s.Put(ctx, id, block); err != nil {
				return err
			}
			if err := expect(ctx, s, id, block); err != nil {
				return fmt.Errorf("put after a delete: %w", err)
			}
		}
	}
	return err
}
