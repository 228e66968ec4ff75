package local

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// allocated tells what the segments take up on disk, preallocated space left
// out as far as it was never written.
func allocated(t testing.TB, s *Store) (n int64) {
	t.Helper()
	for _, seg := range s.segments() {
		var st unix.Stat_t
		if err := unix.Stat(segmentPath(s.home.path, seg.num), &st); err == unix.ENOENT {
			continue // compacted away meanwhile
		} else if err != nil {
			t.Fatal(err)
		}
		n += st.Blocks * 512
	}
	return n
}

func putMany(t testing.TB, s *Store, blocks, n int) []blockstore.ID {
	t.Helper()
	ids := make([]blockstore.ID, blocks)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < blocks; i += 8 {
				id, block := storecheck.Chunk(n)
				ids[i] = id
				if err := s.Put(t.Context(), id, block); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return ids
}

func deleteAll(t testing.TB, s *Store, ids []blockstore.ID) {
	t.Helper()
	for _, id := range ids {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

// Deletes give their space back: of large blocks at once, of small ones by
// compaction, of all in the end.
func TestDeletesGiveSpaceBack(t *testing.T) {
	t.Parallel()
	const files = 2 * minSegment // preallocated for the two lanes
	for name, n := range map[string]int{"small": 20_000, "large": 500_000} {
		dir := t.TempDir()
		s := openOn(t, dir, realDisk())
		ids := putMany(t, s, 40_000_000/n, n)
		full := allocated(t, s)
		deleteAll(t, s, ids[:len(ids)*3/4])
		if name == "small" {
			if _, err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if now := allocated(t, s); now > full/2+files {
			t.Errorf("%s: %d bytes of %d are taken after three quarters were deleted", name, now, full)
		}
		for _, id := range ids[len(ids)*3/4:] {
			if _, err := s.Get(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		deleteAll(t, s, ids[len(ids)*3/4:])
		// Tombstones go when what they delete has gone, which takes a pass or two
		// more when the keeper was in the middle of one.
		now := allocated(t, s)
		for passes := 0; now > files+4*page && passes < 6; passes++ {
			if _, err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = allocated(t, s)
		}
		if now > files+4*page {
			t.Errorf("%s: %d bytes are taken after all was deleted", name, now)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, openOn(t, dir, realDisk()), nil)
	}
}

// A restart doesn't take holes for waste.
func TestHolesAreKnownAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openOn(t, dir, realDisk())
	ids := putMany(t, s, 30, 500_000)
	deleteAll(t, s, ids[:20])
	before := map[uint32]int64{}
	for _, seg := range s.segments() {
		if seg.sealed.Load() {
			before[seg.num] = seg.waste()
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openOn(t, dir, realDisk())
	for num, waste := range before {
		if seg := s.segment(num); seg != nil && seg.waste() > waste+int64(10*page) {
			t.Errorf("segment %d: waste of %d bytes was %d before the restart", num, seg.waste(), waste)
		}
	}
}

// mountSmall mounts a small file system in memory, where that is allowed.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	return filepath.Join(dir, "blocks")
}

// A disk is filled to the end, opened again, emptied and filled again. Blocks
// put until then stay readable, and deleting needs no space that isn't there.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"small blocks": 9_000, "large blocks": 700_000} {
		t.Run(name, func(t *testing.T) {
			dir := mountSmall(t, "40m")
			var filled [2]int
			for round := range 2 {
				s := openOn(t, dir, realDisk())
				want := fillUp(t, s, n)
				filled[round] = len(want)
				expect(t, s, want)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openOn(t, dir, realDisk())
				expect(t, s, want)
				for id := range want {
					if err := s.Delete(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := s.Compact(t.Context()); err != nil {
					t.Fatal(err)
				}
				expect(t, s, nil)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if filled[0]*n < 25<<20 || filled[1] < filled[0]*9/10 {
				t.Errorf("40 MiB took %d blocks of %d bytes, then %d", filled[0], n, filled[1])
			}
		})
	}
}

// Without a free block a marker can still be replaced, since every collection
// begins with that.
func TestMarkerOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := mountSmall(t, "40m")
	s := openOn(t, dir, realDisk())
	defer s.Close()
	old, renewed := bytes.Repeat([]byte("old!"), 16), bytes.Repeat([]byte("new!"), 16)
	if err := s.SetMarker(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for err == nil {
		_, err = ballast.Write(make([]byte, 512))
	}
	if err := s.SetMarker(t.Context(), renewed); err != nil {
		t.Errorf("replaced by as many bytes: %v", err)
	}
	if err := s.SetMarker(t.Context(), []byte("a longer or shorter one")); kind.Of(err) != kind.NoSpace {
		t.Errorf("replaced by others: %v, want kind NoSpace", err)
	}
	if got, err := s.Marker(t.Context()); err != nil || !bytes.Equal(got, renewed) {
		t.Errorf("the marker is %q, %v", got, err)
	}
}

func fillUp(t *testing.T, s *Store, n int) map[blockstore.ID][]byte {
	t.Helper()
	want := map[blockstore.ID][]byte{}
	for failed := 0; failed < 10; {
		id, block := storecheck.Chunk(n)
		if err := s.Put(t.Context(), id, block); err != nil {
			wantKind(t, "put on a full disk", err, kind.NoSpace)
			failed++
			continue
		}
		want[id] = block
	}
	return want
}
