package command

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/control"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/node"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// torn is where a backup goes whose client hangs up; before is called first.
type torn struct{ before func() }

func (w torn) Write([]byte) (int, error) {
	w.before()
	return 0, errors.New("hung up")
}

// A backup that fails takes away its own hold, and not that of one of the same
// commit which took its place.
func TestABackupThatFails(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{false, true} {
		n := &node.Node{Meta: memory.New()}
		other := hold{id: newHoldID(), made: time.Now(), until: time.Now().Add(2 * forever), name: "other"}
		err := (&Backup{Name: "mine"}).run(t.Context(), n, control.Streams{Out: torn{func() {
			all, err := holds(t.Context(), n.Meta)
			if err != nil || len(all) == 0 {
				t.Fatalf("while it is written it is not held: %v, %v", all, err)
			}
			if replaced {
				if err := n.Meta.Collector().PinAt(t.Context(), all[0].seq, other.until, other.why()); err != nil {
					t.Fatal(err)
				}
			}
		}}})
		if err == nil {
			t.Fatal("a backup that nobody got succeeded")
		}
		all, err := holds(t.Context(), n.Meta)
		switch {
		case err != nil:
			t.Fatal(err)
		case replaced && (len(all) != 1 || all[0].id != other.id):
			t.Errorf("the other's hold is gone: %v", all)
		case !replaced && len(all) != 0:
			t.Errorf("it left its hold: %v", all)
		}
	}
}

// Backups that begin at the same time never hold the same commit.
func TestHoldsOfOneCommit(t *testing.T) {
	t.Parallel()
	meta := memory.New()
	seq, err := meta.Seq(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	first := hold{id: newHoldID(), made: time.Now(), until: time.Now().Add(time.Hour), seq: seq}
	second := first
	second.id, second.until = newHoldID(), time.Now().Add(2*time.Hour)
	if err := first.pin(t.Context(), meta); err != nil {
		t.Fatal(err)
	}
	if err := second.pin(t.Context(), meta); kind.Of(err) != kind.Conflict {
		t.Errorf("a commit that is held: %v", err)
	}
	if err := second.release(t.Context(), meta); kind.Of(err) != kind.NotExist {
		t.Errorf("release what isn't held: %v", err)
	}
	if err := first.release(t.Context(), meta); err != nil {
		t.Error(err)
	}
}

// What a pin says is read again, whatever the file's name is; other pins are none.
func TestHolds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "/backup/a b", "a\nb \"c\" ü\xff", "backup"} {
		h := hold{id: newHoldID(), made: time.Now().UTC(), name: name, seq: 7}
		h.until = h.made.Add(forever)
		got, ok := parseHold(metastore.Pin{Seq: 7, Until: h.until, Why: h.why()})
		if !ok || got.id != h.id || got.name != name || !got.made.Equal(h.made) || got.seq != 7 || !got.endless() {
			t.Errorf("%q: %+v, %v", name, got, ok)
		}
	}
	for _, why := range []string{"", "backup", "backup a b c", "a snapshot", `backup 1 2026-01-02T03:04:05Z "x`} {
		if h, ok := parseHold(metastore.Pin{Why: why}); ok {
			t.Errorf("%q: %+v", why, h)
		}
	}
	h := hold{made: time.Now()}
	h.until = h.made.Add(time.Hour)
	if h.endless() {
		t.Error("an hour is endless")
	}
}

// A hold lasts by the database's clock, which ends it: this machine's may be wrong.
func TestHoldsGoByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	const keep = 30 * 24 * time.Hour
	for _, off := range []time.Duration{-2 * keep, 2 * keep} { // of the database's clock
		meta := memory.New(memory.Clock(func() time.Time { return time.Now().Add(off) }))
		now, err := databaseTime(t.Context(), meta)
		if err != nil {
			t.Fatal(err)
		}
		rows, h, err := (&Backup{Keep: keep}).begin(t.Context(), meta, exporterOf(t, meta))
		if err != nil {
			t.Fatal(err)
		}
		for range rows { // it ends with the last one
		}
		if lasts := h.until.Sub(now); lasts < keep || lasts > keep+time.Hour || h.endless() {
			t.Errorf("with the database's clock off by %v a hold lasts %v instead of %v", off, lasts, keep)
		}
		if all, err := holds(t.Context(), meta); err != nil || len(all) != 1 {
			t.Errorf("with the database's clock off by %v it holds %v, %v", off, all, err)
		}
	}
}

func exporterOf(t *testing.T, meta metastore.Store) metastore.Exporter {
	t.Helper()
	e, err := metastore.AsExporter(meta)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
