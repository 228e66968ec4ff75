package filestore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	changes, conflicts := 0, 0
	s := newStorage(t)
	lossy := metastoretest.NewFaulty(s.meta, 1)
	lossy.Set(metastoretest.LoseRace, 50)
	s.meta = lossy
	fs := s.gateway(func(o *filestore.Options) {
		o.Committed = func(took time.Duration, n int, refused []kind.Kind) {
			changes += n
			if took < 0 || n == 0 {
				t.Errorf("%d changes in %v", n, took)
			}
			if slices.Contains(refused, kind.Conflict) {
				conflicts++
			}
		}
	})
	tr, _ := newTree(t, fs)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		tr.mkdir(name)
	}
	if changes < 7+conflicts || conflicts == 0 {
		t.Errorf("%d changes and %d lost races were told", changes, conflicts)
	}
	f, err := tr.Open(t.Context(), path("a/file"), filestore.OpenOptions{Write: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(t.Context(), make([]byte, 100_000), 0); err != nil {
		t.Fatal(err)
	}
	if g := fs.Figures(); g.OpenFiles != 1 || g.DraftBytes < 100_000 || g.SpoolBytes != 0 {
		t.Errorf("with an unsaved file: %+v", g)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := fs.Figures()
	g.Flight = 0 // a block that is stored may still be counted for a moment
	if g != (filestore.Figures{}) {
		t.Errorf("at rest: %+v", g)
	}
	if err := fs.Close(); err != nil {
		t.Fatal(err)
	}
	if n := fs.Figures().Flight; n != 0 {
		t.Errorf("%d bytes are on their way when all is closed", n)
	}
}

// Looks into the caches are counted: the first read of a frame misses, the second
// hits, and a directory that was just changed is at hand.
func TestCachesAreCounted(t *testing.T) {
	t.Parallel()
	fs := newStorage(t).open()
	tr, _ := newTree(t, fs)
	tr.put("f", random(3<<20, 1))
	figures := func() map[string]filestore.CacheFigures {
		all := make(map[string]filestore.CacheFigures)
		for _, c := range fs.Caches() {
			all[c.Name] = c
		}
		return all
	}
	f := tr.open("f", filestore.OpenOptions{Read: true})
	before := figures()
	page := make([]byte, 4096)
	for range 3 {
		if _, err := f.ReadAt(t.Context(), page, 2<<20); err != nil {
			t.Fatal(err)
		}
	}
	closeFile(t, f)
	tr.stat("f")
	after := figures()
	if c, b := after["chunks"], before["chunks"]; c.Misses-b.Misses != 1 || c.Hits-b.Hits != 2 || c.Bytes <= b.Bytes {
		t.Errorf("three reads of a frame: %+v, before %+v", c, b)
	}
	if c, b := after["directories"], before["directories"]; c.Hits == b.Hits || c.Misses != b.Misses || c.Bytes == 0 {
		t.Errorf("a directory in use: %+v, before %+v", c, b)
	}
	if c := after["file_nodes"]; c.Hits == 0 || c.Misses != 0 || c.Bytes == 0 {
		t.Errorf("the node of a file that was just written: %+v", c)
	}
}
