package postgres_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
)

// grow commits n versions of one slot, made if absent, each with a node.
func grow(t testing.TB, s metastore.Store, id metastore.SlotID, n int) metastore.Record {
	t.Helper()
	for range n {
		if err := growOnce(t.Context(), s, id); err != nil {
			t.Fatal(err)
		}
	}
	recs, err := s.Slots(t.Context(), []metastore.SlotID{id})
	if err != nil {
		t.Fatal(err)
	}
	return recs[0]
}

func growOnce(ctx context.Context, s metastore.Store, id metastore.SlotID) error {
	recs, err := s.Slots(ctx, []metastore.SlotID{id})
	if err != nil {
		return err
	}
	return growFrom(ctx, s, recs[0])
}

func growFrom(ctx context.Context, s metastore.Store, rec metastore.Record) error {
	r := &metastore.Request{Slots: []metastore.SlotChange{{ID: rec.ID, Base: rec.Hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		return metastore.Sealed{Version: old.Version + 1, Bytes: record(old.Version + 1)}, nil
	}}}}
	data := bytes.Repeat([]byte{byte(rec.Version)}, 3000)
	copy(data, rec.ID[:])
	copy(data[32:], fmt.Sprint(rec.Version))
	r.Nodes = []metastore.NewNode{{ID: metastore.ID(sha256.Sum256(data)), Data: data, Slot: rec.ID}}
	return s.Commit(ctx, r)[0]
}

// hold keeps a batch under way until release is called.
func hold(t *testing.T, s *postgres.Store) (release func()) {
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

// waitUntil waits for something that another goroutine or session brings about.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("waited in vain: %s", what)
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
	s := open(t, schemas(t)(t))
	release := hold(t, s)
	defer release()
	const callers = 40
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { errs[i] = s.Commit(t.Context(), create(metastore.SlotID{byte(i)}))[0] })
	}
	waitUntil(t, "the callers to queue up", func() bool { return s.Waiting() == callers })
	release()
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	batches, err := s.Query(t.Context(), "SELECT count(batch) FROM log")
	if err != nil || batches != 1 {
		t.Errorf("%d commits that waited together took %d transactions (%v), want 1", callers, batches, err)
	}
}

func TestGivingUpWhileQueued(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	release := hold(t, s)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := make(chan error), make(chan error)
	go func() { gone <- s.Commit(ctx, create(metastore.SlotID{1}))[0] }()
	waitUntil(t, "one to queue", func() bool { return s.Waiting() == 1 })
	go func() { stays <- s.Commit(t.Context(), create(metastore.SlotID{2}))[0] }()
	waitUntil(t, "two to queue", func() bool { return s.Waiting() == 2 })
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
	s := open(t, schemas(t)(t))
	release := hold(t, s)
	defer release()
	good, bad := make(chan error), make(chan any)
	go func() { good <- s.Commit(t.Context(), create(metastore.SlotID{1}))[0] }()
	waitUntil(t, "one to queue", func() bool { return s.Waiting() == 1 })
	go func() {
		defer func() { bad <- recover() }()
		s.Commit(t.Context(), &metastore.Request{Check: func(context.Context, metastore.Reader) error { panic("bug") }})
	}()
	waitUntil(t, "two to queue", func() bool { return s.Waiting() == 2 })
	release()
	if err := <-good; err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	if got := <-bad; got != "bug" {
		t.Errorf("the caller with the bug recovered %v", got)
	}
	grow(t, s, metastore.SlotID{3}, 1)
}

// TestNeighboursDontFail: what the server refuses for one request, it is refused
// for that one alone.
func TestNeighboursDontFail(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	grow(t, s, metastore.SlotID{1}, 1)
	errs := s.Commit(t.Context(), create(metastore.SlotID{2}),
		&metastore.Request{Roots: []metastore.Root{{ID: metastore.SlotID{1}, Source: "no \xff UTF-8"}}},
		create(metastore.SlotID{3}))
	if errs[0] != nil || errs[2] != nil || kind.Of(errs[1]) != kind.Invalid {
		t.Errorf("errors %v", errs)
	}
}

func TestCloseWaitsForCommits(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	s := open(t, o)
	release := hold(t, s)
	committed, closed := make(chan error), make(chan error)
	go func() { committed <- s.Commit(t.Context(), create(metastore.SlotID{1}))[0] }()
	waitUntil(t, "one to queue", func() bool { return s.Waiting() == 1 })
	go func() { closed <- s.Close() }()
	release()
	if err := errors.Join(<-committed, <-closed); err != nil {
		t.Fatal(err)
	}
	if grow(t, open(t, o), metastore.SlotID{1}, 0).Version != 1 {
		t.Error("a commit that Close waited for is lost")
	}
}

// TestBatchesOfAllSizes: what is more than a batch holds makes several.
func TestBatchesOfAllSizes(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	for _, n := range []int{1, 100, 700} {
		reqs := make([]*metastore.Request, n)
		for i := range reqs {
			d := directory{id: metastore.SlotID{byte(n), byte(n >> 8), byte(i), byte(i >> 8)}}
			reqs[i] = &metastore.Request{}
			d.replace(reqs[i], 2)
		}
		if err := errors.Join(s.Commit(t.Context(), reqs...)...); err != nil {
			t.Fatalf("%d requests: %v", n, err)
		}
	}
	if n, err := s.Query(t.Context(), "SELECT (SELECT count(*) FROM slot) + (SELECT count(*) FROM node)"); err != nil || n != 3*801 {
		t.Errorf("%d rows of slots and nodes (%v)", n, err)
	}
	if n, err := s.Query(t.Context(), "SELECT max(seq) - count(*) FROM log"); err != nil || n != 0 {
		t.Errorf("seqs have %d holes (%v)", n, err)
	}
}

