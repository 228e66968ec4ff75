package postgres_test

import (
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// smallDisk mounts a disk of 16 MiB that the server may write to, and makes a
// database there.
func smallDisk(t *testing.T) (address string, enlarge func()) {
	t.Helper()
	server := testbed.Service(t, "TRUCKEE_TEST_POSTGRES")
	owner, err := user.Lookup("postgres")
	if err != nil || os.Getuid() != 0 {
		t.Skip("needs root, and a server that runs as the user postgres")
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "truckee-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	mount := func(flags uintptr, size string) error {
		return unix.Mount("tmpfs", dir, "tmpfs", flags, "mode=0700,uid="+strconv.Itoa(uid)+",size="+size)
	}
	if err := mount(0, "16m"); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	name := "small_" + strings.ToLower(dir[strings.LastIndex(dir, "-")+1:])
	sql(t, server, "CREATE TABLESPACE "+name+" LOCATION '"+dir+"'", "CREATE DATABASE "+name+" TABLESPACE "+name)
	t.Cleanup(func() { sql(t, server, "DROP DATABASE "+name+" WITH (FORCE)", "DROP TABLESPACE "+name) })
	enlarge = func() {
		if err := mount(unix.MS_REMOUNT, "64m"); err != nil {
			t.Fatal(err)
		}
	}
	return edited(t, server, func(u *url.URL) { u.Path = "/" + name }), enlarge
}

// TestNoSpace fills the disk of a server, with writers side by side: whoever is
// refused hears NoSpace, nothing acknowledged is lost, and when there is room again
// it goes on.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	address, enlarge := smallDisk(t)
	o := postgres.Options{URL: address}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	const writers = 4
	versions := make([]uint64, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for versions[i] < 4000 {
				if err := growOnce(t.Context(), s, metastore.SlotID{1, byte(i)}); err != nil {
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
	for i, want := range versions {
		if got := grow(t, s, metastore.SlotID{1, byte(i)}, 0).Version; got != want {
			t.Errorf("while full: slot %d has version %d, acknowledged was %d", i, got, want)
		}
	}
	enlarge()
	for i, want := range versions {
		if got := grow(t, s, metastore.SlotID{1, byte(i)}, 1).Version; got != want+1 {
			t.Errorf("with room again: slot %d has version %d after %d", i, got, want)
		}
	}
	history(t, s, []uint64{versions[0] + 1, versions[1] + 1}, []uint64{0, 0})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
