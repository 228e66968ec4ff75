package sqlite_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

func TestEveryCommitIsSynced(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	if level, err := s.Pragma("synchronous"); err != nil || level != 2 {
		t.Errorf("synchronous is %d (%v), want 2 (FULL)", level, err)
	}
	for i := range 10 {
		before := s.Syncs()
		grow(t, s, metastore.SlotID{1}, 1)
		if got := s.Syncs() - before; got != 1 {
			t.Errorf("commit %d took %d syncs of the log, want 1", i, got)
		}
	}
	before := s.Syncs()
	err := s.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{{ID: metastore.ID{1}}})
	if got := s.Syncs() - before; err != nil || got != 1 {
		t.Errorf("Register took %d syncs (%v), want 1", got, err)
	}
}

// hold keeps the writer busy until release is called.
func hold(t *testing.T, s *sqlite.Store) (release func()) {
	t.Helper()
	entered, leave, done := make(chan bool), make(chan bool), make(chan error)
	go func() {
		done <- s.Commit(context.Background(), &metastore.Request{Check: func(context.Context, metastore.Reader) error {
			close(entered)
			<-leave
			return nil
		}})[0]
	}()
	<-entered
	return sync.OnceFunc(func() {
		close(leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// waitQueued returns when n calls wait for the writer.
func waitQueued(t *testing.T, s *sqlite.Store, n int) {
	t.Helper()
	for s.Queued() != n {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
}

func create(id metastore.SlotID) *metastore.Request {
	return &metastore.Request{Slots: []metastore.SlotChange{{ID: id, Seal: func(metastore.Record) (metastore.Sealed, error) {
		return metastore.Sealed{Version: 1, Bytes: record(1)}, nil
	}}}}
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	grow(t, s, metastore.SlotID{255}, 1)
	before := s.Syncs()
	release := hold(t, s)
	defer release()
	const callers = 40
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { errs[i] = s.Commit(t.Context(), create(metastore.SlotID{byte(i)}))[0] })
	}
	waitQueued(t, s, callers)
	release()
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if got := s.Syncs() - before; got != 1 {
		t.Errorf("%d commits that waited together took %d syncs, want 1", callers, got)
	}
}

func TestReadsDoNotWaitForTheWriter(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	want := grow(t, s, metastore.SlotID{1}, 2)
	release := hold(t, s)
	defer release()
	if got := grow(t, s, metastore.SlotID{1}, 0); got.Hash != want.Hash {
		t.Error("a read beside a commit gives something else")
	}
	if _, err := s.Seq(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGivingUpWhileQueued(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	release := hold(t, s)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := make(chan error), make(chan error)
	go func() { gone <- s.Commit(ctx, create(metastore.SlotID{1}))[0] }()
	waitQueued(t, s, 1)
	go func() { stays <- s.Commit(t.Context(), create(metastore.SlotID{2}))[0] }()
	waitQueued(t, s, 2)
	cancel()
	if err := <-gone; kind.Of(err) != kind.Canceled {
		t.Errorf("a caller that gave up: %v", err)
	}
	release()
	if err := <-stays; err != nil {
		t.Errorf("the one behind it: %v", err)
	}
	recs, err := s.Slots(t.Context(), []metastore.SlotID{{1}, {2}})
	if err != nil || recs[0].Bytes != nil || recs[1].Bytes == nil {
		t.Errorf("what was given up is there: %t, what was not: %t (%v)", recs[0].Bytes != nil, recs[1].Bytes != nil, err)
	}
}

// TestPanicStaysWithItsCaller: a callback's bug ends its own caller, not those
// whose requests share the transaction.
func TestPanicStaysWithItsCaller(t *testing.T) {
	t.Parallel()
	s := open(t, dbPath(t))
	defer s.Close()
	release := hold(t, s)
	defer release()
	good, bad := make(chan error), make(chan any)
	go func() { good <- s.Commit(t.Context(), create(metastore.SlotID{1}))[0] }()
	waitQueued(t, s, 1)
	go func() {
		defer func() { bad <- recover() }()
		s.Commit(t.Context(), &metastore.Request{Check: func(context.Context, metastore.Reader) error { panic("bug") }})
	}()
	waitQueued(t, s, 2)
	release()
	if err := <-good; err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	if got := <-bad; got != "bug" {
		t.Errorf("the caller with the bug recovered %v", got)
	}
	grow(t, s, metastore.SlotID{3}, 1)
}

func TestCloseWaitsForCommits(t *testing.T) {
	t.Parallel()
	path := dbPath(t)
	s := open(t, path)
	release := hold(t, s)
	committed, closed := make(chan error), make(chan error)
	go func() { committed <- s.Commit(t.Context(), create(metastore.SlotID{1}))[0] }()
	waitQueued(t, s, 1)
	go func() { closed <- s.Close() }()
	release()
	if err := errors.Join(<-committed, <-closed); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	if grow(t, s, metastore.SlotID{1}, 0).Version != 1 {
		t.Error("a commit that Close waited for is lost")
	}
}

// That a block is there already shows when it is written: then what else was in the
// transaction is done without that request, and still by one sync: whoever brings equal
// chunks on purpose doesn't take the group commit from others.
func TestARepeatedBlockFailsItsRequestAlone(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t, dbPath(t))
	defer s.Close()
	brings := func(data string) *metastore.Request {
		id := metastore.ID(sha256.Sum256([]byte(data)))
		return &metastore.Request{
			Nodes: []metastore.NewNode{{ID: id, Data: []byte(data)}},
			Live:  []metastore.BlockRow{{ID: id, Len: int64(len(data))}},
		}
	}
	if err := s.Commit(ctx, brings("one"))[0]; err != nil {
		t.Fatal(err)
	}
	before := s.Syncs()
	errs := s.Commit(ctx, brings("two"), brings("one"), brings("three"), brings("two"))
	if errs[0] != nil || kind.Of(errs[1]) != kind.Conflict || errs[2] != nil || kind.Of(errs[3]) != kind.Conflict {
		t.Errorf("four requests, of which the second and the last were made before: %v", errs)
	}
	if got := s.Syncs() - before; got != 1 {
		t.Errorf("they took %d syncs, want 1", got)
	}
	for _, data := range []string{"one", "two", "three"} {
		got, err := s.Nodes(ctx, []metastore.ID{sha256.Sum256([]byte(data))})
		if err != nil || string(got[0]) != data {
			t.Errorf("%s: %q, %v", data, got[0], err)
		}
	}
	indexHolds(t, s)
}
