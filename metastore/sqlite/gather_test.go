package sqlite_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// openGather opens a log file through the gathering VFS.
func openGather(t *testing.T) (g *sqlite.GatherFile, path string) {
	t.Helper()
	path = dbPath(t)
	// SQLite gives a log the rights of its database.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := sqlite.OpenGather(path)
	if err != nil {
		t.Fatal(err)
	}
	return g, path + "-wal"
}

// TestGatherIsAFile: whatever is written, read, cut and synced in whatever order,
// the gathering file holds what a plain one holds, and behind its end only zeros.
func TestGatherIsAFile(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 7))
		g, path := openGather(t)
		var plain []byte
		next := int64(0)
		for step := range 200 {
			switch r.IntN(12) {
			default: // as a log is written: a small piece behind the last, or a large one
				next = write(t, g, &plain, next, r)
			case 8: // and again from somewhere earlier
				next = write(t, g, &plain, r.Int64N(int64(len(plain)+1)), r)
			case 9:
				off, n := r.Int64N(int64(len(plain)+100)), 1+r.IntN(9000)
				got, rc := g.Read(n, off)
				want := make([]byte, n)
				if off < int64(len(plain)) {
					copy(want, plain[off:])
				}
				if rc != sqlite.GatherOK && rc != sqlite.GatherShortRead || !bytes.Equal(got, want) {
					t.Fatalf("seed %d, step %d: read of %d at %d of %d: code %d, or wrong bytes", seed, step, n, off, len(plain), rc)
				}
			case 10:
				if rc := g.Sync(); rc != sqlite.GatherOK {
					t.Fatalf("sync: code %d", rc)
				}
				sameFile(t, path, plain)
			case 11:
				if size, rc := g.Size(); rc != sqlite.GatherOK || size < int64(len(plain)) {
					t.Fatalf("size %d of %d, code %d", size, len(plain), rc)
				}
				if r.IntN(4) == 0 {
					plain = plain[:r.IntN(len(plain)+1)]
					if rc := g.Truncate(int64(len(plain))); rc != sqlite.GatherOK {
						t.Fatalf("truncate: code %d", rc)
					}
					next = int64(len(plain))
				}
			}
		}
		if rc := g.Sync(); rc != sqlite.GatherOK {
			t.Fatalf("sync: code %d", rc)
		}
		if rc := g.Close(); rc != sqlite.GatherOK {
			t.Fatalf("close: code %d", rc)
		}
		sameFile(t, path, plain)
	}
}

// write writes some bytes to both, and says where it ended.
func write(t *testing.T, g *sqlite.GatherFile, plain *[]byte, off int64, r *rand.Rand) int64 {
	t.Helper()
	n := []int{24, 4096, 1 + r.IntN(9000), sqlite.GatherBuffer}[min(r.IntN(120)/39, 3)]
	b := bytes.Repeat([]byte{byte(1 + r.IntN(255))}, n)
	if rc := g.Write(b, off); rc != sqlite.GatherOK {
		t.Fatalf("write of %d at %d: code %d", n, off, rc)
	}
	end := off + int64(n)
	if grow := end - int64(len(*plain)); grow > 0 {
		*plain = append(*plain, make([]byte, grow)...)
	}
	copy((*plain)[off:], b)
	return end
}

// sameFile compares what lies on disk: plain, then zeros.
func sameFile(t *testing.T, path string, plain []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < len(plain) || !bytes.Equal(got[:len(plain)], plain) {
		t.Fatalf("the file on disk (%d bytes) is not what was written (%d)", len(got), len(plain))
	}
	if len(bytes.Trim(got[len(plain):], "\x00")) != 0 {
		t.Fatal("behind what was written the file is not all zeros")
	}
}

// TestGatherShortRead: what is not there reads as zeros, and says so.
func TestGatherShortRead(t *testing.T) {
	t.Parallel()
	g, path := openGather(t)
	defer g.Close()
	if _, rc := g.Read(100, 0); rc != sqlite.GatherShortRead {
		t.Errorf("read of an empty file: code %d", rc)
	}
	g.Write(bytes.Repeat([]byte{7}, 100), 0)
	if rc := g.Sync(); rc != sqlite.GatherOK {
		t.Fatal(rc)
	}
	if err := os.Truncate(path, 60); err != nil { // somebody else's doing
		t.Fatal(err)
	}
	got, rc := g.Read(100, 0)
	if want := append(bytes.Repeat([]byte{7}, 60), make([]byte, 40)...); rc != sqlite.GatherShortRead || !bytes.Equal(got, want) {
		t.Errorf("read of a file that was cut: code %d, % x", rc, got[56:64])
	}
}
