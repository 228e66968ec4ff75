package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	gosync "sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// TestLiesOfTheBlockstoreAreErrors reads a file of many chunks back while the
// blockstore lies in each way there is: never wrong bytes (law 2).
func TestLiesOfTheBlockstoreAreErrors(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	lying := blockstoretest.NewFaulty(s.blocks)
	s.blocks = lying
	small := func(o *filestore.Options) { o.ChunkSize = 256 << 10 }
	tr, root := newTree(t, s.gateway(small))
	want := random(1_200_000, 1)
	tr.put("f", want)
	tr.put("g", random(1_200_000, 2))
	var ids []blockstore.ID
	for i, err := range lying.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, i.ID)
	}
	lies := map[string]func(){
		"drop":     func() { lying.LieAlways(blockstoretest.Drop) },
		"head":     func() { lying.LieAlways(blockstoretest.Flip(20)) },
		"middle":   func() { lying.LieAlways(blockstoretest.Flip(150_000)) },
		"tail":     func() { lying.LieAlways(blockstoretest.Flip(-1)) },
		"truncate": func() { lying.LieAlways(blockstoretest.Truncate(-1)) },
		"nothing":  func() { lying.LieAlways(blockstoretest.Truncate(0)) },
		"swap": func() {
			for i := range len(ids) / 2 {
				if err := lying.Swap(t.Context(), ids[2*i], ids[2*i+1]); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	for name, tell := range lies {
		tell()
		tr := mount(t, s.gateway(small), root) // without anything in its caches
		f := tr.open("f", forReading)
		buf := make([]byte, 70_000)
		failed := false
		for off := int64(0); off < int64(len(want)); off += 50_000 {
			n, err := f.ReadAt(t.Context(), buf, off)
			if !bytes.Equal(buf[:n], want[off:off+int64(n)]) {
				t.Fatalf("%s: wrong bytes at %d", name, off)
			}
			if err != nil && err != io.EOF {
				failed = true
				expectKind(t, name, err, kind.Corrupt)
			}
		}
		if !failed {
			t.Errorf("%s: nothing failed", name)
		}
		// A change of a damaged file must not make the damage look sound.
		w := tr.open("f", forWriting)
		write0(t, w, "patch")
		if err := w.Close(t.Context()); err == nil {
			f := tr.open("f", forReading)
			if n, err := f.ReadAt(t.Context(), buf, 0); err == nil && !bytes.Equal(buf[:n], append([]byte("patch"), want[5:n]...)) {
				t.Fatalf("%s: wrong bytes after a change", name)
			}
			f.Discard()
		}
		f.Discard()
		lying.LieAlways(nil)
		for _, id := range ids {
			lying.Lie(id, nil)
		}
		tr.put("f", want)
		ids = ids[:0]
		for i := range lying.List(t.Context(), blockstore.ID{}) {
			ids = append(ids, i.ID)
		}
	}
}

// scenario changes a tree in several ways and says how far it came: the steps
// that were acknowledged, and whether the next one was begun.
func scenario(ctx context.Context, t *filestore.Tree) (done int, err error) {
	patch := func(p string, data []byte, off int64) error {
		f, err := t.Open(ctx, path(p), toCreate)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(ctx, data, off); err != nil {
			f.Discard()
			return err
		}
		return f.Close(ctx)
	}
	for i, step := range []func() error{
		func() error { return t.Mkdir(ctx, path("d"), filestore.Attr{}) },
		func() error { return patch("d/f", random(700_000, 1), 0) },
		func() error { return patch("d/f", random(10, 2), 300_000) },
		func() error { return t.Rename(ctx, path("d/f"), path("g"), filestore.NoReplace) },
		func() error { return patch("d/small", []byte("small"), 0) },
		func() error { return t.Mkdir(ctx, path("d/e"), filestore.Attr{}) },
		func() error { return t.Rename(ctx, path("d/e"), path("e"), filestore.NoReplace) },
		func() error { return t.Remove(ctx, path("d/small")) },
		func() error { return t.Rmdir(ctx, path("d")) },
	} {
		if err := step(); err != nil {
			return i, err
		}
	}
	return -1, nil
}

// states lists what the tree may look like after each number of steps.
func states() []treeModel {
	big := string(random(700_000, 1))
	patched := patch(big, random(10, 2), 300_000)
	return []treeModel{
		{},
		{"d": "/"},
		{"d": "/", "d/f": "=" + big},
		{"d": "/", "d/f": "=" + patched},
		{"d": "/", "g": "=" + patched},
		{"d": "/", "g": "=" + patched, "d/small": "=small"},
		{"d": "/", "g": "=" + patched, "d/small": "=small", "d/e": "/"},
		{"d": "/", "g": "=" + patched, "d/small": "=small", "e": "/"},
		{"d": "/", "g": "=" + patched, "e": "/"},
		{"g": "=" + patched, "e": "/"},
	}
}

// TestFaultAtEveryCall runs the scenario again and again, with the n-th call of
// the stores failing for good, before or after it took effect: afterwards the
// tree is as the last acknowledged step left it, or as the next one would.
func TestFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		n := 1
		for more := true; more; n++ {
			// Time passes at once in there, so that retries cost nothing.
			synctest.Test(t, func(t *testing.T) { more = failFrom(t, n, late) })
		}
		if n < 20 {
			t.Errorf("only %d calls", n)
		}
	}
}

