package filestore_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
)

// TestCollectionBesideWriters collects without any grace, again and again, while
// files are put, linked, appended to, renamed and removed: nothing that is
// acknowledged may lose a block.
func TestCollectionBesideWriters(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, root := newTree(t, fs)
	tr.mkdir("a")
	tr.mkdir("b")
	var writers, collector errgroup.Group
	for j := range 4 {
		rng := rand.New(rand.NewPCG(1, uint64(j)))
		writers.Go(func() error {
			for i := range 20 {
				if err := tornStep(t.Context(), tr.Tree, rng, j); err != nil {
					return err
				}
				grown := path(fmt.Sprint("grown ", j))
				f, err := tr.Open(t.Context(), grown, filestore.OpenOptions{Write: true, Create: true, Append: true})
				if err != nil {
					return err
				}
				if _, err := f.WriteAt(t.Context(), random(70_000, byte(i)), 0); err != nil {
					return err
				}
				if err := f.Close(t.Context()); err != nil {
					return err
				}
				copied := path(fmt.Sprintf("copy %d-%d", j, i%3))
				_ = tr.Remove(t.Context(), copied)
				if err := tr.Link(t.Context(), grown, copied); err != nil {
					return err
				}
			}
			return nil
		})
	}
	stop := make(chan struct{})
	var deleted atomic.Int64
	collector.Go(func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			r, err := fs.Collect(t.Context(), filestore.CollectOptions{Yes: true, Grace: filestore.NoGrace, KeepLog: 1})
			if err != nil {
				return err
			}
			if len(r.Damage) > 0 {
				return fmt.Errorf("damage: %v", r.Damage)
			}
			deleted.Add(r.Deleted)
		}
	})
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
	// Where the collector hardly got a turn, what they left is still to go.
	for end := time.Now().Add(time.Minute); deleted.Load() == 0 && time.Now().Before(end); {
		runtime.Gosched()
	}
	close(stop)
	if err := collector.Wait(); err != nil {
		t.Fatal(err)
	}
	if deleted.Load() == 0 {
		t.Error("nothing was deleted, so nothing was tested")
	}
	expectWhole(t, fs, filestore.NamedTree{Name: "test", Cap: root})
	again := mount(t, s.gateway(), root)
	for j := range 4 {
		var want []byte
		for i := range 20 {
			want = append(want, random(70_000, byte(i))...)
		}
		again.expect(fmt.Sprint("grown ", j), want)
	}
}
