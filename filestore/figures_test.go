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
	if g := fs.Figures(); g != (filestore.Figures{}) {
		t.Errorf("at rest: %+v", g)
	}
}
