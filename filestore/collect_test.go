package filestore_test

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	metamemory "github.com/truckee-fs/truckee/metastore/memory"
)

// clocked is storage whose database's clock the test moves.
func clocked(t *testing.T) (*storage, *atomic.Int64) {
	var now atomic.Int64
	now.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	s := newStorage(t)
	s.meta = metamemory.New(metamemory.Clock(func() time.Time { return time.Unix(0, now.Load()) }))
	return s, &now
}

// collectAllDue collects until the grace period of all that isn't reachable now is over.
func collectAllDue(t *testing.T, fs *filestore.FS, now *atomic.Int64) {
	t.Helper()
	for range 3 {
		now.Add(int64(8 * 24 * time.Hour))
		if err := fs.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		collect(t, fs, filestore.CollectOptions{Yes: true})
	}
}

// stored counts the blocks that the blockstore holds.
func (s *storage) stored() (n int) {
	for _, err := range s.blocks.List(s.t.Context(), blockstore.ID{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		n++
	}
	return n
}

func collect(t *testing.T, fs *filestore.FS, o filestore.CollectOptions) filestore.CollectReport {
	t.Helper()
	r, err := fs.Collect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func expectWhole(t *testing.T, fs *filestore.FS, trees ...filestore.NamedTree) filestore.CheckReport {
	t.Helper()
	r, err := fs.Check(t.Context(), filestore.CheckOptions{Deep: true, Trees: trees})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Whole() {
		t.Errorf("check finds damage: %v", r.Damage)
	}
	return r
}

func TestCollectGivesSpaceBackAfterTheGraceTime(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	keep := random(3<<20, 1)
	tr.put("keep", keep)
	tr.put("small", random(3000, 2))
	before := s.stored()
	tr.put("gone", random(3<<20, 3))
	tr.put("gone small", random(3000, 4))
	tr.put("keep", keep) // replaced by equal contents: other blocks
	tr.remove("gone")
	tr.remove("gone small")
	full := s.stored()
	day := int64(24 * time.Hour)
	pass := func(days int64) { now.Add(days * day) }

	pass(1)
	if r := collect(t, fs, filestore.CollectOptions{DryRun: true}); r.Waiting == 0 || r.Deleted != 0 {
		t.Errorf("dry run: %+v", r)
	}
	if r := collect(t, fs, filestore.CollectOptions{}); r.Waiting == 0 || r.Deleted != 0 {
		t.Errorf("first mark: %+v", r)
	}
	pass(6)
	if r := collect(t, fs, filestore.CollectOptions{}); r.Deleted != 0 {
		t.Errorf("within the grace time: %+v", r)
	}
	if s.stored() != full {
		t.Errorf("%d blocks within the grace time, want all %d", s.stored(), full)
	}
	pass(2)
	if r := collect(t, fs, filestore.CollectOptions{DryRun: true}); r.Deleted == 0 || s.stored() != full {
		t.Errorf("dry run: %+v, %d blocks", r, s.stored())
	}
	r := collect(t, fs, filestore.CollectOptions{Yes: true})
	if r.Deleted == 0 || r.DeletedBytes < 6<<20 || s.stored() != before {
		t.Errorf("after the grace time: %+v, %d blocks, want %d", r, s.stored(), before)
	}
	tr.expect("keep", keep)
	expectWhole(t, fs)
	if r := collect(t, fs, filestore.CollectOptions{}); r.Deleted != 0 || r.Waiting != 0 {
		t.Errorf("nothing is left to do: %+v", r)
	}
}

func TestCollectReapsReplacedDirectoryNodes(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	for i := range 50 {
		tr.put(strings.Repeat("x", i+1), []byte("contents"))
	}
	now.Add(int64(time.Hour))
	if r := collect(t, fs, filestore.CollectOptions{}); r.Nodes != 0 {
		t.Errorf("%d nodes dropped although their slot records are kept", r.Nodes)
	}
	r := collect(t, fs, filestore.CollectOptions{KeepLog: time.Minute})
	if r.Nodes < 40 {
		t.Errorf("50 commits replaced at least 40 nodes, dropped %d", r.Nodes)
	}
	expectWhole(t, fs)
	if got := len(tr.names("")); got != 50 {
		t.Errorf("%d names afterwards, want 50", got)
	}
}

func TestCollectKeepsWhatIsOpen(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	f := tr.open("new", toCreate)
	data := random(5<<20, 7)
	write(t, f, data, 0)
	for range 3 {
		now.Add(int64(10 * time.Second)) // within the draft's lease
		collect(t, fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
	}
	closeFile(t, f)
	tr.expect("new", data)
	expectWhole(t, fs)

	old := tr.open("new", filestore.OpenOptions{Read: true})
	tr.remove("new")
	for range 3 {
		now.Add(int64(10 * time.Second))
		collect(t, fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
	}
	if got := readAll(t, old); string(got) != string(data) {
		t.Error("a removed file that is open can't be read any more")
	}
	closeFile(t, old)
	now.Add(int64(10 * time.Second))
	for range 2 {
		collect(t, fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
		now.Add(int64(10 * time.Second))
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d blocks left although nothing is", n)
	}
}

func TestDamageStopsTheSweepOfItsRoot(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	fs := s.open()
	hurt, root := newTree(t, fs)
	fine, _ := newTree(t, fs)
	for _, tr := range []tree{hurt, fine} {
		tr.mkdir("dir")
		tr.put("dir/f", random(1<<20, 1))
		tr.put("gone", random(1<<20, 2))
		tr.remove("gone")
	}
	read, _ := root.Read().SlotRead()
	lost := s.open(func(o *filestore.Options) { o.Meta = withoutSlotsBelow(o.Meta, [32]byte(read.ID())) })
	// What the other gateway said to be open counts as long as its lease lasts.
	fs.Close()
	now.Add(int64(time.Hour))
	var reports []filestore.CollectReport
	for range 2 {
		now.Add(int64(10 * time.Second))
		r, err := lost.Collect(t.Context(), filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	}
	if r := reports[1]; len(r.Damage) == 0 || r.Held == 0 || r.Deleted == 0 {
		t.Errorf("the damaged root's garbage is held, the other's is deleted: %+v", r)
	}
	r, err := lost.Check(t.Context(), filestore.CheckOptions{Trees: []filestore.NamedTree{{Name: "hurt", Cap: root}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Damage) != 1 || r.Damage[0].Path != "hurt:/dir" {
		t.Errorf("check reports %v, want hurt:/dir", r.Damage)
	}
	expectWhole(t, s.open())
}

func TestCheckNamesDamagedBlocks(t *testing.T) {
	t.Parallel()
	s := newStorage(t)
	fs := s.open()
	tr, root := newTree(t, fs)
	tr.mkdir("dir")
	tr.put("dir/f", random(1<<20, 1))
	tr.put("dir/g", random(100_000, 2))
	named := filestore.NamedTree{Name: "alice", Cap: root}
	if r := expectWhole(t, fs, named); r.Directories != 2 || r.Files != 2 || r.Bytes < 1_100_000 {
		t.Errorf("check counts %+v", r)
	}
	var ids []blockstore.ID
	for info, err := range s.blocks.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Size < 200_000 {
			ids = append(ids, info.ID)
		}
	}
	flipped := s.open(func(o *filestore.Options) { o.Blocks = flipping{o.Blocks, ids[0]} })
	r, err := flipped.Check(t.Context(), filestore.CheckOptions{Deep: true, Trees: []filestore.NamedTree{named}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Damage) != 1 || r.Damage[0].Path != "alice:/dir/g" || !strings.Contains(r.Damage[0].What, "damaged") {
		t.Errorf("check reports %v", r.Damage)
	}
	if err := s.blocks.Delete(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	r, err = fs.Check(t.Context(), filestore.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Damage) != 1 || !strings.Contains(r.Damage[0].What, "missing") || strings.Contains(r.Damage[0].Path, "g") && strings.Contains(r.Damage[0].Path, "/") {
		t.Errorf("a check without names reports %v", r.Damage)
	}
	r, err = fs.Check(t.Context(), filestore.CheckOptions{Only: true, Trees: []filestore.NamedTree{{Name: "v", Cap: mustVerify(t, root)}}})
	if err != nil || len(r.Damage) != 1 || !strings.Contains(r.Damage[0].What, "missing") || strings.Contains(r.Damage[0].Path, "g") && strings.Contains(r.Damage[0].Path, "/") {
		t.Errorf("a check by a verify capability reports %v, %v", r.Damage, err)
	}
}

func mustVerify(t *testing.T, w caps.Write) caps.Cap {
	t.Helper()
	v, ok := w.Read().Verify()
	if !ok {
		t.Fatal("no verify cap")
	}
	return v
}

// flipping is a store that flips a bit of one block.
type flipping struct {
	blockstore.Store
	id blockstore.ID
}

func (f flipping) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	data, err := f.Store.Get(ctx, id)
	if err == nil && id == f.id {
		data[len(data)/2] ^= 1
	}
	return data, err
}

func (f flipping) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return f.Store.List(ctx, after)
}
