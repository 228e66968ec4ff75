package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// overtaken is a store as an array is, one of whose members answers now and then when
// another has been asked meanwhile, and still writes to the memory that it was given.
type overtaken struct {
	*memory.Store
	calls atomic.Int64
	over  chan struct{} // closed when late members give up
	late  errgroup.Group
}

func (o *overtaken) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	call := o.calls.Add(1)
	if call%3 != 0 || cap(room) == 0 {
		return o.Store.GetRangeIn(ctx, id, off, n, room)
	}
	o.late.Go(func() error {
		for {
			for i := 0; i < cap(room); i += 1000 {
				room[:cap(room)][i] ^= 0x5a
			}
			select {
			case <-o.over:
				return nil
			case <-time.After(time.Millisecond):
			}
		}
	})
	if call%15 == 0 {
		return nil, fmt.Errorf("nobody was quicker: %w", kind.Unavailable)
	}
	return o.GetRange(ctx, id, off, n)
}

// Memory that a store still writes to when it has answered is nobody's any more: not
// of the read that is tried again, nor of other streams, nor of chunks that are
// written anew.
func TestLateMembersOverwriteNothing(t *testing.T) {
	t.Parallel()
	storage := newStorage(t)
	store := &overtaken{Store: memory.New(), over: make(chan struct{})}
	defer func() {
		close(store.over)
		_ = store.late.Wait()
	}()
	storage.blocks = store
	fs := storage.open(func(o *filestore.Options) { o.ChunkSize, o.CacheBytes = 1<<20, 1<<20 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	const workers = 4
	g, ctx := errgroup.WithContext(t.Context())
	for worker := range workers {
		want := random(5<<20+worker, byte(worker+1))
		b.put(fmt.Sprint(worker), want)
		g.Go(func() error {
			for round := range 3 {
				r, err := b.Open(ctx, fmt.Sprint(worker), filestore.VersionID{})
				if err != nil {
					return err
				}
				s := r.Stream(ctx, 0, int64(len(want)))
				p := make([]byte, 100_000)
				for at := 0; at < len(want); {
					n, err := s.Read(ctx, p)
					if err != nil || !bytes.Equal(p[:n], want[at:at+n]) {
						return fmt.Errorf("round %d: %d bytes at %d, or other ones: %w", round, n, at, err)
					}
					at += n
				}
				s.Close()
				r.Close()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	// Chunks of which a good part is written over are read to be written anew.
	want := random(6<<20, 9)
	tr.put("f", want)
	for round := range 4 {
		f := tr.open("f", forWriting)
		for off := round * 1000; off < len(want); off += 1 << 20 {
			part := random(400_000, byte(round))[:min(400_000, len(want)-off)]
			copy(want[off:], part)
			if _, err := f.WriteAt(t.Context(), part, int64(off)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f := tr.open("f", forReading)
	defer f.Discard()
	for off := 0; off < len(want); off += 64 << 10 {
		readOn(t, f, want, off, 64<<10)
	}
}
