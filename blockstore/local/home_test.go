package local

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// put puts a new block and tells what became of it.
func put(t *testing.T, s *Store) (blockstore.ID, error) {
	t.Helper()
	id, block := storecheck.Chunk(100 << 10)
	return id, s.Put(t.Context(), id, block)
}

// What is put into a directory that nobody finds again isn't stored.
func TestNothingIsPutIntoADirectoryThatIsGone(t *testing.T) {
	t.Parallel()
	tests := map[string]func(dir string) error{
		"emptied": func(dir string) error {
			for _, name := range []string{segmentDir, indexDir, identityFile, "lock", markerFile} {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			return nil
		},
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			other, err := open(dir, Options{SegmentSize: minSegment, Log: quiet()}, realDisk())
			if err != nil {
				return err
			}
			return other.Close()
		},
	}
	for name, how := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "blocks")
			s := openOn(t, dir, realDisk())
			if err := s.SetMarker(t.Context(), []byte("mine")); err != nil {
				t.Fatal(err)
			}
			kept, err := put(t, s)
			if err != nil {
				t.Fatal(err)
			}
			if err := how(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if id, err := put(t, s); kind.Of(err) != kind.Unavailable {
					t.Errorf("put: %v", err)
				} else if _, err := s.Stat(t.Context(), id); kind.Of(err) != kind.NotExist {
					t.Errorf("stat of what wasn't stored: %v", err)
				}
			}
			if _, err := s.Get(t.Context(), kept); err != nil && kind.Of(err) != kind.Unavailable {
				t.Errorf("get: %v", err)
			}
			if !s.Displaced() {
				t.Error("it isn't noticed")
			}
			if _, err := s.Marker(t.Context()); kind.Of(err) != kind.Unavailable {
				t.Errorf("marker: %v", err)
			}
			if err := s.SetMarker(t.Context(), []byte("mine")); kind.Of(err) != kind.Unavailable {
				t.Errorf("set marker: %v", err)
			}
		})
	}
}

// A segment that was removed takes nothing; what is put again goes to another.
func TestNothingIsPutIntoASegmentThatIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openOn(t, dir, realDisk())
	if err := eachFile(dir, segmentDir+"/*", os.Remove); err != nil {
		t.Fatal(err)
	}
	want := map[blockstore.ID][]byte{}
	for refused := 0; len(want) < 10; {
		id, block := storecheck.Chunk(100 << 10)
		switch err := s.Put(t.Context(), id, block); {
		case err == nil:
			want[id] = block
		case kind.Of(err) != kind.Unavailable || refused >= laneCount:
			t.Fatal(err)
		default:
			refused++
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	expect(t, openOn(t, dir, realDisk()), want)
}

// A store that lies where another was opened isn't touched by that one.
func TestAnotherStoreInItsPlaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "blocks")
	theirs := filepath.Join(t.TempDir(), "theirs")
	other := openOn(t, theirs, realDisk())
	want := map[blockstore.ID][]byte{}
	for range 3 {
		id, block := storecheck.Chunk(1 << 20)
		if err := other.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		want[id] = block
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s := openOn(t, at, realDisk())
	var ids []blockstore.ID
	for range 3 {
		id, err := put(t, s)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := os.Rename(at, at+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(theirs, at); err != nil {
		t.Fatal(err)
	}
	// Whatever it does now with its files it doesn't do with theirs.
	for _, id := range ids {
		_ = s.Delete(t.Context(), id)
	}
	_, _ = s.Compact(t.Context())
	_, _ = put(t, s)
	for _, seg := range s.segments() {
		_ = s.seal(seg)
		s.punch(place{seg: seg.num, off: page / unit, n: 1 << 20})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	expect(t, openOn(t, at, realDisk()), want)
}

// The room that was reserved for blocks isn't left where another directory hides it.
func TestAStoreWithoutBlocksLeavesNoSegmentsBehind(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "blocks")
	s := openOn(t, dir, realDisk())
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir+".old", segmentDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestOpenExisting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Open(path, Options{Existing: true, Log: quiet()}); kind.Of(err) != kind.NotExist {
			t.Errorf("open of an empty directory: %v", err)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("it left %v, %v", names, err)
	}
	if err := openOn(t, dir, realDisk()).Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{Existing: true, SegmentSize: minSegment, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
