package filestore_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/filestore"
)

// stuck is a store on a disk that stops answering: whoever reads from it stays in the
// system call, and no context ends that.
type stuck struct {
	*memory.Store
	hangs  atomic.Bool
	sound  chan struct{}
	inside atomic.Int32
}

func newStuck() *stuck { return &stuck{Store: memory.New(), sound: make(chan struct{})} }

func (s *stuck) wait() {
	if s.hangs.Load() {
		s.inside.Add(1)
		defer s.inside.Add(-1)
		<-s.sound
	}
}

func (s *stuck) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	s.wait()
	return s.Store.Get(ctx, id)
}

func (s *stuck) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	s.wait()
	return s.Store.GetRange(ctx, id, off, n)
}

func (s *stuck) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	s.wait()
	return s.Store.GetRangeIn(ctx, id, off, n, room)
}

// onStuck opens a filestore on a disk that isn't stuck yet, with one file of n bytes
// in it.
func onStuck(t *testing.T, n int) (fs *filestore.FS, tr tree, disk *stuck, want []byte) {
	t.Helper()
	storage := newStorage(t)
	disk = newStuck()
	storage.blocks = disk
	fs = storage.open(smallChunks)
	tr, _ = newTree(t, fs)
	want = random(n, 1)
	tr.put("f", want)
	return fs, tr, disk, want
}

// gettingStuck opens the file of onStuck, reads from it until the next chunks are
// read ahead, and has the disk hang there.
func gettingStuck(t *testing.T, tr tree, disk *stuck, want []byte) *filestore.File {
	t.Helper()
	f := tr.open("f", forReading)
	readFrom(t, f, want, 0, 512<<10, 64<<10)
	synctest.Wait()
	disk.hangs.Store(true)
	readOn(t, f, want, 512<<10, 64<<10) // of a chunk that is there; the next is asked for
	synctest.Wait()
	if disk.inside.Load() == 0 {
		t.Fatal("nothing is read ahead")
	}
	return f
}

// However many handles are read in sequence by small pieces, a few of them have
// memory between their reads: the others go on by the cache, which is bounded.
func TestFewHandlesStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where a loaded machine makes no pauses
		fs := newStorage(t).open(smallChunks)
		tr, _ := newTree(t, fs)
		want := random(4<<20, 1)
		tr.put("f", want)
		handles := make([]*filestore.File, 100)
		for i := range handles {
			handles[i] = tr.open("f", forReading)
		}
		for off := 0; off < 1<<20; off += 64 << 10 {
			for _, f := range handles {
				readOn(t, f, want, off, 64<<10)
			}
		}
		if open, _ := fs.Streams(); open < 1 || open > 16 {
			t.Errorf("%d of %d handles stream", open, len(handles))
		}
		for _, f := range handles[:90] {
			f.Discard()
		}
		for off := 1 << 20; off < 2<<20; off += 64 << 10 {
			for _, f := range handles[90:] {
				readOn(t, f, want, off, 64<<10)
			}
		}
		if open, _ := fs.Streams(); open != 10 {
			t.Errorf("%d of the last 10 handles stream", open)
		}
		for _, f := range handles[90:] {
			f.Discard()
		}
		noStreams(t, fs)
	})
}

// What is longer than the chunks that the memory ahead is counted by, as after
// filestore.chunk_size was made smaller, isn't read ahead.
func TestLongChunksAreNotReadAhead(t *testing.T) {
	t.Parallel()
	storage := newStorage(t)
	first := storage.open(func(o *filestore.Options) { o.ChunkSize = 4 << 20 })
	tr, root := newTree(t, first)
	want := random(20<<20, 1)
	tr.put("f", want)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	fs := storage.open(smallChunks)
	tr = mount(t, fs, root)
	f := tr.open("f", forReading)
	defer f.Discard()
	for off := 0; off < len(want); off += 1 << 20 {
		readOn(t, f, want, off, 1<<20)
		if _, ahead := fs.Streams(); ahead != 0 {
			t.Fatalf("%d long chunks are read ahead", ahead)
		}
	}
}

