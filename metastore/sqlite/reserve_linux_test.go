package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// TestFullDiskCanBeMadeEmptier fills a disk to the last block, by the database and
// then by somebody else: leases, removals and collections go on, also after another
// start, while what grows is refused.
func TestFullDiskCanBeMadeEmptier(t *testing.T) {
	t.Parallel()
	dir, resize := smallDisk(t, "32m") // the smallest that keeps a reserve
	path := filepath.Join(dir, "meta.db")
	s := open(t, path)
	slot := metastore.SlotID{1}
	if err := errors.Join(charge(t, s, 10_000), growOnce(t, s, slot)); err != nil {
		t.Fatal(err)
	}
	fill := func() {
		t.Helper()
		fillDisk(t, filepath.Join(dir, "somebody's"))
		growToTheEnd(t, s, slot)
	}
	freeing := func(when string) {
		t.Helper()
		for range 100 {
			err := errors.Join(
				s.Heartbeat(t.Context(), metastore.GatewayID{1}, 0, time.Minute), charge(t, s, -1),
				s.Collector().Absolve(t.Context(), []metastore.ID{{1}}))
			if err != nil {
				out, _ := exec.Command("sh", "-c", "ls -la "+dir+"; df -k "+dir).CombinedOutput()
				t.Fatalf("%s: %v %s", when, err, out)
			}
		}
		growToTheEnd(t, s, slot)
	}
	fill()
	for range 3 {
		freeing("full")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Join(dir, "somebody's second"))
	s = open(t, path)
	defer s.Close()
	freeing("started on the full disk")
	resize("64m")
	for range 3 {
		if err := growOnce(t, s, slot); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	fill()
	freeing("full once more")
}

// charge changes how many files a root has; fewer make room.
func charge(t *testing.T, s *sqlite.Store, files int64) error {
	return s.Commit(t.Context(), &metastore.Request{Charges: []metastore.Charge{{Root: metastore.SlotID{2}, Files: files}}})[0]
}

// growToTheEnd grows a slot until it is refused for want of room.
func growToTheEnd(t *testing.T, s *sqlite.Store, slot metastore.SlotID) {
	t.Helper()
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

// TestFreeingWaitsForACheckpoint holds a checkpoint while what makes room fills the
// log on a full disk with the least reserve: it waits for that checkpoint before the
// reserve is used up.
func TestFreeingWaitsForACheckpoint(t *testing.T) {
	t.Parallel()
	dir, _ := smallDisk(t, "32m")
	path := filepath.Join(dir, "meta.db")
	const wanted, held, released = 1, 2, 3
	var state atomic.Int32
	entered, release := make(chan struct{}), make(chan struct{})
	s := open(t, path, sqlite.At(func(where string) {
		switch {
		case where == sqlite.BesideWriter && state.CompareAndSwap(wanted, held):
			close(entered)
			<-release
		case where == sqlite.BehindCheckpoint && state.CompareAndSwap(held, released):
			close(release)
		}
	}))
	defer s.Close()
	if err := charge(t, s, 10_000); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Join(dir, "somebody's"))
	growToTheEnd(t, s, metastore.SlotID{1})
	state.Store(wanted)
	s.Kick()
	<-entered
	for i := range 1000 {
		if err := charge(t, s, -1); err != nil {
			t.Errorf("change %d: %v", i, err)
			break
		}
	}
	if state.CompareAndSwap(held, released) {
		t.Error("no change waited for the checkpoint")
		close(release)
	}
}

// TestCheckpointNeedsNoRoom: the disk becomes full while the log holds far more that
// the database has yet to grow by than the reserve has room for.
func TestCheckpointNeedsNoRoom(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", again), func(t *testing.T) {
			t.Parallel()
			dir, _ := smallDisk(t, "64m")
			path := filepath.Join(dir, "meta.db")
			never := sqlite.WALSizes(1<<40, 1<<40)
			s := open(t, path, never)
			if err := charge(t, s, 10_000); err != nil {
				t.Fatal(err)
			}
			v, err := s.Collector().Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			bulk(t, s, 1, 8) // beside a view
			fillDisk(t, filepath.Join(dir, "somebody's"))
			v.Close()
			if again {
				s.Kill()
				s = open(t, path, never)
			}
			defer s.Close()
			for i := range 1000 {
				if err := charge(t, s, -1); err != nil {
					t.Fatalf("change %d: %v", i, err)
				}
			}
		})
	}
}

