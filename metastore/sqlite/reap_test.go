package sqlite_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// TestPinBesideReap: a pin that is set while a Reap runs keeps what was current
// then, though it is replaced before the Reap comes to drop it.
func TestPinBesideReap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t, dbPath(t))
	defer s.Close()
	a, b := metastore.SlotID{1}, metastore.SlotID{2}
	// Both in one commit, and so in one row of the log; one of them replaced.
	var r metastore.Request
	for _, id := range []metastore.SlotID{a, b} {
		d := directory{id: id}
		d.replace(&r, 1)
	}
	if err := s.Commit(ctx, &r)[0]; err != nil {
		t.Fatal(err)
	}
	grow(t, s, a, 1)
	current := grow(t, s, b, 0)
	var pin uint64
	_, err := s.ReapBeside(ctx, func() {
		early := current.Seq
		if err := s.Collector().PinAt(ctx, early, time.Now().Add(time.Hour), "too late"); kind.Of(err) != kind.Conflict {
			t.Errorf("pinning what the Reap is about to drop: %v", err)
		}
		var err error
		if pin, err = s.Collector().Pin(ctx, time.Now().Add(time.Hour), "in time"); err != nil {
			t.Fatal(err)
		}
		grow(t, s, b, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Collector().Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	found := false
	for rec, err := range v.SlotsAt(ctx, pin) {
		if err != nil {
			t.Fatal(err)
		}
		found = found || rec.ID == b && rec.Hash == current.Hash
	}
	if !found {
		t.Error("the record that the pin needs is gone")
	}
	if log, err := s.Log(ctx, a, 0); err != nil || len(log) != 1 {
		t.Errorf("of the replaced record %d are left with the newest (%v)", len(log), err)
	}
}
