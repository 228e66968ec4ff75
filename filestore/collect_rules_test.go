package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	blockmemory "github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// The rules of formats 11, and what fails without each:
//
//	marks from the root table                      TestRootsOfOtherGatewaysAreKept, TestForgottenRootIsCollected
//	marks from live drafts                         TestLiveDraftsAreHeld
//	marks from pins, directory nodes included      TestPinnedTreesStayWhole
//	visited by (id, verify key), once opened       TestALyingEntryHidesNothing
//	right id, wrong tag: a dead reference          TestDeadReferencesAreNoDamage
//	wrong, absent or unavailable: damage           TestDamageStopsTheSweepOfItsRoot, TestWhatCantBeHadNowIsDamage
//	damage stops its root and owner 0              TestDamageStopsTheSweepOfItsRoot, TestSharedBlocksAreHeldByDamageOfAnyRoot
//	owner 0 once a second root leads there         TestSharedBlocksAreHeldByDamageOfAnyRoot
//	condemned by one mark, deleted by a second,
//	  a grace time later                           TestCollectGivesSpaceBackAfterTheGraceTime
//	absolved by a mark that reaches it             TestReachedAgainIsAbsolved
//	seen before the snapshot only                  metastoretest: CondemnSeen; TestCollectionBesideWriters
//	oldest open seq of every gateway               TestCollectKeepsWhatIsOpen, TestOtherGatewaysHandlesHoldBlocks
//	a lapsed lease fails handles and drafts        TestLapsedLeaseFailsOpenFiles
//	directory nodes by born and died               TestCollectReapsReplacedDirectoryNodes, metastoretest: Reap…
//	a link needs a live row, or its own new one    metastoretest: Link…; TestDedup…
//	a run cut short is finished by the next        TestInterruptedSweepIsFinished
//	one gateway collects                           TestOneGatewayCollects
//	the marker: another metastore, a copy          TestStoreMarker…
//	nothing that no row of ours names              TestForeignBlocksStay
//	over a tenth waits for yes                     TestOverATenthWaits
//	credentials that can't delete: report only     TestAppendOnlyCredentials

// lifetime collects twice, a grace time apart.
func lifetime(t *testing.T, fs *filestore.FS, clock *atomic.Int64) filestore.CollectReport {
	t.Helper()
	var r filestore.CollectReport
	for range 2 {
		clock.Add(int64(filestore.DefaultGrace + time.Hour))
		r = collect(t, fs, filestore.CollectOptions{Yes: true})
	}
	return r
}

// discard puts a file and removes it.
func (t tree) discard(name string, size int) {
	t.t.Helper()
	t.put(name, random(size, 9))
	t.remove(name)
}

func TestRootsOfOtherGatewaysAreKept(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	theirs, _ := newTree(t, s.gateway())
	theirs.put("f", random(1<<20, 1))
	mine := s.gateway() // never mounted it
	lifetime(t, mine, clock)
	theirs.expect("f", random(1<<20, 1))
	expectWhole(t, mine)
}