// A disk that doesn't answer holds up the reads that want its bytes: not the end of
// the handle, not what the cache has for another read of it.
func TestAStuckDiskHoldsUpNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs, tr, disk, want := onStuck(t, 8<<20)
		f := tr.open("f", forReading)
		readFrom(t, f, want, 0, 1<<20, 64<<10)
		disk.hangs.Store(true)
		got := make(chan bool)
		go func() { // through what is read ahead, to where the disk is stuck
			p := make([]byte, 7<<20)
			n, err := f.ReadAt(t.Context(), p, 1<<20)
			got <- err == nil && bytes.Equal(p[:n], want[1<<20:])
		}()
		synctest.Wait()
		if disk.inside.Load() == 0 {
			t.Fatal("nothing reads from the disk")
		}
		readOn(t, f, want, 0, 64<<10) // from the cache
		time.Sleep(5 * time.Second)
		readOn(t, f, want, 64<<10, 64<<10)
		f.Discard()
		close(disk.sound)
		if !<-got {
			t.Error("other bytes, or an error")
		}
		synctest.Wait()
		noStreams(t, fs)
	})
}

// Nor does it hold up a handle's other place, or its end, while it is read ahead.
func TestReadingAheadFromAStuckDiskHoldsUpNothing(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*testing.T, *filestore.File, []byte){
		"closed":    func(_ *testing.T, f *filestore.File, _ []byte) { f.Discard() },
		"elsewhere": func(t *testing.T, f *filestore.File, want []byte) { readOn(t, f, want, 100, 1000) },
		"a pause": func(t *testing.T, f *filestore.File, want []byte) {
			time.Sleep(5 * time.Second)
			readOn(t, f, want, 100, 1000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fs, tr, disk, want := onStuck(t, 8<<20)
				f := gettingStuck(t, tr, disk, want)
				defer f.Discard()
				leave(t, f, want)
				if open, ahead := fs.Streams(); open != 0 || ahead == 0 {
					t.Errorf("%d streams, %d chunks ahead, which the disk still writes to", open, ahead)
				}
				close(disk.sound)
				synctest.Wait()
				noStreams(t, fs)
			})
		})
	}
}

// Streams that wait for a disk don't keep a handle from what the cache has.
func TestStuckStreamsHoldUpNoHandle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs, tr, disk, want := onStuck(t, 2<<20)
		b := bucketIn(t, fs, tr)
		b.put("o", want)
		f := tr.open("f", forReading)
		defer f.Discard()
		for off := 768 << 10; off > 0; off -= 64 << 10 { // into the cache, in no sequence
			readOn(t, f, want, off-64<<10, 64<<10)
		}
		r := b.open("o")
		defer r.Close()
		disk.hangs.Store(true)
		over := make(chan error)
		for range 16 {
			go func() {
				s := r.Stream(t.Context(), 0, int64(len(want)))
				defer s.Close()
				_, err := s.Read(t.Context(), make([]byte, 256<<10))
				over <- err
			}()
		}
		synctest.Wait()
		began := time.Now()
		readFrom(t, f, want, 0, 768<<10, 64<<10)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("what the cache has took %v", took)
		}
		close(disk.sound)
		for range 16 {
			if err := <-over; err != nil {
				t.Error(err)
			}
		}
	})
}

// A filestore that is closed waits for what is read ahead, since its store is closed
// next.
func TestClosingWaitsForWhatIsReadAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs, tr, disk, want := onStuck(t, 4<<20)
		gettingStuck(t, tr, disk, want).Discard()
		var closed atomic.Bool
		go func() {
			fs.Close()
			closed.Store(true)
		}()
		synctest.Wait()
		if disk.inside.Load() == 0 || closed.Load() {
			t.Errorf("closed while %d reads are under way", disk.inside.Load())
		}
		close(disk.sound)
		synctest.Wait()
		if !closed.Load() {
			t.Error("not closed")
		}
	})
}
