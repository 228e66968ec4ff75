package filetree_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestTheCacheGivesNothingToAnotherKey(t *testing.T) {
	t.Parallel()
	s, tree, data := threeBlocks(t)
	one := s.seal(t, filetree.Sealer{}, 0, data[:100_000]).Ref
	cache := filetree.NewCache(64 << 20)
	for _, ref := range []filetree.Ref{tree, one} {
		p := make([]byte, 1000)
		if _, err := filetree.NewReader(s, ref, cache).ReadAt(t.Context(), p, 500); err != nil {
			t.Fatal(err)
		}
		wantContents(t, p, data[500:1500])
		wrong := ref
		wrong.Key = caps.KeyOf([32]byte{1})
		longer := ref
		longer.Size++
		for _, lie := range []filetree.Ref{wrong, longer} {
			clear(p)
			n, err := filetree.NewReader(s, lie, cache).ReadAt(t.Context(), p, 500)
			if n != 0 || kind.Of(err) != kind.Corrupt || !allZero(p) {
				t.Errorf("level %d: %d bytes, %v", ref.Level, n, err)
			}
		}
		// The rightful reader isn't disturbed.
		if _, err := filetree.NewReader(s, ref, cache).ReadAt(t.Context(), p, 500); err != nil {
			t.Error(err)
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 3 << 20
	s, cache := newStore(), filetree.NewCache(limit)
	for i := range uint64(4) {
		data := random(i, 2*mib)
		ref := s.file(t, data, mib)
		r := filetree.NewReader(s, ref, cache)
		p := make([]byte, 100_000)
		for off := int64(0); off < 2*mib; off += int64(len(p)) {
			if n, err := r.ReadAt(t.Context(), p, off); err != nil && err != io.EOF {
				t.Fatal(err)
			} else {
				wantContents(t, p[:n], data[off:off+int64(n)])
			}
			if got := cache.Bytes(); got > limit {
				t.Fatalf("the cache holds %d bytes of %d", got, limit)
			}
		}
	}
	if got := cache.Bytes(); got < limit/3 {
		t.Errorf("the cache holds %d bytes only", got)
	}
	// A cache too small for anything still reads.
	data := random(9, 600*kib)
	r := filetree.NewReader(s, s.file(t, data, small), filetree.NewCache(1))
	p := make([]byte, 100)
	for off := int64(0); off < int64(len(data)); off += 99_999 {
		if _, err := r.ReadAt(t.Context(), p, off); err != nil {
			t.Fatal(err)
		}
		wantContents(t, p, data[off:off+100])
	}
}

func TestASharedCacheServesEveryReader(t *testing.T) {
	t.Parallel()
	s, ref, _ := threeBlocks(t)
	cache := filetree.NewCache(64 << 20)
	p := make([]byte, 1000)
	for i := range 3 {
		r := filetree.NewReader(s, ref, cache)
		for _, off := range []int64{0, small - 500, small + 60_000} {
			if _, err := r.ReadAt(t.Context(), p, off); err != nil {
				t.Fatal(err)
			}
		}
		if i > 0 && (s.nodes > 0 || len(s.ranges) > 0) {
			t.Errorf("reader %d asked for %d nodes and %v", i, s.nodes, s.ranges)
		}
		s.resetCounts()
	}
}

func TestManyReadersAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, 2*mib+500)
	ref := s.file(t, data, small)
	r := filetree.NewReader(s, ref, filetree.NewCache(1<<20)) // smaller than the file
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			p := make([]byte, 1+g*40_000)
			for i := range int64(60) {
				off := (i*int64(g+1)*77_777 + i) % int64(len(data))
				n, err := r.ReadAt(context.Background(), p, off)
				if err != nil && err != io.EOF {
					t.Error(err)
					return
				}
				if string(p[:n]) != string(data[off:off+int64(n)]) {
					t.Errorf("other bytes at %d", off)
				}
				if i%7 == 0 {
					if err := r.Prefetch(context.Background(), off); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestPrefetchLeavesNothingToFetch(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	r := filetree.NewReader(s, ref, nil)
	for _, off := range []int64{small, 0, -1, int64(len(data)), 1 << 62} {
		if err := r.Prefetch(t.Context(), off); err != nil {
			t.Errorf("Prefetch(%d): %v", off, err)
		}
	}
	s.resetCounts()
	p := make([]byte, len(data))
	if _, err := r.ReadAt(t.Context(), p, 0); err != nil {
		t.Fatal(err)
	}
	wantContents(t, p, data)
	if s.nodes+len(s.ranges) > 0 {
		t.Errorf("asked for %d nodes and %v", s.nodes, s.ranges)
	}
}

// gate is a Source that holds chunk reads up until it is opened.
type gate struct {
	*store
	open chan struct{}
}

func (g *gate) ChunkRange(ctx context.Context, id blockstore.ID, total, off, n int64) ([]byte, error) {
	select {
	case <-g.open:
		return g.store.ChunkRange(ctx, id, total, off, n)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestReadersOfOneChunkFetchItOnce(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	synctest.Test(t, func(t *testing.T) {
		g := &gate{s, make(chan struct{})}
		r := filetree.NewReader(g, ref, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // the first asks, gives up, and spoils it for nobody
			if _, err := r.ReadAt(ctx, make([]byte, 10), 100); kind.Of(err) != kind.Canceled {
				t.Errorf("canceled: %v", err)
			}
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				p := make([]byte, 10)
				if _, err := r.ReadAt(t.Context(), p, 100); err != nil || string(p) != string(data[100:110]) {
					t.Errorf("a patient reader: %v", err)
				}
			})
		}
		waiting, stop := context.WithCancel(t.Context())
		wg.Go(func() { // one of those who wait gives up as well
			if _, err := r.ReadAt(waiting, make([]byte, 10), 100); kind.Of(err) != kind.Canceled {
				t.Errorf("canceled while waiting: %v", err)
			}
		})
		synctest.Wait()
		stop()
		cancel()
		synctest.Wait()
		close(g.open)
		wg.Wait()
		if len(s.ranges) != 1 {
			t.Errorf("asked for %v", s.ranges)
		}
	})
}

func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	r := filetree.NewReader(s, ref, nil)
	if _, err := r.ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	leaf, err := r.LeafAt(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	wrong := ref
	wrong.Key = leaf.Ref.Key
	_, readError := filetree.NewReader(s, wrong, nil).ReadAt(t.Context(), data[:1:1], 0)
	secrets := map[string]string{}
	for name, k := range map[string]caps.Key{"Kr": ref.Key, "Kv": ref.Verify().Key, "K": leaf.Ref.Key} {
		raw := k.Raw()[:]
		secrets[name+" in hex"] = fmt.Sprintf("%x", raw)[:16]
		secrets[name+" in decimal"] = strings.Trim(fmt.Sprint(raw[:8]), "[]")
		secrets[name+" in Go"] = strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw[:8]), "[]byte{"), "}")
		secrets[name] = string(raw[:8])
	}
	for _, value := range []any{ref, &ref, ref.Verify(), leaf, []filetree.Leaf{leaf}, r, readError, filetree.Sealer{Secret: ref.Key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%t", "%q", "%p"} {
			text := fmt.Sprintf(verb, value)
			for name, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T prints %s", verb, value, name)
				}
			}
		}
	}
}
