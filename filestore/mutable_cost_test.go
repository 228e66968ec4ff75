package filestore_test

import (
	"fmt"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

// countedSlots counts the queries for slots of a metastore that others write to.
type countedSlots struct {
	metastore.Store
	m *meter
}

func (s countedSlots) Exclusive() bool { return false }

// A listing reads the slots of its mutable files many at a time, and their
// contents not at all; writing to one leaves its directory alone (law 7).
func TestCostOfMutableFiles(t *testing.T) {
	t.Parallel()
	s, m := newStorage(t), new(meter)
	tr, root := newTree(t, s.open())
	const n = 1000
	tr.mkdir("d")
	for i := range n {
		tr.putMutable(fmt.Sprintf("d/%04d", i), []byte{byte(i)})
	}
	fresh := s.open(func(o *filestore.Options) { o.Meta = countedSlots{meteredMeta{o.Meta, m}, m} })
	other := mount(t, fresh, root)
	m.spent()
	var size int64
	for i, err := range other.List(t.Context(), path("d")) {
		if err != nil {
			t.Fatal(err)
		}
		size += i.Size
	}
	// 4 queries for slots, and the directory's own nodes 16 at a time.
	if got := m.spent(); size != n || got.reads > 40 {
		t.Errorf("a listing of %d mutable files with %d bytes took %d queries", n, size, got.reads)
	}
	f := other.open("d/0500", forWriting)
	write0(t, f, "changed")
	m.spent()
	closeFile(t, f)
	if got := m.spent(); got.commits != 1 || got.items != 1 || got.bytes > 1000 {
		t.Errorf("writing to one took %d commits with %d nodes of %d bytes", got.commits, got.items, got.bytes)
	}
}
