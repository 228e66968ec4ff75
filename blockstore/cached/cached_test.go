package cached_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/cached"
	"github.com/truckee-fs/truckee/blockstore/local"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, inner blockstore.Store, dir string, size int64) *cached.Store {
	t.Helper()
	s, err := cached.Open(inner, dir, cached.Options{Size: size, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int64{"large": 1 << 30, "small": 300_000, "tiny": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blockstoretest.Run(t, func(t *testing.T) blockstore.Store { return open(t, memory.New(), t.TempDir(), size) })
		})
	}
}

func TestStoreOnLocal(t *testing.T) {
	t.Parallel()
	var dir string // of the subtest that runs
	reopen := func(t *testing.T) blockstore.Store {
		l, err := local.Open(filepath.Join(dir, "blocks"), local.Options{SegmentSize: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return open(t, l, filepath.Join(dir, "cache"), 1<<20)
	}
	blockstoretest.Run(t, func(t *testing.T) blockstore.Store {
		dir = t.TempDir()
		return reopen(t)
	}, blockstoretest.Reopen(reopen))
}

// kept is a store that Close leaves alone, and that counts what it is asked.
type kept struct {
	*memory.Store
	reads atomic.Int64
}

func (k *kept) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	k.reads.Add(1)
	return k.Store.Get(ctx, id)
}

func (k *kept) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	k.reads.Add(1)
	return k.Store.GetRange(ctx, id, off, n)
}

func (k *kept) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	k.reads.Add(1)
	return k.Store.GetRangeIn(ctx, id, off, n, room)
}

func (k *kept) Close() error { return nil }

// filled is a store of n blocks.
func filled(t *testing.T, n, size int) (*kept, map[blockstore.ID][]byte) {
	k, blocks := &kept{Store: memory.New()}, map[blockstore.ID][]byte{}
	for range n {
		id, block := storecheck.Chunk(size)
		blocks[id] = block
		if err := k.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
	}
	return k, blocks
}

func readAll(t *testing.T, s blockstore.Store, blocks map[blockstore.ID][]byte) {
	t.Helper()
	for id, want := range blocks {
		if got, err := s.Get(t.Context(), id); err != nil || !bytes.Equal(got, want) {
			t.Errorf("get: %d bytes of %d, %v", len(got), len(want), err)
		}
	}
}

// What was read once is there after a restart, without the store.
func TestTheCacheSurvivesARestart(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 20, 50_000)
	dir := t.TempDir()
	s := open(t, inner, dir, 1<<30)
	readAll(t, s, blocks)
	readAll(t, s, blocks)
	if n := inner.reads.Load(); n != 20 {
		t.Errorf("%d reads of the store", n)
	}
	if hits, misses, used := s.Stats(); hits != 20 || misses != 20 || used < 20*50_000 {
		t.Errorf("%d hits, %d misses, %d bytes", hits, misses, used)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, inner, dir, 1<<30)
	readAll(t, s, blocks)
	for id, want := range blocks {
		part, err := blockstore.GetRange(t.Context(), s, id, 100, 50)
		if err != nil || !bytes.Equal(part, want[100:150]) {
			t.Errorf("range: %d bytes, %v", len(part), err)
		}
	}
	if n := inner.reads.Load(); n != 20 {
		t.Errorf("%d reads of the store after a restart", n)
	}
}

// size is what the files of a cache take, as many pages as they need.
func size(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += (info.Size() + 4095) &^ 4095
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// It holds as much as it may, those read last.
func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 50, 50_000)
	dir := t.TempDir()
	const limit = 500_000
	s := open(t, inner, dir, limit)
	var hot blockstore.ID
	for id := range blocks {
		hot = id
	}
	for id := range blocks {
		for _, id := range []blockstore.ID{hot, id} {
			if _, err := s.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if n := size(t, dir); n > limit {
			t.Fatalf("the cache has %d bytes", n)
		}
	}
	if n := size(t, dir); n < limit/2 {
		t.Errorf("the cache has %d bytes only", n)
	}
	reads := inner.reads.Load()
	if _, err := s.Get(t.Context(), hot); err != nil || inner.reads.Load() != reads {
		t.Error("a block that is read all the time isn't in the cache")
	}
	// A smaller cache gives space back when it is opened.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, inner, dir, limit/5)
	if n := size(t, dir); n > limit/5 {
		t.Errorf("the smaller cache has %d bytes", n)
	}
	readAll(t, s, blocks)
}

// Whatever happens to its files, the cache gives the right bytes of whole blocks,
// and of parts once a whole one was read.
func TestADamagedCacheIsHarmless(t *testing.T) {
	t.Parallel()
	damages := map[string]func(path string) error{
		"flipped":   func(p string) error { return change(p, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) },
		"truncated": func(p string) error { return change(p, func(b []byte) []byte { return b[:len(b)-1] }) },
		"empty":     func(p string) error { return change(p, func([]byte) []byte { return nil }) },
		"longer":    func(p string) error { return change(p, func(b []byte) []byte { return append(b, 0) }) },
		"huge":      func(p string) error { return os.Truncate(p, 1<<40) },
		"removed":   os.Remove,
		"a directory": func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Mkdir(p, 0o700)
		},
		"unreadable": func(p string) error { return os.Chmod(p, 0) },
	}
	for name, damage := range damages {
		for _, restart := range []bool{false, true} {
			inner, blocks := filled(t, 3, 50_000)
			dir := t.TempDir()
			s := open(t, inner, dir, 1<<30)
			readAll(t, s, blocks)
			for id := range blocks {
				if err := damage(filepath.Join(dir, id.String()[:2], id.String())); err != nil {
					t.Fatal(err)
				}
			}
			if restart {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, inner, dir, 1<<30)
			}
			for id := range blocks { // as a reader of frames does
				_, _ = blockstore.GetRange(t.Context(), s, id, 0, 60_000)
			}
			readAll(t, s, blocks)
			for id, want := range blocks {
				got, err := blockstore.GetRange(t.Context(), s, id, 0, 60_000)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, restart %t: range: %d bytes, %v", name, restart, len(got), err)
				}
			}
			s.Close()
		}
	}
}