func TestForgottenRootIsCollected(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	first := s.gateway()
	old, root := newTree(t, first)
	kept, _ := newTree(t, first)
	old.put("f", random(1<<20, 1))
	kept.put("f", random(1<<20, 2))
	first.Close()
	fs := s.gateway()
	id := rootID(t, root)
	roots, err := fs.Roots(t.Context())
	if err != nil || len(roots) != 2 || roots[0].State != filestore.RootLive || roots[0].Source != "test" {
		t.Errorf("roots: %+v, %v", roots, err)
	}
	if err := fs.ForgetRoot(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	expectKind(t, "forget it twice", fs.ForgetRoot(t.Context(), id), kind.NotExist)
	lifetime(t, fs, clock)
	if n := s.stored(); n != 1 {
		t.Errorf("%d blocks are left, want the other root's", n)
	}
	expectWhole(t, fs)
}

// A root that somebody goes on using is entered again.
func TestForgottenRootInUseIsKept(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	using := s.gateway()
	tr, root := newTree(t, using)
	tr.put("f", random(1<<20, 1))
	other := s.gateway()
	if err := other.ForgetRoot(t.Context(), rootID(t, root)); err != nil {
		t.Fatal(err)
	}
	tr.put("g", random(1<<20, 2))
	if err := using.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if roots, err := other.Roots(t.Context()); err != nil || len(roots) != 1 {
		t.Errorf("roots: %v, %v", roots, err)
	}
	lifetime(t, other, clock)
	tr.expect("f", random(1<<20, 1))
	tr.expect("g", random(1<<20, 2))
}

func rootID(t *testing.T, c caps.Cap) metastore.SlotID {
	t.Helper()
	read, ok := caps.ReadCap(c)
	if !ok {
		t.Fatal("no read cap")
	}
	slot, _ := read.SlotRead()
	return metastore.SlotID(slot.ID())
}

func TestPinnedTreesStayWhole(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.mkdir("d")
	tr.mkdir("gone")
	for i := range 200 {
		tr.put(fmt.Sprint("d/", i), random(100+i, byte(i)))
	}
	tr.put("d/big", random(3<<20, 1))
	tr.put("gone/f", random(70_000, 2))
	before := s.stored()
	pin, err := s.meta.Collector().Pin(t.Context(), time.Unix(0, clock.Load()).Add(1000*24*time.Hour), "backup")
	if err != nil {
		t.Fatal(err)
	}
	tr.remove("gone/f")
	tr.rmdir("gone")
	for i := range 200 {
		tr.remove(fmt.Sprint("d/", i))
	}
	tr.put("d/big", random(3<<20, 3))
	tr.put("d/new", random(70_000, 4))
	for range 3 {
		lifetime(t, fs, clock)
	}
	if damage := fs.CheckAt(t, pin); damage != nil {
		t.Errorf("the pinned tree has lost something: %v", damage)
	}
	if err := s.meta.Collector().Unpin(t.Context(), pin); err != nil {
		t.Fatal(err)
	}
	r := lifetime(t, fs, clock)
	if s.stored() >= before+4 {
		t.Errorf("after the pin has gone %d blocks are left of %d: %+v", s.stored(), before, r)
	}
	if damage := fs.CheckAt(t, pin); damage == nil {
		t.Error("without its pin the old tree is whole still, so the pin wasn't what held it")
	}
	expectWhole(t, fs)
}

// A part of one account's tree that is another account's root belongs to both:
// what can't be read through the one must not be deleted because the other has
// dropped it.
func TestSharedBlocksAreHeldByDamageOfAnyRoot(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		s, clock := clocked(t)
		fs := s.open()
		alice, root := newTree(t, fs)
		alice.mkdir("with bob")
		alice.put("with bob/before", random(1<<20, 1))
		alice.put("alone", random(1<<20, 2))
		part, err := alice.CapOf(t.Context(), path("with bob"), caps.AuthorityWrite)
		if err != nil {
			t.Fatal(err)
		}
		if shared {
			mount(t, fs, part)
			collect(t, fs, filestore.CollectOptions{}) // the mark that notices it
			alice.put("with bob/after", random(1<<20, 3))
		}
		// Bob's root can't be read any more, Alice removes what was in it.
		names := alice.names("with bob")
		for _, n := range names {
			alice.remove("with bob/" + n)
		}
		alice.remove("alone")
		fs.Close()
		clock.Add(int64(time.Hour))
		damaged := s.open(func(o *filestore.Options) { o.Meta = withoutSlot(o.Meta, rootID(t, part)) })
		r := lifetime(t, damaged, clock)
		if shared && (r.Held != int64(len(names)) || r.Deleted != 0) {
			// Alice's tree leads to the damaged directory, too, so her garbage is held as well.
			if r.Held != int64(len(names))+1 {
				t.Errorf("shared: %+v", r)
			}
		}
		if err := damaged.ForgetRoot(t.Context(), rootID(t, root)); err != nil {
			t.Fatal(err)
		}
		r = lifetime(t, damaged, clock)
		switch {
		case shared && r.Held != int64(len(names)):
			t.Errorf("what Bob's damaged root may lead to isn't held: %+v", r)
		case !shared && (r.Held != 0 || s.stored() != 0):
			t.Errorf("nothing is shared, so nothing is to be held: %+v", r)
		}
	}
}

