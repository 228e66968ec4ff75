package blockstoretest_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestFaultyIsHonestUntilTold(t *testing.T) {
	t.Parallel()
	blockstoretest.Run(t, func(*testing.T) blockstore.Store { return blockstoretest.NewFaulty(memory.New()) })
}

// Every lie that Faulty knows is caught by Verified, whole, and by the frame
// hashes, in parts.
func TestVerifiedCatchesEveryLie(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	id, block := storecheck.Chunk(100_000)
	_, other := storecheck.Chunk(100_000)
	lies := map[string]blockstoretest.Lie{
		"flip the first byte": blockstoretest.Flip(0), "flip the last byte": blockstoretest.Flip(-1), "flip in the middle": blockstoretest.Flip(50_000),
		"truncate by one": blockstoretest.Truncate(-1), "truncate to the header": blockstoretest.Truncate(16), "truncate to nothing": blockstoretest.Truncate(0),
		"extend": blockstoretest.Extend, "give another": blockstoretest.Instead(other),
	}
	for name, lie := range lies {
		f := blockstoretest.NewFaulty(memory.New())
		v := blockstore.NewVerified(f)
		if err := v.Put(ctx, id, block); err != nil {
			t.Fatal(err)
		}
		f.Lie(id, lie)
		if _, err := v.Get(ctx, id); kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: get: %v", name, err)
		}
		whole, err := blockstore.GetRange(ctx, v, id, 0, 1<<20)
		if err != nil || bytes.Equal(whole, block) {
			t.Errorf("%s: a range tells no lie: %v", name, err)
		}
		f.Honest()
		if got, err := v.Get(ctx, id); err != nil || !bytes.Equal(got, block) {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestFaultySwapsDropsAndReplays(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := blockstoretest.NewFaulty(memory.New())
	idA, a := storecheck.Chunk(10)
	idB, b := storecheck.Chunk(20)
	if err := errors.Join(f.Put(ctx, idA, a), f.Put(ctx, idB, b), f.Swap(ctx, idA, idB)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Get(ctx, idA); err != nil || !bytes.Equal(got, b) {
		t.Errorf("swapped: %d bytes, %v", len(got), err)
	}
	if info, err := f.Stat(ctx, idA); err != nil || info.Size != int64(len(b)) {
		t.Errorf("swapped: %+v, %v", info, err)
	}
	f.Lie(idA, blockstoretest.Drop)
	if _, err := f.Get(ctx, idA); kind.Of(err) != kind.NotExist {
		t.Errorf("dropped: %v", err)
	}
	f.Honest()
	f.Replay()
	if err := f.Delete(ctx, idA); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Get(ctx, idA); err != nil || !bytes.Equal(got, a) {
		t.Errorf("replayed: %d bytes, %v", len(got), err)
	}
}

func TestFaultyFailsWhenTold(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := blockstoretest.NewFaulty(memory.New())
	id, block := storecheck.Chunk(10)
	f.FailAt(2, kind.Unavailable)
	if err := f.Put(ctx, id, block); err != nil {
		t.Errorf("call 1: %v", err)
	}
	if _, err := f.Get(ctx, id); kind.Of(err) != kind.Unavailable {
		t.Errorf("call 2: %v", err)
	}
	if _, err := f.Get(ctx, id); err != nil {
		t.Errorf("call 3: %v", err)
	}
	f.FailFrom(2, kind.NoSpace)
	for i, want := range []kind.Kind{0, kind.NoSpace, kind.NoSpace} {
		if _, err := f.Stat(ctx, id); kind.Of(err) != want {
			t.Errorf("call %d from there: %v", i+1, err)
		}
	}
	f.FailOp(blockstoretest.OpList, kind.Denied)
	for _, err := range f.List(ctx, blockstore.ID{}) {
		if kind.Of(err) != kind.Denied {
			t.Errorf("list: %v", err)
		}
	}
	if _, err := blockstore.GetRange(ctx, f, id, 0, 1); err != nil {
		t.Errorf("range: %v", err)
	}
	f.Honest()
	f.After(func(op blockstoretest.Op, _ int, _ blockstore.ID) error { return kind.Unavailable })
	if err := f.Delete(ctx, id); kind.Of(err) != kind.Unavailable {
		t.Errorf("delete whose answer is lost: %v", err)
	}
	if _, err := f.Get(ctx, id); kind.Of(err) != kind.NotExist {
		t.Errorf("a delete whose answer was lost was not done: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	f.Before(func(context.Context, blockstoretest.Op, int, blockstore.ID) error { cancel(); return nil })
	if _, err := f.Get(gone, id); kind.Of(err) != kind.Canceled {
		t.Errorf("get canceled by the hook: %v", err)
	}
	if got := f.Ops(); got != 11 {
		t.Errorf("%d calls counted", got)
	}
}
