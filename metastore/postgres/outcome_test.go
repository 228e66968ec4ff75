package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/postgres"
	"github.com/truckee-fs/truckee/tests/testbed"
)

// proxied gives options whose connections go through a proxy.
func proxied(t *testing.T, o postgres.Options) (postgres.Options, *testbed.Proxy) {
	t.Helper()
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal("no URL")
	}
	proxy, err := testbed.NewProxy(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	u.Host = proxy.Addr()
	o.URL = u.String()
	return o, proxy
}

// history checks that each slot has exactly the versions that were acknowledged,
// and the log all of them: nothing lost, nothing applied twice. unknown are those
// whose outcome nobody was told.
func history(t *testing.T, s metastore.Store, acked, unknown []uint64) {
	t.Helper()
	for i := range acked {
		id := metastore.SlotID{1, byte(i)}
		log, err := s.Log(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := uint64(len(log)); n < acked[i] || n > acked[i]+unknown[i] {
			t.Errorf("slot %d has %d versions, %d were acknowledged and %d in doubt", i, n, acked[i], unknown[i])
		}
		for j, r := range log {
			if r.Version != uint64(j)+1 {
				t.Errorf("slot %d: entry %d of the log is version %d", i, j, r.Version)
			}
		}
	}
}

// TestConnectionsEndedMidCommit: sessions are ended at random, as an
// administrator's command does, while commits run. Each commit is acknowledged, once:
// the store finds out about its transaction on another connection, or repeats it.
func TestConnectionsEndedMidCommit(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t)}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	other := open(t, o) // whose connections are spared
	var ended, commits atomic.Int64
	var killer sync.WaitGroup
	killer.Go(func() {
		for last := int64(0); ctx.Err() == nil; {
			if commits.Load() < last+5 { // let some through
				runtime.Gosched()
				continue
			}
			n, err := other.Query(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()
				AND state <> 'idle' AND query ILIKE ANY (ARRAY['commit', '%INTO record%', '%INTO node%', '%pg_notify%']) AND pid <> pg_backend_pid()`)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			if n > 0 {
				last = commits.Load()
			}
			ended.Add(n)
		}
	})
	const writers = 8
	acked := make([]uint64, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for acked[i] < 20 || ended.Load() < 6 && acked[i] < 2000 {
				if err := growOnce(t.Context(), s, metastore.SlotID{1, byte(i)}); err != nil {
					t.Error(err)
					return
				}
				acked[i]++
				commits.Add(1)
			}
		})
	}
	wg.Wait()
	cancel()
	killer.Wait()
	if ended.Load() < 6 {
		t.Errorf("only %d sessions were ended in the middle of a commit", ended.Load())
	}
	history(t, s, acked, make([]uint64, len(acked)))
}

// TestConnectionsCutMidCommit: the network resets connections after so many bytes,
// at every place of a commit: also between the server's COMMIT and its answer.
func TestConnectionsCutMidCommit(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t), MinConns: 1, MaxConns: 3}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	through, proxy := proxied(t, o)
	s := open(t, through)
	id := metastore.SlotID{1, 0}
	rec := grow(t, s, id, 3) // statements are prepared
	acked, inDoubt := uint64(3), 0
	for cut := int64(1); cut < 1<<20; cut += 1 + cut/3 {
		for _, f := range []testbed.Faults{{CutDown: cut}, {CutUp: cut * 4}} {
			before := proxy.Accepted()
			proxy.Set(f)
			done := make(chan error, 1)
			go func() { done <- growFrom(t.Context(), s, rec) }()
			// The first connection that breaks is the commit's; what comes after it works.
			waitUntil(t, "the network to break, or the commit to get through", func() bool {
				return len(done) > 0 || proxy.Accepted() > before
			})
			proxy.Set(testbed.Faults{})
			err := <-done
			if kind.Of(err) == kind.Unavailable {
				inDoubt++ // we were too slow to mend the network
			} else if err != nil {
				t.Fatalf("cut after %+v: %v", f, err)
			}
			if err == nil {
				acked++
			}
			if rec = grow(t, s, id, 0); rec.Version != acked {
				t.Fatalf("cut after %+v: version %d after %d acknowledged commits", f, rec.Version, acked)
			}
			if proxy.Accepted() == before && f.CutDown > 0 { // nothing broke: there are no more places
				cut = 1 << 20
			}
		}
	}
	history(t, s, []uint64{acked}, []uint64{0})
	if inDoubt > int(acked)/4 {
		t.Errorf("%d commits in doubt, %d acknowledged", inDoubt, acked)
	}
}

// TestServerKilledAndRestarted: what was acknowledged is there after the server was
// killed at once and started again, and stores that are open go on by themselves.
func TestServerKilledAndRestarted(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	o := postgres.Options{URL: server.URL("postgres")}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	hints, err := open(t, o).Notify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const writers = 6
	acked, unknown := make([]uint64, writers), make([]uint64, writers)
	for round := range 2 {
		var down atomic.Bool
		var commits atomic.Int64
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for !down.Load() {
					switch err := growOnce(t.Context(), s, metastore.SlotID{1, byte(i)}); kind.Of(err) {
					case 0:
						acked[i]++
						commits.Add(1)
					case kind.Unavailable:
						unknown[i]++
					case kind.Conflict:
						// One in doubt was applied meanwhile.
					default:
						t.Error(err)
						return
					}
				}
			})
		}
		waitUntil(t, "commits", func() bool { return commits.Load() > 40 })
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if round == 1 { // the writers meet a server that is away
			waitUntil(t, "failures", func() bool {
				_, err := s.Seq(t.Context())
				return errors.Is(err, kind.Unavailable)
			})
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		more := commits.Load() + 20
		waitUntil(t, "commits after the restart", func() bool { return commits.Load() > more })
		down.Store(true)
		wg.Wait()
		history(t, s, acked, unknown)
	}
	waitUntil(t, "a hint that anything may have changed", func() bool {
		select {
		case slots, ok := <-hints:
			return ok && slots == nil
		default:
			return false
		}
	})
}

// blockedCommit starts a commit of s that the server can't finish until release is
// called: other holds the lock of commits.
func blockedCommit(t *testing.T, s, other *postgres.Store, rec metastore.Record) (done chan error, release func()) {
	t.Helper()
	release, err := other.HoldCommits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	go func() { done <- growFrom(t.Context(), s, rec) }()
	waitUntil(t, "the commit to wait", func() bool {
		n, err := other.Blocked(t.Context())
		return err == nil && n == 1
	})
	return done, release
}

// TestOutcomeOfACommitThatStillRuns: the connection of a commit breaks while the
// server, which has all that was sent, has not finished it. It must have ended before
// anybody is told anything.
func TestOutcomeOfACommitThatStillRuns(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t), MinConns: 1, MaxConns: 3}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards the variables below
	var sockets []net.Conn
	down, refused := false, 0
	s, err := postgres.OpenThrough(t.Context(), o, func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			refused++
			return nil, errors.New("the network is down")
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			sockets = append(sockets, conn)
		}
		return conn, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other := open(t, o)
	id := metastore.SlotID{1}
	rec := grow(t, s, id, 1)
	done, release := blockedCommit(t, s, other, rec)
	mu.Lock()
	for _, conn := range sockets {
		conn.Close()
	}
	down = true // so that the driver can't have the server cancel it
	mu.Unlock()
	waitUntil(t, "attempts to find out", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return refused > 4
	})
	session, err := other.Query(t.Context(), "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"+
		" AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	if err != nil {
		t.Fatalf("no transaction waits in the server: nothing is tested (%v)", err)
	}
	mu.Lock()
	down = false
	mu.Unlock()
	waitUntil(t, "an end of the transaction, or another one that waits for it", func() bool {
		n, err := other.Query(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1", session)
		rows, err2 := other.BlockedByRows(t.Context())
		return err == nil && n == 0 || err2 == nil && rows > 0
	})
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := grow(t, other, id, 0); got.Version != 2 {
		t.Errorf("version %d after one commit on version 1", got.Version)
	}
}

// TestServerOutOfReach: a commit whose outcome can't be found out says so, and Log
// does not answer before it can.
func TestServerOutOfReach(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t), MinConns: 1, MaxConns: 3}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	through, proxy := proxied(t, o)
	s, other := open(t, through), open(t, o)
	s.SetOutcomeTimeout(300 * time.Millisecond)
	id := metastore.SlotID{1}
	rec := grow(t, s, id, 1)
	done, release := blockedCommit(t, s, other, rec)
	proxy.Set(testbed.Faults{Refuse: true})
	if err := <-done; kind.Of(err) != kind.Unavailable {
		t.Errorf("a commit in doubt: %v", err)
	}
	if _, err := s.Log(t.Context(), id, 0); kind.Of(err) != kind.Unavailable {
		t.Errorf("Log out of reach: %v", err)
	}
	proxy.Set(testbed.Faults{})
	s.SetOutcomeTimeout(time.Minute)
	type answer struct {
		log []metastore.Record
		err error
	}
	logged := make(chan answer)
	go func() {
		log, err := s.Log(t.Context(), id, 0)
		logged <- answer{log, err}
	}()
	release() // by now the server may have ended the session, or goes on to commit
	a := <-logged
	if a.err != nil {
		t.Fatal(a.err)
	}
	if now, err := other.Log(t.Context(), id, 0); err != nil || len(now) != len(a.log) {
		t.Errorf("Log told of %d records, later there are %d (%v)", len(a.log), len(now), err)
	}
	if err := growOnce(t.Context(), s, id); err != nil {
		t.Errorf("the next commit: %v", err)
	}
}

// TestHungServer: no call hangs for ever on a server that says nothing any more.
func TestHungServer(t *testing.T) {
	t.Parallel()
	o := postgres.Options{URL: testbed.Database(t), MinConns: 1, MaxConns: 3}
	if err := postgres.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	through, proxy := proxied(t, o)
	s := open(t, through)
	grow(t, s, metastore.SlotID{1}, 1)
	proxy.Set(testbed.Faults{Hang: true})
	defer proxy.Set(testbed.Faults{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Slots(ctx, []metastore.SlotID{{1}}); kind.Of(err) != kind.Canceled {
		t.Errorf("a caller with a deadline: %v", err)
	}
	s.SetCallTimeout(100 * time.Millisecond)
	s.SetOutcomeTimeout(100 * time.Millisecond)
	if _, err := s.Slots(t.Context(), []metastore.SlotID{{1}}); kind.Of(err) != kind.Unavailable {
		t.Errorf("a caller without one: %v", err)
	}
	if err := s.Commit(t.Context(), create(metastore.SlotID{2}))[0]; kind.Of(err) != kind.Unavailable {
		t.Errorf("a commit: %v", err)
	}
	if _, err := s.Collector().Snapshot(t.Context()); kind.Of(err) != kind.Unavailable {
		t.Errorf("a view: %v", err)
	}
}
