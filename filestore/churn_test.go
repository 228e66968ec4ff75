package filestore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// TestChurn writes, overwrites, appends, links, moves and removes through two
// gateways, one of them with dedup, while both try to collect all the time, with
// next to no grace. At the end nothing that is reachable is missing, and nothing
// else is left.
func TestChurn(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	small := func(o *filestore.Options) { o.ChunkSize = 256 << 10 }
	a, b := s.gateway(small), s.gateway(small)
	first, root := newTree(t, a)
	first.mkdir("d")
	trees := []tree{first, deduping(t, b, root)}
	var writers, collectors errgroup.Group
	var changes, lost, deleted atomic.Int64
	for w := range 4 {
		tr, rng := trees[w%2], rand.New(rand.NewPCG(7, uint64(w)))
		writers.Go(func() error {
			for i := 0; i < 25 || i < 2000 && deleted.Load() == 0; i++ { // until a collection met them
				changes.Add(1)
				switch err := churn(t.Context(), tr.Tree, rng); kind.Of(err) {
				case 0, kind.NotExist, kind.Exist:
				case kind.Conflict:
					lost.Add(1) // what it shared was deleted while it was being written: no grace at all
				default:
					return err
				}
			}
			return nil
		})
	}
	stop := make(chan struct{})
	for _, fs := range []*filestore.FS{a, b} {
		collectors.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if err := fs.Beat(t.Context()); err != nil {
					return err
				}
				r, err := fs.Collect(t.Context(), filestore.CollectOptions{Yes: true, Grace: filestore.NoGrace, KeepLog: 1})
				if err != nil && kind.Of(err) != kind.Conflict {
					return err
				}
				if len(r.Damage) > 0 {
					return fmt.Errorf("damage: %v", r.Damage)
				}
				deleted.Add(r.Deleted)
			}
		})
	}
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
	close(stop)
	if err := collectors.Wait(); err != nil {
		t.Fatal(err)
	}
	if deleted.Load() == 0 {
		t.Error("nothing was deleted, so nothing was tested")
	}
	if n, all := lost.Load(), changes.Load(); n > all/2 {
		t.Errorf("%d of %d changes lost what they shared", n, all)
	}
	a.Close()
	b.Close()
	last := s.gateway(small)
	for range 3 {
		collect(t, last, filestore.CollectOptions{Yes: true, Grace: filestore.NoGrace, KeepLog: 1})
	}
	whole := expectWhole(t, last, filestore.NamedTree{Name: "test", Cap: root})
	if _, err := dump(t.Context(), mount(t, last, root).Tree); err != nil {
		t.Error(err)
	}
	if r := collect(t, last, filestore.CollectOptions{DryRun: true}); r.Reachable != whole.Blocks || r.Waiting+r.Drafts+r.Held+r.Undone+r.Deleted != 0 {
		t.Errorf("%d blocks are reachable, and others are left: %+v", whole.Blocks, r)
	}
}

// churn does one thing or another.
func churn(ctx context.Context, t *filestore.Tree, rng *rand.Rand) error {
	name := func() filestore.Path {
		p := path(fmt.Sprint("f", rng.IntN(6)))
		if rng.IntN(2) == 0 {
			p = append(path("d"), p...)
		}
		return p
	}
	data := random([...]int{30, 3000, 70_000, 600_000}[rng.IntN(4)], byte(rng.IntN(3)))
	p, q := name(), name()
	switch rng.IntN(10) {
	case 0, 1, 2:
		return put(ctx, t, p, data)
	case 3:
		f, err := t.Open(ctx, p, filestore.OpenOptions{Write: true, Append: true})
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(ctx, data, 0); err != nil {
			f.Discard()
			return err
		}
		return f.Close(ctx)
	case 4:
		return t.Remove(ctx, p)
	case 5:
		return t.Link(ctx, p, q)
	case 6:
		return t.Rename(ctx, p, q, filestore.Replace)
	case 7, 8: // here and there
		f, err := t.Open(ctx, p, filestore.OpenOptions{Write: true})
		if err != nil {
			return err
		}
		for range 1 + rng.IntN(3) {
			if _, err := f.WriteAt(ctx, data[:min(len(data), 3000)], rng.Int64N(600_000)); err != nil {
				f.Discard()
				return err
			}
			if rng.IntN(2) == 0 {
				if err := f.Sync(ctx); err != nil {
					f.Discard()
					return err
				}
			}
		}
		return f.Close(ctx)
	}
	_, err := slurp(ctx, t, p)
	return err
}
