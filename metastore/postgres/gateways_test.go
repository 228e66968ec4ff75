package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
)

// TestGatewaysBesideEachOther: two gateways change the same few slots, several at a
// time, link the same blocks and charge the same roots, while a third collects. No
// update is lost, each charge counts once, and nobody ever waits in a circle.
func TestGatewaysBesideEachOther(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	stores := []*postgres.Store{open(t, o), open(t, o)}
	third := open(t, o)
	const slots, writers, rounds = 5, 6, 25
	id := func(i int) metastore.SlotID { return metastore.SlotID{1, byte(i)} }
	for i := range slots {
		grow(t, third, id(i), 1)
	}
	var blocks []metastore.ID
	for i := range 8 {
		blocks = append(blocks, metastore.ID{9, byte(i)})
		row := metastore.BlockRow{ID: blocks[i], Len: 1}
		if err := third.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := third.Commit(t.Context(), &metastore.Request{Links: blocks, Draft: metastore.DraftID{1}})[0]; err != nil {
		t.Fatal(err)
	}
	before, err := third.Query(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
	if err != nil {
		t.Fatal(err)
	}
	root := metastore.SlotID{7}
	change := func(s *postgres.Store, random *rand.Rand) error {
		order := random.Perm(slots)[:1+random.IntN(3)]
		var ids []metastore.SlotID
		for _, i := range order {
			ids = append(ids, id(i))
		}
		recs, err := s.Slots(t.Context(), ids)
		if err != nil {
			return err
		}
		r := &metastore.Request{
			Charges: []metastore.Charge{{Root: root, Files: int64(len(ids)), Bytes: 1}}, DirMove: random.IntN(4) == 0,
			Roots: []metastore.Root{{ID: ids[0], Source: "cli"}},
		}
		for _, b := range random.Perm(len(blocks))[:3] {
			r.Links = append(r.Links, blocks[b])
		}
		for _, rec := range recs {
			r.Slots = append(r.Slots, metastore.SlotChange{ID: rec.ID, Base: rec.Hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
				return metastore.Sealed{Version: old.Version + 1, Bytes: record(old.Version + 1)}, nil
			}})
		}
		return s.Commit(t.Context(), r)[0]
	}
	ctx, cancel := context.WithCancel(t.Context())
	var collecting, writing sync.WaitGroup
	collecting.Go(func() { collect(ctx, t, third, blocks) })
	for w := range writers {
		random := rand.New(rand.NewPCG(uint64(w), 1))
		writing.Go(func() {
			for done := 0; done < rounds; {
				switch err := change(stores[w%2], random); {
				case err == nil:
					done++
				case kind.Of(err) != kind.Conflict:
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	cancel()
	collecting.Wait()
	versions := int64(0)
	for i := range slots {
		versions += int64(grow(t, third, id(i), 0).Version) - 1
	}
	files, size, err := third.Charged(t.Context(), root)
	if err != nil || files != versions || size != writers*rounds {
		t.Errorf("%d commits made %d versions; charged are %d and %d (%v)", writers*rounds, versions, size, files, err)
	}
	holes, err := third.Query(t.Context(), "SELECT max(seq) - count(*) FROM log")
	if err != nil || holes != 0 {
		t.Errorf("seqs have %d holes (%v)", holes, err)
	}
	after, err := third.Query(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
	if err != nil || after != before {
		t.Errorf("%d deadlocks (%v)", after-before, err)
	}
}

// collect condemns and absolves blocks that commits link, in another order, and
// takes views, until ctx ends.
func collect(ctx context.Context, t *testing.T, s *postgres.Store, blocks []metastore.ID) {
	c := s.Collector()
	reversed := slices.Clone(blocks)
	slices.Reverse(reversed)
	for ctx.Err() == nil {
		v, err := c.Snapshot(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_, condemned := c.Condemn(t.Context(), v, reversed)
		_, deleted := c.BeginDelete(t.Context(), reversed, time.Now().Add(-time.Hour))
		err = errors.Join(v.Close(), condemned, deleted, c.Absolve(t.Context(), reversed),
			c.Share(t.Context(), reversed, []metastore.SlotID{{1, 4}, {1, 0}}),
			s.Heartbeat(t.Context(), metastore.GatewayID{3}, 0, time.Hour))
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// TestViewWaitsForWriters: a commit that has asked for its time already is seen by
// a view that is opened meanwhile: its blocks' seen lies before the view's time.
func TestViewWaitsForWriters(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	a, b := open(t, o), open(t, o)
	block := metastore.BlockRow{ID: metastore.ID{1}, Len: 1}
	if err := a.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{block}); err != nil {
		t.Fatal(err)
	}
	entered, leave, committed := make(chan bool), make(chan bool), make(chan error)
	go func() {
		committed <- a.Commit(t.Context(), &metastore.Request{
			Links: []metastore.ID{block.ID}, Draft: metastore.DraftID{1},
			Check: func(context.Context, metastore.Reader) error {
				close(entered)
				<-leave
				return nil
			},
		})[0]
	}()
	<-entered
	views := make(chan metastore.View, 1)
	go func() {
		v, err := b.Collector().Snapshot(t.Context())
		if err != nil {
			t.Error(err)
		}
		views <- v
	}()
	waitUntil(t, "the view to wait", func() bool {
		n, err := b.Blocked(t.Context())
		return err == nil && n > 0 || len(views) > 0
	})
	close(leave)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	v := <-views
	defer v.Close()
	rows, err := b.Blocks(t.Context(), []metastore.ID{block.ID})
	if err != nil {
		t.Fatal(err)
	}
	for seen, err := range v.AllBlocks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if seen.State != rows[0].State && rows[0].Seen.Before(v.Time()) {
			t.Errorf("a view of %v does not see a change of %v", v.Time(), rows[0].Seen)
		}
	}
	if n, err := b.Collector().Condemn(t.Context(), v, []metastore.ID{block.ID}); err != nil || n != 1 && rows[0].Seen.Before(v.Time()) {
		t.Errorf("condemned %d (%v)", n, err)
	}
}

// TestViewGivesWayToWriters: while a gateway keeps a transaction open, a view can't
// be opened, but others go on writing.
func TestViewGivesWayToWriters(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	slow, other := open(t, o), open(t, o)
	release := hold(t, slow)
	defer release()
	views := make(chan metastore.View, 1)
	go func() {
		v, err := other.Collector().Snapshot(t.Context())
		if err != nil {
			t.Error(err)
		}
		views <- v
	}()
	waitUntil(t, "the view to wait", func() bool {
		n, err := other.Blocked(t.Context())
		return err == nil && n > 0
	})
	grow(t, other, metastore.SlotID{1}, 3)
	if len(views) > 0 {
		t.Error("the view did not wait")
	}
	release()
	if v := <-views; v != nil {
		v.Close()
	}
}

// TestPinWaitsForCommits: no commit comes between the one that is pinned and the pin.
func TestPinWaitsForCommits(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	a, b := open(t, o), open(t, o)
	rec := grow(t, a, metastore.SlotID{1}, 1)
	release, err := b.HoldCommits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		seq uint64
		err error
	}
	pinned := make(chan answer, 1)
	go func() {
		seq, err := a.Collector().Pin(t.Context(), time.Now().Add(time.Hour), "test")
		pinned <- answer{seq, err}
	}()
	waitUntil(t, "Pin to wait", func() bool {
		n, err := b.Blocked(t.Context())
		return err == nil && n > 0 || len(pinned) > 0
	})
	if len(pinned) > 0 {
		t.Error("Pin did not wait for a commit under way")
	}
	release()
	if p := <-pinned; p.err != nil || p.seq != rec.Seq {
		t.Errorf("pinned %d, want %d (%v)", p.seq, rec.Seq, p.err)
	}
}

// TestHeartbeatUnderWayCounts: a collection waits for a heartbeat that has asked for
// the time already: by it the gateway's handles live on.
func TestHeartbeatUnderWayCounts(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	block := metastore.BlockRow{ID: metastore.ID{1}, Len: 1}
	if err := s.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{block}); err != nil {
		t.Fatal(err)
	}
	opened := grow(t, s, metastore.SlotID{1}, 1)
	dead := metastore.NewNode{ID: metastore.ID{2}, Data: []byte("x"), Slot: metastore.SlotID{1}}
	for _, r := range []*metastore.Request{{Nodes: []metastore.NewNode{dead}}, {Dead: []metastore.ID{dead.ID}}} {
		if err := s.Commit(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if n, err := s.Collector().Condemn(t.Context(), v, []metastore.ID{block.ID}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	v.Close()
	// The gateway's lease has lapsed but for the heartbeat that is under way.
	if err := s.Heartbeat(t.Context(), metastore.GatewayID{7}, opened.Seq, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	commit, err := s.Begin(t.Context(), "UPDATE gateway SET lease = 9223372036854775807")
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		what string
		n    int
		err  error
	}
	answers := make(chan answer, 2)
	go func() {
		rows, err := s.Collector().BeginDelete(t.Context(), []metastore.ID{block.ID}, time.Now().Add(time.Hour))
		answers <- answer{"blocks deleted", len(rows), err}
	}()
	go func() {
		got, err := s.Collector().Reap(t.Context(), 0, false)
		answers <- answer{"nodes reaped", got.Nodes, err}
	}()
	waitUntil(t, "both to wait", func() bool {
		n, err := s.BlockedByRows(t.Context())
		return err == nil && int(n)+len(answers) == 2
	})
	if err := commit(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if a := <-answers; a.err != nil || a.n != 0 {
			t.Errorf("beside an open handle: %d %s (%v)", a.n, a.what, a.err)
		}
	}
}

// fakeClock has the database take its time from a table.
func fakeClock(t testing.TB, s *postgres.Store, n int64) (set func(int64)) {
	t.Helper()
	for _, statement := range []string{
		"CREATE TABLE fake (n bigint)", "INSERT INTO fake VALUES (0)",
		"CREATE OR REPLACE FUNCTION now_ns(newest bigint) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT greatest((SELECT n FROM fake), newest)'",
	} {
		if err := s.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	set = func(n int64) {
		t.Helper()
		if err := s.Exec(t.Context(), "UPDATE fake SET n = $1", n); err != nil {
			t.Fatal(err)
		}
	}
	set(n)
	return set
}

// TestClockSetBack: no change gets a time before that of a view that does not see it.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	s := open(t, schemas(t)(t))
	set := fakeClock(t, s, 5000)
	v, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	set(1000)
	block := metastore.BlockRow{ID: metastore.ID{1}, Len: 1}
	if err := s.Register(t.Context(), metastore.GatewayID{1}, metastore.DraftID{1}, []metastore.BlockRow{block}); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Blocks(t.Context(), []metastore.ID{block.ID})
	if err != nil || rows[0].Seen.Before(v.Time()) || v.Time().UnixNano() != 5000 {
		t.Errorf("seen at %v after a view of %v (%v)", rows[0].Seen, v.Time(), err)
	}
	again, err := s.Collector().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Time().Before(v.Time()) {
		t.Errorf("a view of %v after one of %v", again.Time(), v.Time())
	}
	if n, err := s.Collector().Condemn(t.Context(), v, []metastore.ID{block.ID}); err != nil || n != 0 {
		t.Errorf("a younger block was condemned (%d, %v)", n, err)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	a, b := open(t, o), open(t, o)
	hints, err := b.Notify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := func() []metastore.SlotID {
		t.Helper()
		select {
		case slots, ok := <-hints:
			if !ok {
				t.Fatal("the hints have ended")
			}
			return slots
		case <-time.After(time.Minute):
			t.Fatal("no hint")
		}
		return nil
	}
	grow(t, b, metastore.SlotID{9}, 1) // our own: no hint
	if err := a.Commit(t.Context(), &metastore.Request{Roots: []metastore.Root{{ID: metastore.SlotID{9}}}})[0]; err != nil {
		t.Fatal(err) // no slot changed: no hint
	}
	grow(t, a, metastore.SlotID{1}, 1)
	if got := next(); !slices.Equal(got, []metastore.SlotID{{1}}) {
		t.Errorf("hint %v", got)
	}
	many := &metastore.Request{}
	for i := range 500 {
		many.Slots = append(many.Slots, create(metastore.SlotID{2, byte(i), byte(i >> 8)}).Slots...)
	}
	if err := a.Commit(t.Context(), many)[0]; err != nil {
		t.Fatal(err)
	}
	if got := next(); got != nil {
		t.Errorf("a hint of 500 slots names %d", len(got))
	}
	// The connection breaks: hints may be lost, and that is told.
	if err := a.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != nil {
		t.Errorf("the hint after a break is %v", got)
	}
	grow(t, a, metastore.SlotID{3}, 1)
	if got := next(); !slices.Equal(got, []metastore.SlotID{{3}}) {
		t.Errorf("hint %v", got)
	}
	if err := a.Exec(t.Context(), "SELECT pg_notify($1, 'x no id')", b.Channel()); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != nil {
		t.Errorf("a hint in others' words is %v", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for range hints { // ends with the store
		t.Error("a hint after Close")
	}
}

// TestSlowReaderOfHints: hints that nobody reads don't pile up; what was dropped is
// made good by one that says so.
func TestSlowReaderOfHints(t *testing.T) {
	t.Parallel()
	o := schemas(t)(t)
	a, b := open(t, o), open(t, o)
	hints, err := b.Notify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 4 * cap(hints) {
		if err := a.Exec(t.Context(), "SELECT pg_notify($1, 'x AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')", b.Channel()); err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, "the hints to pile up", func() bool { return len(hints) == cap(hints) })
	for {
		select {
		case slots := <-hints:
			if slots == nil {
				return
			}
			if !slices.Equal(slots, []metastore.SlotID{{1}}) {
				t.Errorf("hint %v", slots)
			}
		default:
			if err := a.Exec(t.Context(), "SELECT pg_notify($1, 'x AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')", b.Channel()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func FuzzHint(f *testing.F) {
	for _, seed := range []string{"", "x", "x AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x AQ==", "x  y", fmt.Sprint("x ", string([]byte{0, 255}))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, hint string) {
		n, anything, ours := (&postgres.Store{}).ReadHint(hint)
		if n > len(hint)/43 || (n == 0) != anything || ours && n > 0 {
			t.Errorf("%q names %d slots, anything %t, ours %t", hint, n, anything, ours)
		}
	})
}
