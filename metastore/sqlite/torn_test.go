package sqlite_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/truckee-fs/truckee/metastore"
)

// TestTornLog opens what a power failure can leave: all commits that were synced,
// of the last one any part, and behind it zeros or anything. The last commit is
// there whole or not at all, the others always.
func TestTornLog(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	id := metastore.SlotID{1}
	grow(t, s, id, 5)
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	database, before := read(path), read(path+"-wal")
	grow(t, s, id, 1)
	after := read(path + "-wal")
	if !bytes.Equal(database, read(path)) {
		t.Fatal("a commit changed the database file itself")
	}
	if _, err := os.Stat(path + "-shm"); err == nil {
		t.Error("the log's index is a file; it is meant to be this process's memory")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	first, last := -1, 0 // the last commit's bytes
	for i := range after {
		if i >= len(before) || before[i] != after[i] {
			if first < 0 {
				first = i
			}
			last = i + 1
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	garbage := make([]byte, 64<<10)
	for i := range garbage {
		garbage[i] = byte(r.IntN(256))
	}
	image := func(log []byte) uint64 {
		t.Helper()
		path := dbPath(t)
		for name, b := range map[string][]byte{path: database, path + "-wal": log} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, path)
		defer s.Close()
		if n, err := s.Query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"); err != nil || n != 1 {
			t.Errorf("integrity: %d, %v", n, err)
		}
		version := grow(t, s, id, 0).Version
		if now := grow(t, s, id, 1); now.Version != version+1 {
			t.Errorf("the next commit makes version %d of %d", now.Version, version)
		}
		return version
	}
	if got := image(after); got != 6 {
		t.Errorf("the whole log gives version %d of 6", got)
	}
	if got := image(append(bytes.Clone(after[:last]), garbage...)); got != 6 {
		t.Errorf("with garbage behind it: version %d of 6", got)
	}
	if got := image(after[:last]); got != 6 {
		t.Errorf("without the zeros behind it: version %d of 6", got)
	}
	for cut := first; cut < last; cut += 1 + (last-first)/6 {
		for name, log := range map[string][]byte{
			"cut off":              after[:cut],
			"zeros from there":     append(bytes.Clone(after[:cut]), make([]byte, len(after)-cut)...),
			"garbage from there":   append(bytes.Clone(after[:cut]), garbage...),
			"a page of it missing": blank(after, cut, min(cut+4096, last)),
		} {
			if got := image(log); got != 5 {
				t.Errorf("%s at %d of [%d, %d): version %d of 5", name, cut, first, last, got)
			}
		}
	}
}

// blank sets b[from:to] to zeros.
func blank(b []byte, from, to int) []byte {
	c := bytes.Clone(b)
	clear(c[from:to])
	return c
}

// TestTornFirstPage opens what a power failure can leave of a new database: its first
// page without what was written there, and the rollback journal that says that it was
// empty.
func TestTornFirstPage(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	// https://sqlite.org/fileformat.html 3: magic number, records, nonce, pages of the
	// database before, size of a sector and of a page.
	journal := make([]byte, 512)
	copy(journal, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	for i, n := range []uint32{0, 1, 0, 512, 4096} {
		binary.BigEndian.PutUint32(journal[8+4*i:], n)
	}
	for name, b := range map[string][]byte{path: make([]byte, 4096), path + "-journal": journal} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path)
	defer s.Close()
	grow(t, s, metastore.SlotID{1}, 1)
}
