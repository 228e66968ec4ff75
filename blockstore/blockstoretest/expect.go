package blockstoretest

import (
	"bytes"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func put(t testing.TB, s blockstore.Store, id blockstore.ID, block []byte) {
	t.Helper()
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
}

// Expect fails the test unless s holds every one of blocks, as Get, Stat and
// List see it.
func Expect(t testing.TB, s blockstore.Store, blocks map[blockstore.ID][]byte) {
	t.Helper()
	for id, want := range blocks {
		if got, err := s.Get(t.Context(), id); err != nil {
			t.Errorf("get: %v", err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("get %v: %d bytes differ from the %d put", id, len(got), len(want))
		}
		if info, err := s.Stat(t.Context(), id); err != nil || info.Size != int64(len(want)) {
			t.Errorf("stat %v: %+v, %v, want %d bytes", id, info, err, len(want))
		}
	}
	found := 0
	for info, err := range s.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		if _, ok := blocks[info.ID]; ok {
			found++
		}
	}
	if found != len(blocks) {
		t.Errorf("list yields %d of %d blocks", found, len(blocks))
	}
}

// ExpectAbsent fails the test if s holds any of blocks.
func ExpectAbsent(t testing.TB, s blockstore.Store, blocks map[blockstore.ID][]byte) {
	t.Helper()
	for id := range blocks {
		if _, err := s.Get(t.Context(), id); kind.Of(err) != kind.NotExist {
			t.Errorf("get of a deleted block %v: %v", id, err)
		}
	}
}
