package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// TestFullDiskCanBeMadeEmptier fills a disk to the last block, by the database and
// then by somebody else: leases, removals and collections go on, also after another
// start, while what grows is refused.
func TestFullDiskCanBeMadeEmptier(t *testing.T) {
	t.Parallel()
	dir, resize := smallDisk(t, "256m") // a reserve of 4 MiB: the log may have to wait for a checkpoint that is under way
	path := filepath.Join(dir, "meta.db")
	s := open(t, path)
	slot, root := metastore.SlotID{1}, metastore.SlotID{2}
	charge := func(files int64) error {
		return s.Commit(t.Context(), &metastore.Request{Charges: []metastore.Charge{{Root: root, Files: files}}})[0]
	}
	if err := errors.Join(charge(1000), growOnce(t, s, slot)); err != nil {
		t.Fatal(err)
	}
	fill := func() {
		t.Helper()
		fillDisk(t, filepath.Join(dir, "somebody's"))
		for i := 0; ; i++ {
			err := growOnce(t, s, slot)
			if kind.Of(err) == kind.NoSpace {
				return
			}
			if err != nil || i == 10_000 {
				t.Fatalf("growing: %v, want kind NoSpace", err)
			}
		}
	}
	freeing := func(when string) {
		t.Helper()
		for range 100 {
			err := errors.Join(
				s.Heartbeat(t.Context(), metastore.GatewayID{1}, 0, time.Minute), charge(-1),
				s.Collector().Absolve(t.Context(), []metastore.ID{{1}}))
			if err != nil {
				out, _ := exec.Command("sh", "-c", "ls -la "+dir+"; df -k "+dir).CombinedOutput()
				t.Fatalf("%s: %v %s", when, err, out)
			}
		}
		if err := growOnce(t, s, slot); kind.Of(err) != kind.NoSpace {
			t.Errorf("%s: growing: %v, want kind NoSpace", when, err)
		}
	}
	fill()
	freeing("full")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Join(dir, "somebody's second"))
	s = open(t, path)
	defer s.Close()
	freeing("started on the full disk")
	resize("512m")
	for range 3 {
		if err := growOnce(t, s, slot); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	fill()
	freeing("full once more")
}

// fillDisk writes a file until nothing fits any more.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}
