package filestore_test

import (
	"context"
	"fmt"
	gosync "sync"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/metastore"
)

// meter counts what goes to the stores (law 7).
type meter struct {
	mu gosync.Mutex
	counts
}

type counts struct {
	commits int
	bytes   int // of nodes and blocks
	items   int
	reads   int // calls
}

func (m *meter) add(commits, items, bytes, reads int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits, m.items, m.bytes, m.reads = m.commits+commits, m.items+items, m.bytes+bytes, m.reads+reads
}

// spent returns what was counted since the last call.
func (m *meter) spent() counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.counts
	m.counts = counts{}
	return now
}

type meteredMeta struct {
	metastore.Store
	m *meter
}

func (s meteredMeta) Exclusive() bool { return true }

func (s meteredMeta) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	for _, r := range reqs {
		for _, n := range r.Nodes {
			s.m.add(0, 1, len(n.Data), 0)
		}
	}
	s.m.add(1, 0, 0, 0)
	return s.Store.Commit(ctx, reqs...)
}

func (s meteredMeta) Slots(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
	s.m.add(0, 0, 0, 1)
	return s.Store.Slots(ctx, ids)
}

func (s meteredMeta) Nodes(ctx context.Context, ids []metastore.ID) ([][]byte, error) {
	s.m.add(0, 0, 0, 1)
	return s.Store.Nodes(ctx, ids)
}

type meteredBlocks struct {
	blockstore.Store
	m *meter
}

func (s meteredBlocks) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	s.m.add(0, 1, len(data), 0)
	return s.Store.Put(ctx, id, data)
}

func metered(t *testing.T) (tree, *meter) {
	s, m := newStorage(t), new(meter)
	fs := s.open(func(o *filestore.Options) {
		o.Meta, o.Blocks = meteredMeta{o.Meta, m}, meteredBlocks{o.Blocks, m}
		o.ChunkSize = 256 << 10
	})
	tr, _ := newTree(t, fs)
	return tr, m
}

func TestCostFollowsTheChange(t *testing.T) {
	t.Parallel()
	tr, m := metered(t)
	tr.mkdir("d")
	for i := range 1500 {
		if err := put(t.Context(), tr.Tree, path(fmt.Sprintf("d/file-%06d", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	tr.put("d/big", random(12<<20, 1))
	m.spent()
	limits := []struct {
		what          string
		do            func()
		commits       int
		items, kbytes int
	}{
		{"a directory", func() { tr.mkdir("d/dir") }, 1, 3, 12},
		{"a small file", func() { tr.put("d/small", random(4000, 1)) }, 1, 4, 16},
		{"an inline file", func() { tr.put("d/tiny", []byte("tiny")) }, 1, 3, 12},
		{"a rename", func() { tr.rename("d/file-001200", "d/moved") }, 1, 5, 20},
		{"a rename elsewhere", func() { tr.rename("d/moved", "moved") }, 1, 4, 16},
		{"a removal", func() { tr.remove("d/file-001000") }, 1, 3, 12},
		{"attributes", func() {
			a := filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}
			if err := tr.SetAttr(t.Context(), path("d/file-001400"), a, true); err != nil {
				t.Fatal(err)
			}
		}, 1, 3, 12},
		{"the same attributes", func() {
			a := filestore.Attr{Set: filestore.AttrMode, Mode: 0o600}
			if err := tr.SetAttr(t.Context(), path("d/file-001400"), a, true); err != nil {
				t.Fatal(err)
			}
		}, 0, 0, 0},
		{"a byte of a large file", func() { tr.patch("d/big", 6<<20, 1) }, 1, 7, 330},
		{"a byte at its end", func() { tr.patch("d/big", 12<<20, 1) }, 1, 7, 60},
		{"a read", func() { tr.stat("d/big") }, 0, 0, 0},
	}
	for _, l := range limits {
		l.do()
		got := m.spent()
		if got.commits != l.commits || got.items > l.items || got.bytes > l.kbytes<<10 {
			t.Errorf("%s costs %d commits, %d items and %d bytes; want %d, at most %d and %d KiB",
				l.what, got.commits, got.items, got.bytes, l.commits, l.items, l.kbytes)
		}
	}
	if got := m.spent(); got.reads != 0 {
		t.Errorf("%d reads of what is cached", got.reads)
	}
}

// What a commit has sealed itself, the next one doesn't read: a file that grows
// by a record at a time costs no reads.
func TestCommitsLeaveTheirNodesAtHand(t *testing.T) {
	t.Parallel()
	tr, m := metered(t)
	tr.put("log", random(3<<20+100, 1))
	for i := range 6 {
		if i == 1 { // the first one has to read the short end
			m.spent()
		}
		f := tr.open("log", filestore.OpenOptions{Write: true, Append: true})
		write(t, f, []byte("x"), 0)
		closeFile(t, f)
	}
	if got := m.spent(); got.reads != 0 {
		t.Errorf("%d reads for five appends", got.reads)
	}
}

func (t tree) patch(p string, off int64, n int) {
	t.t.Helper()
	f := t.open(p, forWriting)
	write(t.t, f, random(n, byte(off)), off)
	closeFile(t.t, f)
}

// TestAppendsInSmallStepsCoalesce lets a file grow by many commits: none writes
// the whole last chunk again, and the pieces don't stay small.
func TestAppendsInSmallStepsCoalesce(t *testing.T) {
	t.Parallel()
	for _, step := range []int{10_000, 70_000, 100_000} {
		tr, m := metered(t)
		var want []byte
		tr.put("f", nil)
		m.spent()
		const steps = 60
		for i := range steps {
			part := random(step, byte(i))
			f := tr.open("f", forWriting)
			write(t, f, part, int64(len(want)))
			closeFile(t, f)
			want = append(want, part...)
		}
		tr.expect("f", want)
		got := m.spent()
		if limit := steps*(64<<10+20_000) + 3*len(want); got.bytes > limit {
			t.Errorf("steps of %d: %d bytes stored for %d, want at most %d", step, got.bytes, len(want), limit)
		}
		chunks := tr.leaves("f")
		if limit := len(want)/(256<<10) + 8; chunks > limit {
			t.Errorf("steps of %d: %d bytes lie in %d chunks, want at most %d", step, len(want), chunks, limit)
		}
	}
}