func change(path string, f func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, f(b), 0o600)
}

// What the store gives wrong isn't kept.
func TestLiesAreNotCached(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 3, 5000)
	f := blockstoretest.NewFaulty(inner)
	s := open(t, f, t.TempDir(), 1<<30)
	f.LieAlways(blockstoretest.Flip(-1))
	for id := range blocks {
		_, _ = s.Get(t.Context(), id)
		_, _ = blockstore.GetRange(t.Context(), s, id, 0, 1<<20)
	}
	f.Honest()
	readAll(t, s, blocks)
}

// A disk that is full, or gone, costs the cache and nothing else.
func TestADiskThatDoesNotDo(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 5, 5000)
	dir := filepath.Join(t.TempDir(), "cache")
	s := open(t, inner, dir, 1<<30)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readAll(t, s, blocks)
	readAll(t, s, blocks)
}

// Short reads at random don't bring whole blocks over the network, unless one is
// read again.
func TestShortRangesPass(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 3, 500_000)
	s := open(t, inner, t.TempDir(), 1<<30)
	for id, want := range blocks {
		for i, reads := range []int64{1, 1, 0, 0} {
			before := inner.reads.Load()
			part, err := blockstore.GetRange(t.Context(), s, id, 1000, 500)
			if err != nil || !bytes.Equal(part, want[1000:1500]) {
				t.Fatalf("%d bytes, %v", len(part), err)
			}
			if n := inner.reads.Load() - before; n != reads {
				t.Errorf("read %d: %d requests", i, n)
			}
			if _, _, used := s.Stats(); i == 0 && used > 600_000*int64(len(blocks)-1) {
				t.Errorf("%d bytes are cached", used)
			}
		}
	}
}

// What is read lies in the reader's memory, whether it comes out of the cache or not.
func TestReadsIn(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 3, 500_000)
	s := open(t, inner, t.TempDir(), 1<<30)
	if !blockstore.ReadsIn(s) {
		t.Error("it doesn't read into memory of its caller's")
	}
	for id, want := range blocks {
		for _, n := range []int64{500, 200_000, 500_000, 200_000, 500} {
			room := bytes.Repeat([]byte{0xa5}, int(blockstore.RangeRoom(n)))
			part, err := blockstore.GetRangeIn(t.Context(), s, id, 100, n, room)
			if err != nil || !bytes.Equal(part, want[100:min(100+n, int64(len(want)))]) {
				t.Fatalf("%d bytes of %d, %v", len(part), n, err)
			}
			if !blockstore.InRoom(part, room) {
				t.Errorf("%d bytes of %d lie elsewhere", len(part), n)
			}
		}
	}
}

// What is deleted while it is read doesn't get into the cache.
func TestDeletedWhileItIsRead(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 1, 5000)
	read, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := open(t, &holdsBack{Store: inner, read: func() {
		once.Do(func() {
			close(read)
			<-goOn
		})
	}}, t.TempDir(), 1<<30)
	for id := range blocks {
		done := make(chan error, 1)
		go func() {
			_, err := s.Get(t.Context(), id)
			done <- err
		}()
		<-read
		if err := s.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), id); kind.Of(err) != kind.NotExist {
			t.Errorf("get of a deleted block: %v", err)
		}
	}
}

// holdsBack gives what it has read a moment later.
type holdsBack struct {
	blockstore.Store
	read func()
}

func (h *holdsBack) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	block, err := h.Store.Get(ctx, id)
	h.read()
	return block, err
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, memory.New(), dir, 1)
	if _, err := cached.Open(memory.New(), dir, cached.Options{Size: 1}); kind.Of(err) != kind.Unavailable {
		t.Errorf("open of a cache in use: %v", err)
	}
	if _, err := cached.Open(memory.New(), t.TempDir(), cached.Options{}); kind.Of(err) != kind.Invalid {
		t.Errorf("open without a size: %v", err)
	}
}

// What lies in the directory and is no block is left alone, but for temporary
// files.
func TestOtherFilesInTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "00"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README", "00/notes", "00/123.tmp", "00/11"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, memory.New(), dir, 1).Close()
	for name, want := range map[string]bool{"README": true, "00/notes": true, "00/11": true, "00/123.tmp": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who looks whether blocks are really there isn't told by the cache.
func TestUncached(t *testing.T) {
	t.Parallel()
	inner, blocks := filled(t, 1, 5000)
	s := open(t, blockstore.NewVerified(inner), t.TempDir(), 1<<30)
	wrapped := blockstore.NewVerified(s)
	readAll(t, wrapped, blocks)
	for id := range blocks {
		if err := inner.Store.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := blockstore.Uncached(wrapped).Get(t.Context(), id); kind.Of(err) != kind.NotExist {
			t.Errorf("get of what only the cache has: %v", err)
		}
	}
	readAll(t, wrapped, blocks)
	if got := blockstore.Uncached(inner); got != blockstore.Store(inner) {
		t.Errorf("a store without cache is %v", got)
	}
}
