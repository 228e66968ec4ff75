package sqlite_test

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// replace puts another file behind a descriptor, until it is put back.
func replace(t *testing.T, fd, by int) (putBack func()) {
	t.Helper()
	saved, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup2(by, fd); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Dup2(saved, fd); err != nil {
			t.Fatal(err)
		}
		unix.Close(saved)
	}
}

func device(t *testing.T, path string, flags int) int {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

// TestGatherFaults: a write that fails is told at the latest by the sync, and
// what is written anew afterwards is whole. The first sync that works is
// SQLite's own, however many failed before.
func TestGatherFaults(t *testing.T) {
	t.Parallel()
	full, null := device(t, "/dev/full", os.O_RDWR), device(t, "/dev/null", os.O_RDWR)
	none := device(t, "/dev/null", os.O_RDONLY)
	for _, tt := range []struct {
		name   string
		behind int
		want   int32
	}{{"full", full, sqlite.GatherFull}, {"not to be written", none, sqlite.GatherNoWrite}, {"not to be synced", null, sqlite.GatherNoSync}} {
		g, path := openGather(t)
		for round := range 2 {
			putBack := replace(t, g.Fd(), tt.behind)
			g.Write([]byte("lost"), int64(4*round))
			if rc := g.Sync(); rc != tt.want {
				t.Errorf("%s: sync gives code %d, want %d", tt.name, rc, tt.want)
			}
			putBack()
			if got := g.Synced(); got != int64(round) {
				t.Errorf("%s: %d syncs worked, want %d", tt.name, got, round)
			}
			g.Write([]byte("kept"), int64(4*round))
			if rc := g.Sync(); rc != sqlite.GatherOK {
				t.Errorf("%s: sync of what was written anew gives code %d", tt.name, rc)
			}
		}
		g.Close()
		sameFile(t, path, []byte("keptkept"))
	}
}

// TestGatherGrowthFails: a log that can't grow ahead of what is written works.
func TestGatherGrowthFails(t *testing.T) {
	t.Parallel()
	fd, err := unix.MemfdCreate("sealed", unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Skipf("no memory file: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 5000); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	g, _ := openGather(t)
	putBack := replace(t, g.Fd(), fd)
	want := bytes.Repeat([]byte{9}, 5000)
	g.Write(want, 0)
	if rc := g.Sync(); rc != sqlite.GatherOK {
		t.Errorf("sync of what has room: code %d", rc)
	}
	got, rc := g.Read(5000, 0)
	if rc != sqlite.GatherOK || !bytes.Equal(got, want) {
		t.Errorf("read: code %d, or wrong bytes", rc)
	}
	g.Write(want, 5000)
	if rc := g.Sync(); rc != sqlite.GatherNoWrite {
		t.Errorf("sync of what has no room: code %d", rc)
	}
	putBack()
	g.Close()
}

// TestLogFaults breaks the log below a running store: the commit in question is
// not acknowledged, those before and after are there, also when it is opened again.
func TestLogFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		behind func(log string) (path string, flags int)
	}{
		{"not to be written", func(log string) (string, int) { return log, os.O_RDONLY }},
		{"not to be synced", func(string) (string, int) { return "/dev/null", os.O_RDWR }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := dbPath(t)
			s := open(t, path)
			id := metastore.SlotID{1}
			grow(t, s, id, 3)
			for range 3 {
				before := grow(t, s, id, 0)
				name, flags := tt.behind(path + "-wal")
				putBack := replace(t, s.LogFd(), device(t, name, flags))
				err := growOnce(t, s, id)
				putBack()
				if kind.Of(err) != kind.Unavailable {
					t.Errorf("commit: %v", err)
				}
				if now := grow(t, s, id, 0); now.Hash != before.Hash {
					t.Errorf("a commit that was not acknowledged is seen: version %d after %d", now.Version, before.Version)
				}
				if now := grow(t, s, id, 2); now.Version != before.Version+2 {
					t.Errorf("two commits after the fault: version %d after %d", now.Version, before.Version)
				}
			}
			want := grow(t, s, id, 0)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			defer s.Close()
			if got := grow(t, s, id, 0); got.Hash != want.Hash {
				t.Errorf("opened again: version %d, want %d", got.Version, want.Version)
			}
			if n, err := s.Query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"); err != nil || n != 1 {
				t.Errorf("integrity: %d, %v", n, err)
			}
		})
	}
}
