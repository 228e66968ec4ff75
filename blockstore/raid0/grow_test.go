package raid0

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// kept is a store that Close leaves alone.
type kept struct{ *memory.Store }

func (kept) Close() error { return nil }

func openOn(t *testing.T, stores ...blockstore.Store) *Store {
	t.Helper()
	var ms []blockstore.Member
	for i, s := range stores {
		ms = append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: s})
	}
	s, err := Open(t.Context(), ms, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Where a block lies is part of the format: docs/formats.md 15 has these vectors.
func TestOwnerVectors(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		id   blockstore.ID
		want [4]int // of 2, 3, 5 and 64 members
	}{
		{blockstore.ID{}, [4]int{0, 0, 3, 3}},
		{blockstore.ID{0, 0, 0, 0, 0, 0, 0, 1}, [4]int{0, 0, 0, 29}},
		{blockstore.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, [4]int{0, 0, 0, 62}},
		{blockstore.ID{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 99}, [4]int{1, 2, 4, 55}},
	} {
		got := [4]int{owner(tt.id, 2), owner(tt.id, 3), owner(tt.id, 5), owner(tt.id, 64)}
		if got != tt.want {
			t.Errorf("id %d: members %v, want %v", i, got, tt.want)
		}
	}
}

// Members get equal shares, and one that is added takes 1/n from all others, who
// exchange nothing.
func TestOneMemberMoreMovesItsShare(t *testing.T) {
	t.Parallel()
	const blocks = 20_000
	for _, n := range []int{2, 3, 4, 9} {
		share, moved := make([]int, n+1), 0
		for range blocks {
			id, _ := storecheck.Chunk(1)
			before, after := owner(id, n), owner(id, n+1)
			share[before]++
			if before != after {
				moved++
				if after != n {
					t.Fatalf("a block moves from member %d to %d of %d", before, after, n+1)
				}
			}
		}
		if want := blocks / (n + 1); moved < want*9/10 || moved > want*11/10 {
			t.Errorf("from %d to %d members %d blocks move of %d", n, n+1, moved, blocks)
		}
		for i, count := range share[:n] {
			if want := blocks / n; count < want*9/10 || count > want*11/10 {
				t.Errorf("member %d of %d has %d blocks of %d", i, n, count, blocks)
			}
		}
	}
}

func count(t *testing.T, s blockstore.Store) (n int) {
	for _, err := range s.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A store that grows serves all its blocks at once, and after a rebuild each lies
// where it belongs, once.
func TestGrow(t *testing.T) {
	t.Parallel()
	stores := []blockstore.Store{kept{memory.New()}, kept{memory.New()}}
	s := openOn(t, stores...)
	blocks := map[blockstore.ID][]byte{}
	put := func(n int) {
		for range n {
			id, block := storecheck.Chunk(300)
			if err := s.Put(t.Context(), id, block); err != nil {
				t.Fatal(err)
			}
			blocks[id] = block
		}
	}
	put(200)
	if err := blockstore.SetMarker(t.Context(), s, []byte("marker")); err != nil {
		t.Fatal(err)
	}
	reopen := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openOn(t, stores...)
		blockstoretest.Expect(t, s, blocks)
	}
	reopen()
	stores = append(stores, kept{memory.New()})
	reopen()
	put(100)
	for id, want := range blocks { // blocks put and deleted meanwhile
		part, err := s.GetRange(t.Context(), id, 10, 20)
		if err != nil || !bytes.Equal(part, want[10:30]) {
			t.Errorf("range: %v", err)
		}
		if err := s.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
		if _, err := s.Get(t.Context(), id); kind.Of(err) != kind.NotExist {
			t.Errorf("a deleted block: %v", err)
		}
		if delete(blocks, id); len(blocks) < 250 {
			break
		}
	}
	reopen() // still not rebuilt
	if st := s.Status(t.Context(), blockstore.StatusOptions{Count: true}); st.State != blockstore.StateOK || st.Members[2].Count.Lacks == 0 {
		t.Errorf("status %+v", st)
	}
	for range 2 {
		totals, err := s.Rebuild(t.Context(), "2", blockstore.RebuildOptions{}, func(f blockstore.Finding) {
			if !f.Mended {
				t.Errorf("%v", f)
			}
		})
		if err != nil {
			t.Fatalf("%+v, %v", totals, err)
		}
		if s.a.Moved() {
			t.Error("blocks are still looked for everywhere")
		}
		sum := 0
		for i, m := range stores {
			sum += count(t, m)
			for info := range m.List(t.Context(), blockstore.ID{}) {
				if s.owner(info.ID) != i {
					t.Errorf("block %v lies on member %d", info.ID, i)
				}
			}
		}
		if sum != len(blocks) {
			t.Errorf("%d copies of %d blocks", sum, len(blocks))
		}
		reopen()
	}
	if m, err := blockstore.GetMarker(t.Context(), s); err != nil || string(m) != "marker" {
		t.Errorf("marker %q, %v", m, err)
	}
	s.Close()
}

