package command

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
)

// lagging is a store whose list doesn't show some of its blocks yet.
type lagging struct {
	blockstore.Store
	hidden map[blockstore.ID]bool
}

func (l lagging) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		for info, err := range l.Store.List(ctx, after) {
			if !l.hidden[info.ID] && !yield(info, err) {
				return
			}
		}
	}
}

// Before the change to another store everything that files want is there, also
// what this store's list, or the other's, doesn't show.
func TestCopyOfAStoreThatListsLate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from := lagging{memory.New(), map[blockstore.ID]bool{}}
	to := lagging{memory.New(), map[blockstore.ID]bool{}}
	meta := metamemory.New()
	draft, root := metastore.DraftID{1}, metastore.SlotID{2}
	r := &metastore.Request{Draft: draft}
	var rows []metastore.BlockRow
	for i := range 4 {
		id, block := storecheck.Chunk(100 + i)
		if i < 3 { // the last one is lost
			if err := from.Put(ctx, id, block); err != nil {
				t.Fatal(err)
			}
		}
		switch i {
		case 0:
			from.hidden[id] = true
		case 1:
			to.hidden[id] = true
		}
		rows = append(rows, metastore.BlockRow{ID: metastore.ID(id), Len: int64(len(block)), Owner: root})
		r.Links = append(r.Links, metastore.ID(id))
	}
	if err := meta.Register(ctx, metastore.GatewayID{3}, draft, rows); err != nil {
		t.Fatal(err)
	}
	if err := meta.Commit(ctx, r)[0]; err != nil {
		t.Fatal(err)
	}
	c := copying{unsound: map[blockstore.ID]bool{}, from: from, to: to, rate: pace.New(0), tell: func(blockstore.Totals) {}}
	if err := c.run(ctx); err != nil {
		t.Fatal(err)
	}
	lost, err := c.complete(ctx, meta)
	if err != nil || lost != 1 {
		t.Errorf("%d blocks are lost, want 1: %v", lost, err)
	}
	for _, row := range rows[:3] {
		if _, err := to.Stat(ctx, blockstore.ID(row.ID)); err != nil {
			t.Errorf("not copied: %v", err)
		}
	}
}

// rotten is a store of which one block is damaged.
type rotten struct {
	blockstore.Store
	bad blockstore.ID
}

func (r rotten) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	if id == r.bad {
		return nil, kind.Corrupt
	}
	return r.Store.Get(ctx, id)
}

// A damaged block is told of, once, and all others are copied.
func TestCopyGoesOnAfterADamagedBlock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from, to := rotten{Store: memory.New()}, memory.New()
	var ids []blockstore.ID
	for i := range 20 {
		id, block := storecheck.Chunk(100 + i)
		if err := from.Put(ctx, id, block); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b blockstore.ID) int { return bytes.Compare(a[:], b[:]) })
	from.bad = ids[3]
	var told []blockstore.ID
	c := copying{
		unsound: map[blockstore.ID]bool{}, from: from, to: to, rate: pace.New(0), tell: func(blockstore.Totals) {},
		damaged: func(id blockstore.ID) { told = append(told, id) },
	}
	for range 2 {
		if err := c.run(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(told, ids[3:4]) || !errors.Is(c.outcome(), ErrDamage) {
		t.Errorf("told of %v, outcome %v", told, c.outcome())
	}
	for i, id := range ids {
		if _, err := to.Stat(ctx, id); (err == nil) != (i != 3) {
			t.Errorf("block %d: %v", i, err)
		}
	}
}

// A store that another database has marked takes no copies, even if this one's own
// hasn't been marked yet.
func TestCopyToAnothersStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from, to := memory.New(), memory.New()
	if err := copyMarker(ctx, from, to); err != nil {
		t.Errorf("both unmarked: %v", err)
	}
	if err := blockstore.SetMarker(ctx, to, []byte("another's")); err != nil {
		t.Fatal(err)
	}
	if err := copyMarker(ctx, from, to); kind.Of(err) != kind.Conflict {
		t.Errorf("one is another's: %v, want Conflict", err)
	}
}