func TestReachedAgainIsAbsolved(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	first := s.gateway()
	tr, root := newTree(t, first)
	tr.put("f", random(1<<20, 1))
	first.Close()
	fs := s.gateway()
	if err := fs.ForgetRoot(t.Context(), rootID(t, root)); err != nil {
		t.Fatal(err)
	}
	clock.Add(int64(time.Hour))
	if r := collect(t, fs, filestore.CollectOptions{}); r.Waiting != 1 {
		t.Errorf("the forgotten root's block isn't condemned: %+v", r)
	}
	clock.Add(int64(filestore.DefaultGrace / 2))
	tr = mount(t, fs, root)
	if r := collect(t, fs, filestore.CollectOptions{}); r.Reachable != 1 {
		t.Errorf("the root is back: %+v", r)
	}
	if err := fs.ForgetRoot(t.Context(), rootID(t, root)); err != nil {
		t.Fatal(err)
	}
	// The grace time begins anew.
	fs.Close()
	fs = s.gateway()
	clock.Add(int64(filestore.DefaultGrace / 2))
	collect(t, fs, filestore.CollectOptions{Yes: true})
	clock.Add(int64(filestore.DefaultGrace / 2))
	if r := collect(t, fs, filestore.CollectOptions{Yes: true}); r.Deleted != 0 || s.stored() != 1 {
		t.Errorf("an earlier condemnation still counts: %+v", r)
	}
	_ = tr
}

func TestOtherGatewaysHandlesHoldBlocks(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	beats := func(o *filestore.Options) { o.Lease = 1000 * 24 * time.Hour } // by the database's clock
	reading, collecting := s.gateway(beats), s.gateway(beats)
	tr, root := newTree(t, reading)
	want := random(1<<20, 1)
	tr.put("f", want)
	f := tr.open("f", forReading)
	if err := reading.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	mount(t, collecting, root).remove("f")
	for range 3 {
		lifetime(t, collecting, clock)
	}
	if got := readAll(t, f); string(got) != string(want) {
		t.Error("another gateway's open file has lost its contents")
	}
	closeFile(t, f)
	if err := reading.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	lifetime(t, collecting, clock)
	if s.stored() != 0 {
		t.Error("the block stays after the handle was closed")
	}
}

func TestInterruptedSweepIsFinished(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	faulty := blockstoretest.NewFaulty(s.blocks)
	s.blocks = faulty
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.put("keep", random(1<<20, 1))
	tr.discard("gone", 5<<20)
	clock.Add(int64(time.Hour))
	collect(t, fs, filestore.CollectOptions{})
	clock.Add(int64(filestore.DefaultGrace + time.Hour))
	broken := errors.New("broken")
	faulty.Before(func(_ context.Context, op blockstoretest.Op, _ int, id blockstore.ID) error {
		if op == blockstoretest.OpDelete && s.has(id) {
			return fmt.Errorf("%w: %w", broken, kind.Other)
		}
		return nil
	})
	if _, err := fs.Collect(t.Context(), filestore.CollectOptions{Yes: true}); !errors.Is(err, broken) {
		t.Fatalf("collect: %v", err)
	}
	faulty.Honest()
	again := s.open()                                                                          // nothing of it is in memory
	if r := collect(t, again, filestore.CollectOptions{}); r.Deleted != 6 || s.stored() != 1 { // the file's node, too
		t.Errorf("the next run leaves %d blocks: %+v", s.stored(), r)
	}
	expectWhole(t, again)
}

// has reports whether the blockstore holds a block.
func (s *storage) has(id blockstore.ID) bool {
	for info, err := range s.blocks.List(s.t.Context(), blockstore.ID{}) {
		if err == nil && info.ID == id {
			return true
		}
	}
	return false
}

// Where a member of an array is down, no deletion succeeds, though the others
// give the space back: the sweep goes on, and comes again.
func TestSweepGoesOnPastWhatDoesntAnswer(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	faulty := blockstoretest.NewFaulty(s.blocks)
	s.blocks = faulty
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.discard("gone", 3<<20)
	tr.discard("small", 3000)
	clock.Add(int64(time.Hour))
	collect(t, fs, filestore.CollectOptions{})
	clock.Add(int64(filestore.DefaultGrace + time.Hour))
	faulty.FailOp(blockstoretest.OpDelete, fmt.Errorf("a member is down: %w", kind.Unavailable))
	r := collect(t, fs, filestore.CollectOptions{Yes: true})
	if r.Undone != 3 || r.Deleted != 2 { // what lies in the metastore
		t.Errorf("%+v", r)
	}
	faulty.Honest()
	if r := collect(t, fs, filestore.CollectOptions{}); r.Deleted != 3 || s.stored() != 0 {
		t.Errorf("when it answers again: %+v, %d blocks", r, s.stored())
	}
}