// failFrom runs the scenario with the n-th call and all after it failing. It
// reports false if there are fewer calls.
func failFrom(t *testing.T, n int, late bool) bool {
	s := newStorage(t)
	observer, root := newTree(t, s.gateway())
	calls := &countdown{n: -1, late: late}
	fs := s.open(func(o *filestore.Options) {
		o.ChunkSize, o.Meta, o.Blocks = 256<<10, &failingMeta{shared{o.Meta}, calls}, &failingBlocks{o.Blocks, calls}
	})
	tr := mount(t, fs, root)
	calls.arm(n)
	done, err := scenario(t.Context(), tr.Tree)
	calls.arm(-1)
	if done < 0 {
		return false
	}
	if k := kind.Of(err); k != kind.Unavailable {
		t.Errorf("call %d: %v (%v)", n, err, k)
	}
	fs.Close()
	got, err := dump(t.Context(), observer.Tree)
	if err != nil {
		t.Fatalf("call %d, late %v: %v", n, late, err)
	}
	if !maps.Equal(got, states()[done]) && !maps.Equal(got, states()[done+1]) {
		t.Fatalf("call %d, late %v, %d steps done: the tree is neither old nor new", n, late, done)
	}
	return true
}

// countdown fails every call from the n-th on.
type countdown struct {
	n    int // calls to go; negative: for ever
	late bool
	mu   gosync.Mutex
}

func (c *countdown) arm(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = n
}

func (c *countdown) hit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n > 0 {
		c.n--
	}
	return c.n == 0
}

func (c *countdown) call(f func() error) error {
	if !c.hit() {
		return f()
	}
	if c.late {
		_ = f()
	}
	return fmt.Errorf("the call that fails: %w", kind.Unavailable)
}

type failingMeta struct {
	metastore.Store
	c *countdown
}

func (m *failingMeta) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	var errs []error
	if err := m.c.call(func() error { errs = m.Store.Commit(ctx, reqs...); return nil }); err != nil {
		errs = make([]error, len(reqs))
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func (m *failingMeta) Register(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
	return m.c.call(func() error { return m.Store.Register(ctx, g, d, rows) })
}

func (m *failingMeta) Slots(ctx context.Context, ids []metastore.SlotID) (recs []metastore.Record, err error) {
	err = m.c.call(func() error { recs, err = m.Store.Slots(ctx, ids); return err })
	return recs, err
}

func (m *failingMeta) Nodes(ctx context.Context, ids []metastore.ID) (data [][]byte, err error) {
	err = m.c.call(func() error { data, err = m.Store.Nodes(ctx, ids); return err })
	return data, err
}

func (m *failingMeta) Log(ctx context.Context, id metastore.SlotID, after uint64) (recs []metastore.Record, err error) {
	err = m.c.call(func() error { recs, err = m.Store.Log(ctx, id, after); return err })
	return recs, err
}

type failingBlocks struct {
	blockstore.Store
	c *countdown
}

func (b *failingBlocks) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	return b.c.call(func() error { return b.Store.Put(ctx, id, data) })
}

func (b *failingBlocks) Get(ctx context.Context, id blockstore.ID) (data []byte, err error) {
	err = b.c.call(func() error { data, err = b.Store.Get(ctx, id); return err })
	return data, err
}

// TestUploadErrorsAreHeard fails puts while a file streams in: a later write or
// the close says so, and the file that was there stays.
func TestUploadErrorsAreHeard(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	full := blockstoretest.NewFaulty(s.blocks)
	s.blocks = full
	tr, _ := newTree(t, s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 }))
	tr.put("f", []byte("old contents"))
	full.Before(func(context.Context, blockstoretest.Op, int, blockstore.ID) error {
		return fmt.Errorf("put: %w", kind.NoSpace)
	})
	f := tr.open("f", toReplace)
	var err error
	for off := int64(0); err == nil && off < 8<<20; off += 256 << 10 {
		_, err = f.WriteAt(t.Context(), random(256<<10, 1), off)
	}
	if err == nil {
		err = f.Close(t.Context())
	} else if cerr := f.Close(t.Context()); kind.Of(cerr) != kind.NoSpace {
		t.Errorf("close after a failed write: %v", cerr)
	}
	expectKind(t, "the upload", err, kind.NoSpace)
	tr.expect("f", []byte("old contents"))
	full.Before(nil)
	tr.put("f", random(1<<20, 2))
	tr.expect("f", random(1<<20, 2))
}

