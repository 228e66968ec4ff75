package sqlite_test

import (
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// TestNoSpace fills a database, with writers side by side: whoever is refused
// hears NoSpace, nothing acknowledged is lost, and when there is room again it
// goes on.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	t.Run("page limit", func(t *testing.T) {
		t.Parallel()
		path := dbPath(t)
		s := open(t, path)
		if err := s.Exec("PRAGMA max_page_count = 300"); err != nil {
			t.Fatal(err)
		}
		fillAndRecover(t, s, path, func() {
			if err := s.Exec("PRAGMA max_page_count = 100000"); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("full disk", func(t *testing.T) {
		t.Parallel()
		dir, resize := smallDisk(t, "4m")
		path := filepath.Join(dir, "meta.db")
		s := open(t, path)
		fillAndRecover(t, s, path, func() {
			resize("64m")
		})
	})
}

// smallDisk mounts a file system of a size such as "4m", if the test may, until it ends.
func smallDisk(t *testing.T, size string) (dir string, resize func(size string)) {
	t.Helper()
	dir = t.TempDir()
	mount := func(flags uintptr, size string) error {
		return unix.Mount("tmpfs", dir, "tmpfs", flags, "size="+size)
	}
	if err := mount(0, size); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir, func(size string) {
		t.Helper()
		if err := mount(unix.MS_REMOUNT, size); err != nil {
			t.Fatal(err)
		}
	}
}

// fillAndRecover closes s.
func fillAndRecover(t *testing.T, s *sqlite.Store, path string, makeRoom func()) {
	const writers = 4
	versions := make([]uint64, writers)
	slot := func(i int) metastore.SlotID { return metastore.SlotID{1, byte(i)} }
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for versions[i] < 2000 {
				if err := growOnce(t, s, slot(i)); err != nil {
					if kind.Of(err) != kind.NoSpace {
						t.Errorf("writer %d: %v, want kind NoSpace", i, err)
					}
					return
				}
				versions[i]++
			}
			t.Errorf("writer %d was never refused", i)
		})
	}
	wg.Wait()
	check := func(when string) {
		t.Helper()
		for i, want := range versions {
			if got := grow(t, s, slot(i), 0).Version; got != want {
				t.Errorf("%s: slot %d has version %d, acknowledged was %d", when, i, got, want)
			}
		}
	}
	check("while full")
	makeRoom()
	for i := range versions {
		if err := growOnce(t, s, slot(i)); err != nil {
			t.Errorf("with room again: %v", err)
		}
		versions[i]++
	}
	check("with room again")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	check("reopened")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
