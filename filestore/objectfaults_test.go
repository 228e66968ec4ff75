package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// objectSteps change a bucket in several ways, each with what it makes of it.
func objectSteps(b bucket) []func(objectModel) error {
	ctx := context.Background()
	put := func(key string, data []byte) func(objectModel) error {
		return func(m objectModel) error {
			m[key] = string(data)
			_, err := b.tryPut(key, data, filestore.ObjectMeta{ACL: random(20_000, 3)}, filestore.CommitOptions{})
			return err
		}
	}
	return []func(objectModel) error{
		put("a/b/large", random(700_000, 1)),
		put("a/b/small", random(3000, 2)),
		put("a/b/large", []byte("tiny")),
		func(m objectModel) error {
			m["c/copy"] = m["a/b/small"]
			r, err := b.Open(ctx, "a/b/small", filestore.VersionID{})
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = b.CopyObject(ctx, "c/copy", r, filestore.ObjectMeta{}, filestore.CommitOptions{})
			return err
		},
		func(m objectModel) error {
			_, err := b.SetMeta(ctx, "c/copy", filestore.VersionID{}, func(m *filestore.ObjectMeta) error {
				m.ACL = random(30_000, 4)
				return nil
			})
			return err
		},
		func(m objectModel) error {
			delete(m, "c/copy")
			_, err := b.DeleteObject(ctx, "c/copy", filestore.VersionID{}, filestore.DeleteOptions{})
			return err
		},
	}
}

// TestObjectsWithAFaultAtEveryCall has the n-th call of the stores fail, and all
// after it: the bucket is as the last acknowledged step left it, or as the next
// one would.
func TestObjectsWithAFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		n := 1
		for more := true; more; n++ {
			synctest.Test(t, func(t *testing.T) { more = failObjectsFrom(t, n, late) })
		}
		if n < 20 {
			t.Errorf("only %d calls", n)
		}
	}
}

func failObjectsFrom(t *testing.T, n int, late bool) bool {
	s := newStorage(t)
	watch := s.gateway()
	tr, _ := newTree(t, watch)
	observer := bucketIn(t, watch, tr)
	calls := &countdown{n: -1, late: late}
	fs := s.open(func(o *filestore.Options) {
		o.ChunkSize, o.Meta, o.Blocks = 256<<10, &failingMeta{shared{o.Meta}, calls}, &failingBlocks{o.Blocks, calls}
	})
	found, err := fs.Bucket(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	calls.arm(n)
	before, after := objectModel{}, objectModel{}
	for _, step := range objectSteps(bucket{t, found}) {
		before = after
		after = objectModel{}
		for k, v := range before {
			after[k] = v
		}
		if err = step(after); err != nil {
			break
		}
	}
	calls.arm(-1)
	if err == nil {
		return false
	}
	if k := kind.Of(err); k != kind.Unavailable {
		t.Errorf("call %d: %v (%v)", n, err, k)
	}
	fs.Close()
	if was, is := before.holds(observer), after.holds(observer); was != nil && is != nil {
		t.Fatalf("call %d, late %v: neither old nor new: %v", n, late, errors.Join(was, is))
	}
	return true
}

// A put that fails is heard by who puts, and leaves nothing behind.
func TestAFailingPutLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	full := blockstoretest.NewFaulty(s.blocks)
	s.blocks = full
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.put("d/o", []byte("old"))
	full.Before(func(context.Context, blockstoretest.Op, int, blockstore.ID) error {
		return fmt.Errorf("put: %w", kind.NoSpace)
	})
	for _, key := range []string{"d/o", "new/o"} {
		_, err := b.tryPut(key, random(3<<20, 1), filestore.ObjectMeta{}, filestore.CommitOptions{})
		expectKind(t, "put", err, kind.NoSpace)
	}
	full.Before(nil)
	w, err := b.NewObject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(random(1<<20, 1)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if _, err := w.Write([]byte("more")); kind.Of(err) != kind.Closed {
		t.Errorf("write after an abort: %v", err)
	}
	if _, err := w.Commit(t.Context(), "d/o", filestore.ObjectMeta{}, filestore.CommitOptions{}); kind.Of(err) != kind.Closed {
		t.Errorf("commit after an abort: %v", err)
	}
	tr.expectNames("b", "d")
	if got := b.get("d/o"); string(got) != "old" {
		t.Errorf("it holds %s", got)
	}
	if fs.Dirty() != 0 {
		t.Errorf("%d bytes are still held", fs.Dirty())
	}
}

// A put whose gateway's lease has lapsed meanwhile fails: what it has stored may be
// collected.
func TestAPutFailsWithTheLease(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	b := bucketIn(t, fs, tr)
	b.put("old", random(300_000, 1))
	r := b.open("old")
	w, err := b.NewObject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(random(600_000, 1)); err != nil {
		t.Fatal(err)
	}
	now.Add(int64(time.Hour))
	if err := fs.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), "new", filestore.ObjectMeta{}, filestore.CommitOptions{}); err == nil {
		t.Error("the put is acknowledged")
	}
	if _, err := r.ReadAt(t.Context(), make([]byte, 10), 0); kind.Of(err) != kind.Unavailable {
		t.Errorf("read: %v", err)
	}
	r.Close()
	b.absent("new")
	b.put("new", random(600_000, 2))
}

// slowStore takes its time for each put, and counts what is in it at once.
type slowStore struct {
	blockstore.Store
	now, peak atomic.Int64
}

func (s *slowStore) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	n := s.now.Add(int64(len(data)))
	for peak := s.peak.Load(); n > peak && !s.peak.CompareAndSwap(peak, n); peak = s.peak.Load() {
	}
	time.Sleep(time.Second) // in a synctest bubble
	s.now.Add(-int64(len(data)))
	return nil
}

// A put that is faster than the storage waits for it: what is held doesn't grow
// with the object.
func TestAPutTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const flight, chunk = 4 << 20, 256 << 10
		s := newStorage(t)
		slow := &slowStore{Store: s.blocks}
		fs := s.open(func(o *filestore.Options) { o.Blocks, o.ChunkSize, o.FlightBytes = slow, chunk, flight })
		tr, _ := newTree(t, fs)
		b := bucketIn(t, fs, tr)
		w, err := b.NewObject(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		part := random(100_000, 1)
		for range 400 {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
			if fs.Dirty() > 2*chunk {
				t.Fatalf("%d bytes are held", fs.Dirty())
			}
		}
		if w.Size() != 400*100_000 {
			t.Errorf("%d bytes", w.Size())
		}
		w.Abort()
		if peak := slow.peak.Load(); peak > flight+flight/10 || peak < 2*chunk {
			t.Errorf("%d bytes were on their way at once", peak)
		}
		fs.Close()
	})
}
