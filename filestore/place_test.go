package filestore_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/truckee-fs/truckee/filestore"
)

// fewPlaces has room for four cells.
func fewPlaces(o *filestore.Options) {
	o.ChunkSize, o.DirtyBytes, o.DraftBytes = 1<<20, 8<<20, 4<<20
}

// TestManyStreamsNeedNoSpool: however many come in, they are sealed from memory.
func TestManyStreamsNeedNoSpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := newStorage(t).open(fewPlaces)
		b := newMulti(t, fs)
		var writers []*filestore.ObjectWriter
		for range 16 {
			w, err := b.NewObject(t.Context())
			must(t, err)
			writers = append(writers, w)
		}
		var g errgroup.Group
		var spooled atomic.Bool
		for _, w := range writers {
			g.Go(func() error {
				buf := make([]byte, 128<<10)
				for range 24 {
					if _, err := w.Write(buf); err != nil {
						return err
					}
					if fs.Spooled() > 0 {
						spooled.Store(true)
					}
					time.Sleep(20 * time.Millisecond) // in which all the others write
				}
				_, err := w.Commit(t.Context(), "k", filestore.ObjectMeta{}, filestore.CommitOptions{})
				return err
			})
		}
		must(t, g.Wait())
		if spooled.Load() {
			t.Error("something went to the spool")
		}
	})
}

// TestSlowStreamsHoldUpNobody: streams that stop in the middle keep their places for a
// moment only.
func TestSlowStreamsHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newMulti(t, newStorage(t).open(fewPlaces))
		for range 10 {
			w, err := b.NewObject(t.Context())
			must(t, err)
			defer w.Abort()
			_, err = w.Write(make([]byte, 600<<10))
			must(t, err)
		}
		begin := time.Now()
		b.object("k", random(8<<20, 1))
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		b.object("l", random(8<<20, 1))
	})
}

// TestSlowStreamsWaitForNobody: who couldn't fill a cell while it had a place doesn't
// queue for the next one, until it has been quick without.
func TestSlowStreamsWaitForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newMulti(t, newStorage(t).open(fewPlaces))
		write := stream(t, b)
		write(600 << 10)
		time.Sleep(time.Second)
		write(424 << 10)
		takePlaces(t, b)
		if took := write(1 << 20); took != 0 {
			t.Errorf("a slow stream waited %v", took)
		}
		if took := write(1 << 20); took == 0 {
			t.Error("a quick stream got a place that there wasn't")
		}
	})
}

// TestSlowStorageMakesNoSlowStreams: a client is not slow because the storage is.
func TestSlowStorageMakesNoSlowStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newMulti(t, newStorage(t).open(fewPlaces, func(o *filestore.Options) {
			o.Blocks = &distant{Store: o.Blocks, trip: time.Second}
		}))
		write := stream(t, b)
		if took := write(7 << 20); took < time.Second {
			t.Fatalf("the storage took all at once, in %v", took)
		}
		time.Sleep(5 * time.Second) // until it has all
		takePlaces(t, b)
		if took := write(1 << 20); took == 0 {
			t.Error("a stream that waited for the storage got a place that there wasn't")
		}
	})
}

// stream begins an object, and gives what writes zeros to it and tells how long it took.
func stream(t *testing.T, b multi) (write func(n int) time.Duration) {
	w, err := b.NewObject(t.Context())
	must(t, err)
	t.Cleanup(w.Abort)
	return func(n int) time.Duration {
		begin := time.Now()
		_, err := w.Write(make([]byte, n))
		must(t, err)
		return time.Since(begin)
	}
}

// takePlaces has streams stop that have all places of fewPlaces.
func takePlaces(t *testing.T, b multi) {
	for range 4 {
		stream(t, b)(600 << 10)
	}
}
