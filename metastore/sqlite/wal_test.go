package sqlite_test

import (
	"context"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// bulk commits about n MiB of nodes.
func bulk(t *testing.T, s metastore.Store, id byte, n int) {
	t.Helper()
	for range n {
		r := &metastore.Request{}
		for range 256 {
			d := directory{id: metastore.SlotID{id}}
			d.replace(r, 1)
		}
		r.Slots, r.Dead = nil, nil
		for i := range r.Nodes {
			r.Nodes[i].Data = append(r.Nodes[i].Data, make([]byte, 1000)...)
		}
		if err := s.Commit(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogStaysBounded(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	s := open(t, dbPath(t), sqlite.WALSizes(limit/4, limit))
	defer s.Close()
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	bulk(t, s, 1, 5) // the view keeps the log from being begun anew
	if got := s.WALSize(); got < limit {
		t.Fatalf("the log has %d bytes beside a view, the test wants more", got)
	}
	v.Close()
	if err := s.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := s.WALSize(); got != 0 {
		t.Errorf("the log has %d bytes after the view was closed", got)
	}
	var wg sync.WaitGroup
	for i := range byte(2) {
		wg.Go(func() { bulk(t, s, i+1, 4) })
	}
	wg.Wait()
	if got := s.WALSize(); got > 2*limit {
		t.Errorf("the log has grown to %d bytes under load", got)
	}
}

// TestCheckpointBesideWriters: nothing is lost or doubled while the log is
// emptied again and again.
func TestCheckpointBesideWriters(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := s.Checkpoint(); err != nil {
				t.Error(err)
			}
		}
	})
	var writers sync.WaitGroup
	for i := range byte(4) {
		writers.Go(func() {
			for range 50 {
				if err := growOnce(t, s, metastore.SlotID{1, i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	cancel()
	wg.Wait()
	for i := range byte(4) {
		if got := grow(t, s, metastore.SlotID{1, i}, 0).Version; got != 50 {
			t.Errorf("slot %d has version %d after 50 commits", i, got)
		}
	}
}