// A gateway that doesn't know yet that another one has added a member, and moved
// the blocks, loses nothing for that one, nor by that one.
func TestAGatewayThatHasNotHeardOfTheNewMember(t *testing.T) {
	t.Parallel()
	stores := []blockstore.Store{kept{memory.New()}, kept{memory.New()}}
	stale := openOn(t, stores...)
	defer stale.Close()
	grown := openOn(t, append(stores, kept{memory.New()})...)
	defer grown.Close()
	if _, err := grown.Rebuild(t.Context(), "2", blockstore.RebuildOptions{}, func(blockstore.Finding) {}); err != nil {
		t.Fatal(err)
	}
	blocks := map[blockstore.ID][]byte{}
	for range 50 {
		id, block := storecheck.Chunk(300)
		if err := stale.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		blocks[id] = block
	}
	blockstoretest.Expect(t, grown, blocks)
	if _, err := grown.Scrub(t.Context(), blockstore.ScrubOptions{}, func(f blockstore.Finding) {
		if !f.Mended {
			t.Errorf("%v", f)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for id := range blocks {
		if err := grown.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := grown.Get(t.Context(), id); kind.Of(err) != kind.NotExist {
			t.Errorf("a deleted block: %v", err)
		}
	}
}

// A block is never dropped where it lay before a sound copy is where it belongs.
func TestTidyKeepsTheOnlySoundCopy(t *testing.T) {
	t.Parallel()
	a, b := kept{memory.New()}, kept{memory.New()}
	s := openOn(t, a, b)
	var ids []blockstore.ID
	for range 50 {
		id, block := storecheck.Chunk(300)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	s.Close()
	c := blockstoretest.NewFaulty(kept{memory.New()})
	s = openOn(t, a, b, c)
	defer s.Close()
	c.LieAlways(blockstoretest.Flip(-1))
	_, err := s.Rebuild(t.Context(), "2", blockstore.RebuildOptions{}, func(blockstore.Finding) {})
	if kind.Of(err) != kind.Corrupt {
		t.Errorf("rebuild of a member that lies: %v", err)
	}
	for _, id := range ids {
		_, erra := a.Get(t.Context(), id)
		_, errb := b.Get(t.Context(), id)
		if erra != nil && errb != nil {
			t.Errorf("block %v is on the member that lies only", id)
		}
	}
}

// A member that is down takes its blocks with it, and no others.
func TestAMemberThatIsDown(t *testing.T) {
	t.Parallel()
	f := blockstoretest.NewFaulty(memory.New())
	s := openOn(t, memory.New(), f)
	defer s.Close()
	blocks := map[blockstore.ID][]byte{}
	for range 50 {
		id, block := storecheck.Chunk(300)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		blocks[id] = block
	}
	f.Before(func(context.Context, blockstoretest.Op, int, blockstore.ID) error { return kind.Unavailable })
	for id, want := range blocks {
		got, err := s.Get(t.Context(), id)
		if s.owner(id) == 0 {
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("a block of the other member: %v", err)
			}
		} else if kind.Of(err) != kind.Unavailable {
			t.Errorf("a block of the member that is down: %v", err)
		}
		want1 := kind.Kind(0)
		if s.owner(id) == 1 {
			want1 = kind.Unavailable
		}
		if err := s.Put(t.Context(), id, want); kind.Of(err) != want1 {
			t.Errorf("put: %v", err)
		}
	}
	for _, err := range s.List(t.Context(), blockstore.ID{}) {
		if err != nil && kind.Of(err) != kind.Unavailable {
			t.Errorf("list: %v", err)
		}
	}
	if st := s.Status(t.Context(), blockstore.StatusOptions{}); st.State != blockstore.StateDown || st.Members[1].State != blockstore.StateDown {
		t.Errorf("status %+v", st)
	}
}

// A scrub finds what is damaged, though there is nothing to repair it from.
func TestScrub(t *testing.T) {
	t.Parallel()
	inner := memory.New()
	s := openOn(t, memory.New(), inner)
	defer s.Close()
	var bad blockstore.ID
	for range 50 {
		id, block := storecheck.Chunk(300)
		if s.owner(id) == 1 && bad.IsZero() {
			bad = id
			block[70] ^= 1
		}
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
	}
	var found []blockstore.Finding
	totals, err := s.Scrub(t.Context(), blockstore.ScrubOptions{}, func(f blockstore.Finding) { found = append(found, f) })
	if err != nil || totals.Blocks != 50 || totals.Lost != 1 || len(found) != 1 || found[0].ID != bad || found[0].Member != "1" || found[0].Fault != blockstore.FaultLost {
		t.Errorf("%+v, %v, %v", totals, found, err)
	}
}
