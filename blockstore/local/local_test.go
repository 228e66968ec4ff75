package local_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func openStore(dir string) (blockstore.Store, error) {
	return local.Open(dir, local.Options{SegmentSize: 8 << 20})
}

func open(t testing.TB, dir string) *local.Store {
	t.Helper()
	s, err := local.Open(dir, local.Options{SegmentSize: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestMain(m *testing.M) {
	blockstoretest.KillChild(openStore)
	m.Run()
}

func TestStore(t *testing.T) {
	t.Parallel()
	var dir string // of the subtest that runs
	blockstoretest.Run(t,
		func(t *testing.T) blockstore.Store {
			dir = t.TempDir()
			return open(t, dir)
		},
		blockstoretest.Reopen(func(t *testing.T) blockstore.Store { return open(t, dir) }),
	)
}

func TestSurvivesKill(t *testing.T) {
	t.Parallel()
	blockstoretest.SurvivesKill(t, t.TempDir(), openStore)
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := openStore(dir)
	if kind.Of(err) != kind.Unavailable {
		t.Fatalf("second open: %v", err)
	}
	if pid := strconv.Itoa(os.Getpid()); !strings.Contains(err.Error(), "in use by process "+pid) {
		t.Errorf("the error doesn't say who holds the store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "blocks")
	s := open(t, dir)
	id, block := storecheck.Chunk(100)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNotItsStore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		identity string
		want     kind.Kind
		says     string
	}{
		{"a later version", "truckee local blockstore\nversion 2\nuuid 00\n", kind.Unsupported, `version "2"`},
		{"another file", "hello\n", kind.Corrupt, "not the identity"},
		{"an empty file", "", kind.Corrupt, "not the identity"},
		{"no uuid", "truckee local blockstore\nversion 1\n", kind.Corrupt, "no uuid"},
		{"a short uuid", "truckee local blockstore\nversion 1\nuuid 0011\n", kind.Corrupt, "no uuid"},
		{"a uuid too many", "truckee local blockstore\nversion 1\nuuid 00112233445566778899aabbccddeeff\nuuid 00\n", kind.Corrupt, "no uuid"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "store"), []byte(tt.identity), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openStore(dir)
		if kind.Of(err) != tt.want || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestOpenRefusesALostIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(dir); kind.Of(err) != kind.Corrupt {
		t.Errorf("open of segments without an identity: %v", err)
	}
}

func TestOpenRefusesASegmentOfAnotherStore(t *testing.T) {
	t.Parallel()
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
	}
	const name = "segments/0000000000000001.seg"
	segment, err := os.ReadFile(filepath.Join(a, name))
	if err == nil {
		err = os.WriteFile(filepath.Join(b, name), segment, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(b); kind.Of(err) != kind.Corrupt {
		t.Errorf("open with a segment of another store: %v", err)
	}
}

func TestOpenOfAnUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(filepath.Join(file, "blocks")); err == nil || kind.Of(err) == kind.Other {
		t.Errorf("open below a file: %v", err)
	}
}

// Damage to a record is told as such, and harms no other.
func TestDamagedRecordIsCorrupt(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"small": 3000, "large": 400_000} {
		dir := t.TempDir()
		s := open(t, dir)
		id, block := storecheck.Chunk(n)
		other, otherBlock := storecheck.Chunk(n)
		if err := errors.Join(s.Put(t.Context(), id, block), s.Put(t.Context(), other, otherBlock)); err != nil {
			t.Fatal(err)
		}
		damage(t, dir, block[len(block)-100:])
		if got, err := s.Get(t.Context(), id); kind.Of(err) != kind.Corrupt || got != nil {
			t.Errorf("%s: get of a damaged block: %d bytes, %v", name, len(got), err)
		}
		blockstoretest.Expect(t, s, map[blockstore.ID][]byte{other: otherBlock})
		if err := errors.Join(s.Delete(t.Context(), id), s.Put(t.Context(), id, block)); err != nil {
			t.Fatal(err)
		}
		blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block, other: otherBlock})
	}
}

// damage flips a bit in what lies in a segment.
func damage(t *testing.T, dir string, part []byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, part)
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{part[0] ^ 1}, int64(at))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the block is in no segment")
}

// Parts that are read into room of the caller's are what the block has there, however
// the room lies in memory and whether they are read past the page cache or not; where
// they don't fit, they come in memory of their own.
func TestRangesIntoRoom(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	id, block := storecheck.Chunk(1 << 20)
	if err := s.Put(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, blockstore.RangeRoom(int64(len(block)))+8192)
	for _, skip := range []int{0, 1, 63, 4095, 4096} {
		for _, part := range [][2]int64{{0, int64(len(block))}, {1, 300_000}, {5000, 256 << 10}, {777, 100}, {int64(len(block)) - 1, 1}} {
			off, n := part[0], part[1]
			room := memory[skip:][:0:blockstore.RangeRoom(n)]
			got, err := s.GetRangeIn(t.Context(), id, off, n, room)
			if err != nil || !bytes.Equal(got, block[off:off+n]) {
				t.Fatalf("%d bytes at %d: %d bytes, or other ones: %v", n, off, len(got), err)
			}
			clear(memory)
			if !bytes.Equal(got, make([]byte, n)) {
				t.Errorf("%d bytes at %d don't lie in the room", n, off)
			}
			got, err = s.GetRangeIn(t.Context(), id, off, n, memory[skip:][:0:n-1])
			clear(memory)
			if err != nil || !bytes.Equal(got, block[off:off+n]) {
				t.Errorf("%d bytes at %d, without room: %d bytes, or other ones: %v", n, off, len(got), err)
			}
		}
	}
}