// TestRollbackIsNoticed puts an older, rightly signed record back: a gateway
// that has seen the newer one refuses it, and says so in its log.
func TestRollbackIsNoticed(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	stale := metastoretest.NewFaulty(shared{s.meta}, 1)
	var log bytes.Buffer
	fs := s.open(func(o *filestore.Options) {
		o.Meta, o.Log = stale, slog.New(slog.NewTextHandler(&log, nil))
	})
	tr, _ := newTree(t, fs)
	tr.mkdir("a")
	tr.mkdir("b")
	stale.Set(metastoretest.StaleSlot, 100)
	_, err := tr.Stat(t.Context(), path("b"))
	expectKind(t, "stat on an old record", err, kind.Corrupt)
	expectKind(t, "mkdir on an old record", tr.Mkdir(t.Context(), path("c"), filestore.Attr{}), kind.Corrupt)
	if !strings.Contains(log.String(), "older than one seen before") {
		t.Errorf("the log says %q", &log)
	}
	stale.Heal()
	tr.expectNames("", "a", "b")
}

// TestJumpsAreFollowedAlongTheLog lets another gateway commit several times: the
// newer record is accepted in silence where slotlog leads to it, else with a
// warning.
func TestJumpsAreFollowedAlongTheLog(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{true, false} {
		s := newStorage(t)
		var log bytes.Buffer
		fs := s.open(func(o *filestore.Options) {
			o.Meta = forgetful{shared{o.Meta}, kept}
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
		})
		tr, root := newTree(t, fs)
		other := mount(t, s.gateway(), root)
		for _, p := range []string{"a", "b", "c"} {
			other.mkdir(p)
		}
		tr.expectNames("", "a", "b", "c")
		if warned := strings.Contains(log.String(), "without the chain"); warned == kept {
			t.Errorf("log kept: %v; the gateway says %q", kept, &log)
		}
	}
}

// forgetful is a metastore whose slotlog may have been cleared.
type forgetful struct {
	metastore.Store
	kept bool
}

func (f forgetful) Log(ctx context.Context, id metastore.SlotID, after uint64) ([]metastore.Record, error) {
	if !f.kept {
		return nil, nil
	}
	return f.Store.Log(ctx, id, after)
}

// TestLapsedLeaseFailsWhatIsOpen lets a gateway's lease run out: what it has
// open may have been collected, so its handles fail, and new ones work.
func TestLapsedLeaseFailsWhatIsOpen(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	s.meta = metamemory.New(metamemory.Clock(func() time.Time { return time.Unix(1e9, 0) }))
	lapse := &lapsing{s.meta, make(chan struct{}, 1)}
	tr, _ := newTree(t, s.open(func(o *filestore.Options) { o.Meta, o.Lease = lapse, 30*time.Millisecond }))
	f := tr.open("f", toCreate)
	write(t, f, random(2<<20, 1), 0)
	lapse.next <- struct{}{}
	for {
		_, err := f.WriteAt(t.Context(), []byte("x"), 0)
		if err != nil {
			expectKind(t, "write after the lease has lapsed", err, kind.Unavailable)
			break
		}
	}
	if err := f.Close(t.Context()); err == nil {
		t.Error("a draft without a lease was committed")
	}
	tr.absent("f")
	tr.put("f", random(2<<20, 2))
	tr.expect("f", random(2<<20, 2))
}

// TestLapsedLeaseAtStartIsNoEvent begins after a rest, as every restart does:
// nothing is open that could fail, and nobody is warned.
func TestLapsedLeaseAtStartIsNoEvent(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	lapse := &lapsing{s.meta, make(chan struct{}, 1)}
	lapse.next <- struct{}{}
	var log bytes.Buffer
	tr, _ := newTree(t, s.open(func(o *filestore.Options) {
		o.Meta, o.Log = lapse, slog.New(slog.NewTextHandler(&log, nil))
	}))
	tr.put("f", random(100, 1))
	if log.Len() > 0 {
		t.Errorf("the log says %q", &log)
	}
}

// lapsing answers a heartbeat as if the lease had lapsed, once.
type lapsing struct {
	metastore.Store
	next chan struct{}
}

func (l *lapsing) Heartbeat(ctx context.Context, g metastore.GatewayID, oldest uint64, ttl time.Duration) error {
	if err := l.Store.Heartbeat(ctx, g, oldest, ttl); err != nil {
		return err
	}
	select {
	case <-l.next:
		return fmt.Errorf("lapsed: %w", kind.Conflict)
	default:
		return nil
	}
}
