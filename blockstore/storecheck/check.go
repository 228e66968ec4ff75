// Package storecheck says by running code what a blockstore.Store promises:
// each Check is a plain function that returns the first promise found broken.
// Tests run them on every driver and composition (package blockstoretest),
// deliberately broken stores prove that they can fail. Those without Closes and
// Marks leave a store in use as it was: a check puts blocks of random contents
// only, and deletes them again. What an operator's command runs is Probe.
package storecheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Check is one promise of the Store interface.
type Check struct {
	Name   string
	Run    func(ctx context.Context, s blockstore.Store) error
	Closes bool // the store is closed afterwards
	Marks  bool // the store has another marker afterwards: not for one in use
}

// Checks lists every check. None depends on another, or on an empty store.
func Checks() []Check {
	return []Check{
		{Name: "PutGet", Run: putGet},
		{Name: "PutTwice", Run: putTwice},
		{Name: "PutWrongName", Run: putWrongName},
		{Name: "PutKeepsNothing", Run: putKeepsNothing},
		{Name: "GetAbsent", Run: getAbsent},
		{Name: "GetIsACopy", Run: getIsACopy},
		{Name: "ZeroID", Run: zeroID},
		{Name: "Empty", Run: empty},
		{Name: "Largest", Run: largest},
		{Name: "TooLarge", Run: tooLarge},
		{Name: "Stat", Run: stat},
		{Name: "Ranges", Run: ranges},
		{Name: "ForwardsOptional", Run: forwardsOptional},
		{Name: "DeleteTwice", Run: deleteTwice},
		{Name: "DeleteThenPut", Run: deleteThenPut},
		{Name: "ListOrdered", Run: listOrdered},
		{Name: "ListAfter", Run: listAfter},
		{Name: "ListBreak", Run: listBreak},
		{Name: "ListWhilePutting", Run: listWhilePutting},
		{Name: "Canceled", Run: canceled},
		{Name: "SamePutConcurrently", Run: samePutConcurrently},
		{Name: "ManyAtOnce", Run: manyAtOnce},
		{Name: "PutDeleteRace", Run: putDeleteRace},
		{Name: "KindsOnly", Run: kindsOnly},
		{Name: "DeleteBatch", Run: deleteBatch},
		{Name: "StatBatch", Run: statBatch},
		{Name: "MarkerKept", Run: markerKept, Marks: true},
		{Name: "MarkerSizes", Run: markerSizes, Marks: true},
		{Name: "MarkerIsNoBlock", Run: markerIsNoBlock, Marks: true},
		{Name: "MarkerWhole", Run: markerWhole, Marks: true},
		{Name: "CloseTwice", Run: closeTwice, Closes: true},
		{Name: "UseAfterClose", Run: useAfterClose, Closes: true},
		{Name: "CloseWaits", Run: closeWaits, Closes: true},
	}
}

// sizes of plaintext that exercise what drivers treat differently: packed or
// alone, one frame or several, whole pages or not.
var sizes = [...]int{1, 1000, 4096, blockstore.FrameSize - 64, blockstore.FrameSize, blockstore.FrameSize + 1, 300_000, 1 << 20}

// expect holds the store to one block.
func expect(ctx context.Context, s blockstore.Store, id blockstore.ID, want []byte) error {
	got, err := s.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("get of %d bytes gives %d, or other ones", len(want), len(got))
	}
	info, err := s.Stat(ctx, id)
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if info != (blockstore.Info{ID: id, Size: int64(len(want))}) {
		return fmt.Errorf("stat of %d bytes says %+v", len(want), info)
	}
	return nil
}

// expectKind holds err to one of the kinds given.
func expectKind(op string, err error, want ...kind.Kind) error {
	for _, k := range want {
		if kind.Of(err) == k {
			return nil
		}
	}
	return fmt.Errorf("%s gives error %v, want kind %v", op, err, want)
}

// put stores blocks of the given plaintext sizes; clean deletes them again, and
// joins its own errors to *errp.
func put(ctx context.Context, s blockstore.Store, errp *error, sizes ...int) (blocks map[blockstore.ID][]byte, clean func()) {
	blocks = map[blockstore.ID][]byte{}
	clean = func() {
		for id := range blocks {
			if err := s.Delete(ctx, id); err != nil {
				*errp = errors.Join(*errp, fmt.Errorf("clean up: %w", err))
			}
		}
	}
	for _, n := range sizes {
		id, block := Chunk(n)
		blocks[id] = block
		if err := s.Put(ctx, id, block); err != nil {
			*errp = fmt.Errorf("put of %d bytes: %w", len(block), err)
			break
		}
	}
	return blocks, clean
}
