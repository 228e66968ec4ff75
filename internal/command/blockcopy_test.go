package command

import (
	"context"
	"iter"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
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
	c := copying{from: from, to: to, rate: pace.New(0), tell: func(blockstore.Totals) {}}
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
