package highwater_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/filestore/highwater"
)

// openFaulty opens a log that is flushed only when the test says so.
func openFaulty(t *testing.T) (f *highwater.File, faults *highwater.Faults, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "marks")
	faults = &highwater.Faults{}
	f, err := highwater.OpenFaulty(path, slog.New(slog.DiscardHandler), faults)
	if err != nil {
		t.Fatal(err)
	}
	f.FlushOnlyWhenAsked()
	t.Cleanup(func() { _ = f.Close() })
	return f, faults, path
}

// afterCrash opens a copy of the log as it lies there; nothing in it may be damaged.
func afterCrash(t *testing.T, path string) *highwater.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "marks")
	if err := os.WriteFile(crashed, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, log := open(t, crashed)
	if bytes.Contains(log.Bytes(), []byte("damaged")) {
		t.Errorf("a record is damaged: %s", log)
	}
	return f
}

// TestFlushThatFails: a flush that fails says so, loses nothing of what was flushed
// before nor of what it was to write, and the next one that works writes it all.
func TestFlushThatFails(t *testing.T) {
	t.Parallel()
	full := unix.ENOSPC
	for name, fault := range map[string]highwater.Faults{
		"nothing arrives":              {Write: full},
		"half a record arrives":        {Write: full, Arrive: 40},
		"a record and a half arrive":   {Write: full, Arrive: 120},
		"the sync fails":               {Sync: unix.EIO},
		"the sync fails after a write": {Write: unix.EIO, Arrive: 84, Sync: unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, faults, path := openFaulty(t)
			f.Raise(mark(1, 0, 1))
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
			*faults = fault
			f.Raise(mark(2, 0, 1))
			f.Raise(mark(3, 0, 1))
			if err := f.Flush(); !errors.Is(err, fault.Write) && !errors.Is(err, fault.Sync) {
				t.Fatalf("a failing flush says %v", err)
			}
			want(t, afterCrash(t, path), mark(1, 0, 1))
			f.Raise(mark(1, 0, 2))
			if err := f.Accept(mark(2, 0, 0)); err == nil {
				t.Error("Accept is durable on a disk that fails")
			}
			*faults = highwater.Faults{}
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
			f.Raise(mark(4, 0, 1))
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
			again := afterCrash(t, path)
			want(t, again, mark(1, 0, 2))
			want(t, again, mark(2, 0, 0))
			want(t, again, mark(3, 0, 1))
			want(t, again, mark(4, 0, 1))
			if again.NextEpoch([32]byte{2}) != 1 {
				t.Error("the next epoch of what was accepted is lost")
			}
		})
	}
}

// TestCompactionThatFails: whatever step of it fails, the log under its name has what
// was flushed, and what is raised afterwards gets there, however much that is.
func TestCompactionThatFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]highwater.Faults{
		"write":              {Write: unix.ENOSPC, Arrive: 1000},
		"sync":               {Sync: unix.EIO},
		"rename":             {Rename: unix.EIO},
		"sync of the folder": {SyncDir: unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, faults, path := openFaulty(t)
			f.Raise(mark(1, 0, 1))
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
			for v := range uint64(4200) { // more than is superseded without a compaction
				f.Raise(mark(1, 0, v+2))
			}
			*faults = fault
			if err := f.Flush(); err == nil {
				t.Fatal("a compaction that failed says nothing")
			}
			if got, ok := afterCrash(t, path).Mark([32]byte{1}); !ok || got.Version < 1 {
				t.Errorf("after the failure the log has version %d of slot 1 (%v)", got.Version, ok)
			}
			*faults = highwater.Faults{}
			for i := range 5000 { // so many that no compaction is due any more
				m := mark(2, 0, 1)
				m.Slot[1], m.Slot[2] = byte(i), byte(i>>8)
				f.Raise(m)
			}
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
			again := afterCrash(t, path)
			want(t, again, mark(1, 0, 4201))
			if n := len(again.All()); n != 5001 {
				t.Errorf("the log has %d marks of 5001", n)
			}
			left, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(left) != 1 {
				t.Errorf("files left beside the log: %v %v", left, err)
			}
		})
	}
}