// TestRoomThatALogTookComesBack: beside a view the log takes the reserve; afterwards it
// gives back what it took, and growing goes on.
func TestRoomThatALogTookComesBack(t *testing.T) {
	t.Parallel()
	dir, _ := smallDisk(t, "64m")
	s := open(t, filepath.Join(dir, "meta.db"))
	defer s.Close()
	if err := charge(t, s, 10_000); err != nil {
		t.Fatal(err)
	}
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	bulk(t, s, 1, 8)
	fillDisk(t, filepath.Join(dir, "somebody's"))
	freeToTheEnd(t, func() error { return charge(t, s, -1) })
	v.Close()
	for i := range 2 {
		if err := charge(t, s, -1); err != nil {
			t.Fatalf("change %d without the view: %v", i, err)
		}
	}
	for i := range 100 {
		if err := growOnce(t, s, metastore.SlotID{1}); err != nil {
			t.Fatalf("growing %d: %v", i, err)
		}
	}
}

// TestRoomWithinTheDatabase: what makes room has used up the reserve by growing the
// database, and nothing else lies on the disk that could be removed; what is freed
// within the database does as well.
func TestRoomWithinTheDatabase(t *testing.T) {
	t.Parallel()
	dir, _ := smallDisk(t, "64m")
	path := filepath.Join(dir, "meta.db")
	s := open(t, path)
	defer func() { s.Close() }()
	d := directory{id: metastore.SlotID{1}}
	replace := func(files int64) error {
		r := &metastore.Request{Charges: []metastore.Charge{{Root: metastore.SlotID{2}, Files: files}}}
		next := d
		next.replace(r, 1)
		err := s.Commit(t.Context(), r)[0]
		if err == nil {
			d = next
		}
		return err
	}
	if err := replace(10_000); err != nil {
		t.Fatal(err)
	}
	fillDisk(t, filepath.Join(dir, "somebody's"))
	freeToTheEnd(t, func() error { return replace(-1) })
	if err := replace(1); kind.Of(err) != kind.NoSpace {
		t.Errorf("growing: %v, want kind NoSpace", err)
	}
	if _, err := s.Collector().Reap(t.Context(), 0, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	for i := range 100 {
		if err := replace(1); err != nil {
			t.Fatalf("growing %d: %v", i, err)
		}
	}
}

// freeToTheEnd makes room until there is none for that either.
func freeToTheEnd(t *testing.T, free func() error) {
	t.Helper()
	for i := 0; ; i++ {
		err := free()
		if kind.Of(err) == kind.NoSpace {
			return
		}
		if err != nil || i == 10_000 {
			t.Fatalf("making room: %v, want kind NoSpace", err)
		}
	}
}

// TestBlocksAheadStay: a checkpoint doesn't cut off the blocks that the database has
// ahead, which a commit beside it may rely on.
func TestBlocksAheadStay(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	ahead := func() int64 {
		var st unix.Stat_t
		if err := unix.Stat(s.Path(), &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks*512 - st.Size
	}
	grow(t, s, metastore.SlotID{1}, 10)
	before := ahead()
	if before < 512<<10 {
		t.Skipf("the file system gives no blocks ahead (%d bytes)", before)
	}
	if err := s.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if after := ahead(); after < 512<<10 {
		t.Errorf("%d bytes ahead of the end before a checkpoint, %d after it", before, after)
	}
}

// TestHolesGetBlocks: a database that was copied as a sparse file has holes where its
// pages were zeros. They get blocks before the disk is full.
func TestHolesGetBlocks(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	grow(t, s, metastore.SlotID{1}, 10)
	if err := s.Exec("PRAGMA secure_delete = ON; CREATE TABLE x (b); INSERT INTO x VALUES (zeroblob(1 << 20)); DROP TABLE x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lacks := func() int64 {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Size - st.Blocks*512
	}
	punchZeros(t, path)
	if lacks() < 512<<10 {
		t.Skip("the file system makes no holes")
	}
	s = open(t, path)
	defer s.Close()
	if n := lacks(); n > 0 {
		t.Errorf("%d bytes of the database have no blocks", n)
	}
	grow(t, s, metastore.SlotID{2}, 10)
	if n, err := s.Query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"); err != nil || n != 1 {
		t.Errorf("integrity check: %d, %v", n, err)
	}
}

// punchZeros makes holes of a file's pages that are zeros.
func punchZeros(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const page = 4096
	for off := 0; off+page <= len(data); off += page {
		if !bytes.Equal(data[off:off+page], make([]byte, page)) {
			continue
		}
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(off), page)
		if err != nil {
			t.Skipf("the file system makes no holes: %v", err)
		}
	}
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