func TestOneGatewayCollects(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.gateway()
	other := metastore.GatewayID{1}
	if ok, err := s.meta.Collector().Lead(t.Context(), other, time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, err := fs.Collect(t.Context(), filestore.CollectOptions{})
	expectKind(t, "collect while another gateway does", err, kind.Conflict)
	clock.Add(int64(2 * time.Minute)) // it has died
	collect(t, fs, filestore.CollectOptions{})
	if ok, err := s.meta.Collector().Lead(t.Context(), other, time.Minute); !ok || err != nil {
		t.Errorf("the lease isn't given back: %v, %v", ok, err)
	}
}

func TestForeignBlocksStay(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.discard("gone", 1<<20)
	// Somebody else's block, on a store that keeps no marker.
	elsewhere := newStorage(t)
	theirs, _ := newTree(t, elsewhere.open())
	theirs.put("f", random(1<<20, 1))
	for info, err := range elsewhere.blocks.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := elsewhere.blocks.Get(t.Context(), info.ID)
		if err == nil {
			err = s.blocks.Put(t.Context(), info.ID, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	lifetime(t, fs, clock)
	if s.stored() != 1 {
		t.Errorf("%d blocks, want the one that no row names", s.stored())
	}
}

func TestOverATenthWaits(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open(func(o *filestore.Options) { o.ChunkSize = 256 << 10 })
	tr, _ := newTree(t, fs)
	tr.put("keep", random(256<<10, 1))
	for i := range 4 {
		tr.discard(fmt.Sprint("gone ", i), 8<<20)
	}
	clock.Add(int64(time.Hour))
	collect(t, fs, filestore.CollectOptions{})
	clock.Add(int64(filestore.DefaultGrace + time.Hour))
	for _, dry := range []bool{true, false} {
		r := collect(t, fs, filestore.CollectOptions{DryRun: dry})
		if !r.NeedsYes || s.stored() != 129 || r.Quiet() {
			t.Errorf("dry %v: %+v, %d blocks", dry, r, s.stored())
		}
	}
	if r := collect(t, fs, filestore.CollectOptions{Yes: true}); r.Deleted != 132 || s.stored() != 1 {
		t.Errorf("with yes: %+v, %d blocks", r, s.stored())
	}
}

// A dry run tells to the byte what the run after it does.
func TestDryRunTellsWhatWillBeDone(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.put("keep", random(2<<20, 1))
	tr.discard("old", 3<<20)
	tr.discard("old small", 3000)
	clock.Add(int64(time.Hour))
	collect(t, fs, filestore.CollectOptions{})
	clock.Add(int64(filestore.DefaultGrace + time.Hour))
	tr.discard("new", 1<<20)
	stored, inline := bytesOf(t, s.blocks), s.condemnedInline()
	dry := collect(t, fs, filestore.CollectOptions{DryRun: true})
	if bytesOf(t, s.blocks) != stored {
		t.Fatal("a dry run has deleted something")
	}
	r := collect(t, fs, filestore.CollectOptions{Yes: true})
	for _, rep := range []*filestore.CollectReport{&dry, &r} {
		rep.Began, rep.Took, rep.DryRun = time.Time{}, 0, false
	}
	if fmt.Sprintf("%+v", dry) != fmt.Sprintf("%+v", r) {
		t.Errorf("dry run:\n%+v\nrun:\n%+v", dry, r)
	}
	if gone := stored - bytesOf(t, s.blocks); r.DeletedBytes != gone+inline || gone < 3<<20 || inline < 3000 {
		t.Errorf("the report says %d bytes, the store has lost %d", r.DeletedBytes, gone)
	}
	if last, ok := fs.LastCollection(); !ok || last.DeletedBytes != r.DeletedBytes {
		t.Errorf("the last collection is told as %+v", last)
	}
}

func bytesOf(t *testing.T, s blockstore.Store) (n int64) {
	t.Helper()
	for info, err := range s.List(t.Context(), blockstore.ID{}) {
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size
	}
	return n
}

// Credentials that only allow to append are told from an answer to the deletion
// of nothing; then the block index says what is garbage, and nobody tries.
func TestAppendOnlyCredentials(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	denying := &appendOnly{Store: s.blocks.(*blockmemory.Store)}
	s.blocks = denying
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.put("keep", random(1<<20, 1))
	tr.discard("gone", 3<<20)
	tr.discard("gone small", 3000)
	var first time.Time
	for run := range 4 {
		r := lifetime(t, fs, clock)
		if r.Denied != 3 || r.DeniedBytes < 3<<20 || r.Quiet() {
			t.Errorf("run %d: %+v", run, r)
		}
		row := s.condemned()
		if run == 0 {
			first = row.CondemnedAt
		}
		if row.State != metastore.BlockLive || !row.CondemnedAt.Equal(first) {
			t.Errorf("run %d: the row changes from run to run: %+v", run, row)
		}
	}
	if denying.tried.Load() != 8 {
		t.Errorf("%d deletions in 8 runs, want one each that asks", denying.tried.Load())
	}
	denying.allow.Store(true)
	if r := lifetime(t, fs, clock); r.Deleted != 0 || s.stored() != 1 {
		t.Errorf("with other credentials: %+v, %d blocks", r, s.stored())
	}
}

// condemned returns a condemned row.
func (s *storage) condemned() (found metastore.Block) {
	s.t.Helper()
	s.condemnedRows(func(row metastore.Block) {
		if !row.Inline {
			found = row
		}
	})
	return found
}

// condemnedInline sums the condemned blocks that lie in the metastore.
func (s *storage) condemnedInline() (n int64) {
	s.t.Helper()
	s.condemnedRows(func(row metastore.Block) {
		if row.Inline {
			n += row.Len
		}
	})
	return n
}

func (s *storage) condemnedRows(yield func(metastore.Block)) {
	s.t.Helper()
	v, err := s.meta.Collector().Snapshot(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer v.Close()
	for row, err := range v.AllBlocks(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		if !row.CondemnedAt.IsZero() && row.State <= metastore.BlockLive {
			yield(row)
		}
	}
}

type appendOnly struct {
	*blockmemory.Store
	allow atomic.Bool
	tried atomic.Int64
}

func (a *appendOnly) Delete(ctx context.Context, id blockstore.ID) error {
	if !a.allow.Load() {
		a.tried.Add(1)
		return fmt.Errorf("delete: %w", kind.Denied)
	}
	return a.Store.Delete(ctx, id)
}

// Credentials may lose the right in the middle of a sweep.
func TestDeniedInTheMiddle(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	denying := &appendOnly{Store: s.blocks.(*blockmemory.Store)}
	denying.allow.Store(true)
	s.blocks = denying
	fs := s.open()
	tr, _ := newTree(t, fs)
	tr.discard("gone", 3<<20)
	clock.Add(int64(time.Hour))
	collect(t, fs, filestore.CollectOptions{})
	clock.Add(int64(filestore.DefaultGrace + time.Hour))
	var calls atomic.Int64
	s.blocks = deleteHook{denying, func() { denying.allow.Store(calls.Add(1) == 1) }} // the probe alone
	fs2 := s.open()
	if r := collect(t, fs2, filestore.CollectOptions{Yes: true}); r.Denied != 3 || r.Deleted != 1 { // the file's node lies in the metastore
		t.Errorf("%+v", r)
	}
	denying.allow.Store(true)
	if r := collect(t, fs, filestore.CollectOptions{Yes: true}); r.Deleted != 3 || s.stored() != 0 {
		t.Errorf("afterwards: %+v", r)
	}
}

type deleteHook struct {
	*appendOnly
	before func()
}

func (d deleteHook) Delete(ctx context.Context, id blockstore.ID) error {
	d.before()
	return d.appendOnly.Delete(ctx, id)
}

func TestReportNamesWhatToDo(t *testing.T) {
	t.Parallel()
	s, _ := clocked(t)
	fs := s.open()
	if err := fs.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newStorage(t)
	other.blocks = s.blocks
	err := other.open().Claim(t.Context())
	if kind.Of(err) != kind.Denied || !strings.Contains(err.Error(), "--adopt-store") {
		t.Errorf("%v", err)
	}
}

// What an upload under way has put is held by its draft, not only by the handle:
// also if no commit came between its begin and the mark.
func TestLiveDraftsAreHeld(t *testing.T) {
	t.Parallel()
	s, clock := clocked(t)
	fs := s.open()
	tr, _ := newTree(t, fs)
	for range 2 { // the first enters that the root is used
		if err := fs.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f := tr.open("f", toCreate)
	want := random(3<<20, 1)
	write(t, f, want, 0)
	for range 3 {
		clock.Add(int64(time.Second))
		r := collect(t, fs, filestore.CollectOptions{Grace: filestore.NoGrace, Yes: true})
		if r.Deleted != 0 {
			t.Errorf("%+v", r)
		}
	}
	closeFile(t, f)
	tr.expect("f", want)
}