// TestRequestsThatBuildOnOthers: of the requests of one call, a later one may replace
// the record that an earlier one makes, if it knows what that will be.
func TestRequestsThatBuildOnOthers(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	id := metastore.SlotID{1}
	recs := [][]byte{record(1), record(2), record(3)}
	base := [32]byte{}
	var reqs []*metastore.Request
	for i, rec := range recs {
		n := metastore.NewNode{ID: metastore.ID{1, byte(i)}, Data: rec, Slot: id}
		r := &metastore.Request{
			Nodes: []metastore.NewNode{n},
			Slots: []metastore.SlotChange{{ID: id, Base: base, Seal: func(old metastore.Record) (metastore.Sealed, error) {
				return metastore.Sealed{Version: old.Version + 1, Bytes: rec}, nil
			}}},
			Check: func(ctx context.Context, tx metastore.Reader) error {
				nodes, err := tx.Nodes(ctx, []metastore.ID{{1, byte(i - 1)}})
				if err == nil && i > 0 && nodes[0] == nil {
					err = errors.New("the node of the request before is not seen")
				}
				return err
			},
		}
		base = sha256.Sum256(rec)
		reqs = append(reqs, r)
	}
	stale := create(id)
	if errs := s.Commit(t.Context(), reqs[0], reqs[1], stale, reqs[2]); errs[0] != nil || errs[1] != nil || errs[3] != nil || kind.Of(errs[2]) != kind.Conflict {
		t.Fatal(errs)
	}
	log, err := s.Log(t.Context(), id, 0)
	if err != nil || len(log) != 3 {
		t.Fatalf("%d records (%v)", len(log), err)
	}
	for i, r := range log {
		if !bytes.Equal(r.Bytes, recs[i]) || i > 0 && r.Seq != log[i-1].Seq+1 {
			t.Errorf("record %d has version %d, seq %d", i, r.Version, r.Seq)
		}
	}
	if _, err := s.Collector().Reap(t.Context(), 0, false); err != nil {
		t.Fatal(err)
	}
	if log, err := s.Log(t.Context(), id, 0); err != nil || len(log) != 1 || log[0].Version != 3 {
		t.Errorf("after Reap %d records (%v)", len(log), err)
	}
}

// TestLargeNodes: inline blocks may be larger than a page.
func TestLargeNodes(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	var r metastore.Request
	for _, n := range []int{1, 4096, 8100, 8192, 20_000, 1 << 20} {
		data := bytes.Repeat([]byte{byte(n)}, n)
		r.Nodes = append(r.Nodes, metastore.NewNode{ID: metastore.ID(sha256.Sum256(data)), Data: data, Slot: metastore.SlotID{1}})
	}
	if err := s.Commit(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Nodes {
		got, err := s.Nodes(t.Context(), []metastore.ID{n.ID})
		if err != nil || !bytes.Equal(got[0], n.Data) {
			t.Errorf("a node of %d bytes came back with %d (%v)", len(n.Data), len(got[0]), err)
		}
	}
}

// TestDamagedRow: one slot that can't be read does not fail those beside it.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	bad, good := grow(t, s, metastore.SlotID{1}, 1), grow(t, s, metastore.SlotID{2}, 1)
	if err := s.Exec(t.Context(), "UPDATE record SET rec = substr(rec, 1, 10) WHERE id = $1", bad.ID[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Slots(t.Context(), []metastore.SlotID{bad.ID}); kind.Of(err) != kind.Corrupt {
		t.Errorf("reading it: %v", err)
	}
	change := func(r metastore.Record) *metastore.Request {
		return &metastore.Request{Slots: []metastore.SlotChange{{ID: r.ID, Base: r.Hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
			return metastore.Sealed{Version: old.Version + 1, Bytes: record(old.Version + 1)}, nil
		}}}}
	}
	errs := s.Commit(t.Context(), change(bad), change(good))
	if kind.Of(errs[0]) != kind.Corrupt || errs[1] != nil {
		t.Errorf("replacing both: %v", errs)
	}
	if err := s.Exec(t.Context(), "DROP TABLE root CASCADE"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.IsRoot(t.Context(), []metastore.SlotID{{1}}); kind.Of(err) != kind.Corrupt {
		t.Errorf("without its table: %v", err)
	}
}

// TestTotalsAreFolded: usage stays right, and cheap to tell.
func TestTotalsAreFolded(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	const many = postgres.FoldEvery + 10
	for i := range many {
		row := metastore.BlockRow{ID: metastore.ID{byte(i), byte(i >> 8)}, Len: int64(i)}
		if err := s.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{row}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Query(t.Context(), "SELECT count(*) FROM total"); err != nil || n > 20 {
		t.Errorf("total has %d rows (%v)", n, err)
	}
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if blocks, size, err := v.Usage(t.Context()); err != nil || blocks != many || size != many*(many-1)/2 {
		t.Errorf("usage %d blocks, %d bytes (%v)", blocks, size, err)
	}
}
