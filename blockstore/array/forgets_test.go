package array_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid0"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A member in memory is empty at every start: the array comes up with it, what
// it held alone is gone, and it takes what is written now.
func TestAMemberThatForgets(t *testing.T) {
	t.Parallel()
	levels := map[string]func(context.Context, []blockstore.Member) (blockstore.Store, error){
		"raid0": func(ctx context.Context, ms []blockstore.Member) (blockstore.Store, error) {
			return raid0.Open(ctx, ms, raid0.Options{Log: quiet})
		},
		"raid1": func(ctx context.Context, ms []blockstore.Member) (blockstore.Store, error) {
			return raid1.Open(ctx, ms, raid1.Options{Log: quiet})
		},
	}
	for level, open := range levels {
		synctest.Test(t, func(t *testing.T) {
			kept := &disk{inner: memory.New()}
			start := func() blockstore.Store {
				s, err := open(t.Context(), []blockstore.Member{
					{Name: "0", Store: memory.New(), Forgets: true}, {Name: "1", Store: platter{kept}},
				})
				if err != nil {
					t.Fatalf("%s: %v", level, err)
				}
				return s
			}
			blocks := map[blockstore.ID][]byte{}
			for round := range 3 {
				s := start()
				for id, want := range blocks {
					got, err := s.Get(t.Context(), id)
					gone := level == "raid0" && kind.Of(err) == kind.NotExist
					if !gone && (err != nil || !bytes.Equal(got, want)) {
						t.Errorf("%s, start %d: %v", level, round, err)
					}
				}
				for range 20 {
					id, block := storecheck.Chunk(100)
					if err := s.Put(t.Context(), id, block); err != nil {
						t.Errorf("%s, start %d: put: %v", level, round, err)
					}
					blocks[id] = block
				}
				if round == 2 && level == "raid1" {
					if _, err := blockstore.Rebuild(t.Context(), s, "0", blockstore.RebuildOptions{}, func(blockstore.Finding) {}); err != nil {
						t.Error(err)
					}
					if st := blockstore.StatusOf(t.Context(), s, blockstore.StatusOptions{}); st.State != blockstore.StateOK {
						t.Errorf("after a rebuild: %s", fmt.Sprint(st))
					}
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
