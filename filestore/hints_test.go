package filestore_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// hinted is a shared metastore that hints when the test says so. Its first answer is
// fault, if that is set.
type hinted struct {
	shared
	m     *meter
	fault error
	hints chan []metastore.SlotID
}

func (s *hinted) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	s.m.add(0, 0, 0, 1)
	return s.shared.Slots(ctx, ids)
}

func (s *hinted) Notify(ctx context.Context) (<-chan []metastore.SlotID, error) {
	if err := s.fault; err != nil {
		s.fault = nil
		return nil, err
	}
	return s.hints, nil
}

// What another gateway has changed, and a hint tells of, is read before anybody asks:
// who asks then is answered after one query, which otherwise says that the walk was by
// a record that has been replaced. Without the hint, or with one that names nothing or
// something else, the answer is as right.
func TestHintsSpareTheSecondWalk(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		hint    func(d, other metastore.SlotID) []metastore.SlotID
		fault   error
		ahead   int // queries that the hint brings about
		queries int // of the walk
	}{
		{"named", func(d, _ metastore.SlotID) []metastore.SlotID { return []metastore.SlotID{d} }, nil, 1, 1},
		{"named, after it couldn't listen", func(d, _ metastore.SlotID) []metastore.SlotID { return []metastore.SlotID{d} }, kind.Unavailable, 1, 1},
		{"anything", func(_, _ metastore.SlotID) []metastore.SlotID { return nil }, nil, 0, 2},
		{"a stranger", func(_, other metastore.SlotID) []metastore.SlotID { return []metastore.SlotID{other} }, nil, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t)
				writer, root := newTree(t, s.gateway())
				writer.mkdir("d")
				writer.put("d/f", []byte("old"))
				meta := &hinted{shared: shared{s.meta}, m: new(meter), fault: tt.fault, hints: make(chan []metastore.SlotID, 1)}
				fs := s.open(func(o *filestore.Options) { o.Meta = meta })
				reader := mount(t, fs, root)
				reader.expect("d/f", []byte("old"))
				reader.expect("d/f", []byte("old"))

				writer.put("d/f", []byte("newer"))
				d, err := writer.CapOf(t.Context(), path("d"), caps.AuthorityWrite)
				if err != nil {
					t.Fatal(err)
				}
				meta.m.spent()
				meta.hints <- tt.hint(rootID(t, d), metastore.SlotID{1})
				time.Sleep(time.Minute) // of the bubble's clock: until nothing is left to be done
				if n := meta.m.spent().reads; n != tt.ahead {
					t.Errorf("the hint brought about %d queries, want %d", n, tt.ahead)
				}
				if i, err := reader.Lstat(t.Context(), path("d/f")); err != nil || i.Size != 5 {
					t.Errorf("%+v, %v; want the new file of 5 bytes", i, err)
				}
				if n := meta.m.spent().reads; n != tt.queries {
					t.Errorf("the walk took %d queries, want %d", n, tt.queries)
				}
				if err := fs.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
