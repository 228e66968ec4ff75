package filestore_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// forking is a metastore that shows another record of one slot than it has.
type forking struct {
	metastore.Store
	id    metastore.SlotID
	shown atomic.Pointer[[]byte] // nil: the truth
}

func (f *forking) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	recs, err := f.Store.Slots(ctx, ids)
	if shown := f.shown.Load(); shown != nil && err == nil {
		for i, id := range ids {
			if id == f.id {
				recs[i].Bytes = *shown
			}
		}
	}
	return recs, err
}

// A store that shows a gateway another record than before under the same version,
// though the owner has signed both, is caught: somebody else sees the first.
func TestForkIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	var log bytes.Buffer
	meta := &forking{Store: s.meta}
	fs := s.open(func(o *filestore.Options) {
		o.Meta, o.Log = meta, slog.New(slog.NewTextHandler(&log, nil)) // not exclusive: every operation asks again
	})
	tr, root := newTree(t, fs)
	tr.mkdir("a")
	tr.expectNames("", "a")

	w, ok := root.SlotWrite()
	if !ok {
		t.Fatal("the root is no slot")
	}
	meta.id = metastore.SlotID(w.ID())
	fork := func(change func(*dirtree.SlotState)) {
		t.Helper()
		recs, err := s.meta.Slots(t.Context(), []metastore.SlotID{meta.id})
		must(t, err)
		state, err := dirtree.OpenSlot(w.Read(), recs[0].Bytes)
		must(t, err)
		change(&state)
		rec, err := dirtree.SealSlot(w, state)
		must(t, err)
		meta.shown.Store(&rec)
	}
	fork(func(s *dirtree.SlotState) { s.Home = [32]byte{1} })
	_, err := tr.Stat(t.Context(), path("a"))
	expectKind(t, "stat on the other side of a fork", err, kind.Corrupt)
	expectKind(t, "mkdir there", tr.Mkdir(t.Context(), path("b"), filestore.Attr{}), kind.Corrupt)
	if !strings.Contains(log.String(), "another of the same version") {
		t.Errorf("the log says %q", &log)
	}
	meta.shown.Store(nil)
	tr.expectNames("", "a")

	// Of a newer version nobody can tell by itself that it is a fork: the chain of
	// hashes doesn't lead there, and the log says so.
	log.Reset()
	fork(func(s *dirtree.SlotState) { s.Version += 3; s.Prev = [32]byte{1} })
	tr.expectNames("", "a")
	if !strings.Contains(log.String(), "without the chain") {
		t.Errorf("of a jump without a chain the log says %q", &log)
	}
	meta.shown.Store(nil)
	_, err = tr.Stat(t.Context(), path("a"))
	expectKind(t, "stat on the record before", err, kind.Corrupt)
}

// What a commit has replaced while it was being read doesn't come to stand for the
// current record, though the cache has no room for that any more.
func TestOvertakenReadsAreNotKept(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	tr, _ := newTree(t, s.open())
	if kept, err := tr.KeepOvertaken(t.Context(), func() {}); err != nil || !kept {
		t.Errorf("with nothing between: kept %v, %v", kept, err)
	}
	if kept, err := tr.KeepOvertaken(t.Context(), func() { tr.mkdir("a") }); err != nil || kept {
		t.Errorf("with a commit between: kept %v, %v", kept, err)
	}
	tr.expectNames("", "a")
}
