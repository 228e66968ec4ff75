package array_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/blockstore/raid5"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

var quiet = slog.New(slog.DiscardHandler)

// victim is the member that fails: with equal ones, the first that is asked.
const victim = 0

const hedge = 50 * time.Millisecond

// disk is what a member keeps when its array is closed, and what may be taken
// out and replaced.
type disk struct {
	mu    sync.Mutex // guards inner
	inner *memory.Store
}

func (d *disk) store() *memory.Store {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inner
}

func (d *disk) replace(s *memory.Store) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inner = s
}

// drill is an array of faulty members.
type drill struct {
	t       *testing.T
	layout  layout
	disks   []*disk
	members []*blockstoretest.Faulty
	queue   *blockstoretest.Queue
	store   blockstore.Store
	blocks  map[blockstore.ID][]byte
}

// layout is one way to be redundant.
type layout struct {
	name    string
	members int
	lax     bool // writes are complete without one member
	open    func(ctx context.Context, ms []blockstore.Member, q blockstore.Queue) (blockstore.Store, error)
}

func raid1Layout(n int, w raid1.Write) layout {
	return layout{
		fmt.Sprintf("raid1 of %d, write %s", n, w), n, w == raid1.One || w == raid1.Majority && n > 2,
		func(ctx context.Context, ms []blockstore.Member, q blockstore.Queue) (blockstore.Store, error) {
			return raid1.Open(ctx, ms, raid1.Options{Write: w, Queue: q, Log: quiet, HedgeAfter: hedge})
		},
	}
}

func raid5Layout(n int, w raid5.Write) layout {
	return layout{
		fmt.Sprintf("raid5 of %d, write %s", n, w), n, w == raid5.AllButOne,
		func(ctx context.Context, ms []blockstore.Member, q blockstore.Queue) (blockstore.Store, error) {
			return raid5.Open(ctx, ms, raid5.Options{Write: w, Queue: q, Log: quiet, HedgeAfter: hedge})
		},
	}
}

func layouts() []layout {
	return []layout{
		raid1Layout(2, raid1.All), raid1Layout(2, raid1.One), raid1Layout(3, raid1.Majority),
		raid5Layout(3, raid5.All), raid5Layout(3, raid5.AllButOne), raid5Layout(5, raid5.AllButOne),
	}
}

// eachLayout runs a drill in each layout, with a clock of its own.
func eachLayout(t *testing.T, f func(t *testing.T, d *drill)) {
	t.Parallel()
	for _, l := range layouts() {
		t.Run(l.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, newDrill(t, l)) }) })
	}
}

func newDrill(t *testing.T, l layout) *drill {
	d := &drill{t: t, layout: l, queue: blockstoretest.NewQueue(), blocks: map[blockstore.ID][]byte{}}
	for range l.members {
		d.disks = append(d.disks, &disk{inner: memory.New()})
	}
	d.open()
	for _, n := range []int{1, 100, 5000, 70_000, 150_000} {
		for range 3 {
			d.put(n)
		}
	}
	return d
}

// open opens the array, on members that tell the truth.
func (d *drill) open(hooks ...hook) {
	d.t.Helper()
	if err := d.tryOpen(hooks...); err != nil {
		d.t.Fatalf("%s: %v", d.layout.name, err)
	}
}

// hook is how a member fails.
type hook = func(context.Context, blockstoretest.Op, int, blockstore.ID) error

// tryOpen opens the array, on members that fail as the hooks say.
func (d *drill) tryOpen(hooks ...hook) (err error) {
	var ms []blockstore.Member
	d.members = nil
	for i, disk := range d.disks {
		f := blockstoretest.NewFaulty(platter{disk})
		if i < len(hooks) {
			f.Before(hooks[i])
		}
		d.members = append(d.members, f)
		ms = append(ms, blockstore.Member{Name: fmt.Sprint(i), Store: f})
	}
	d.store, err = d.layout.open(d.t.Context(), ms, d.queue)
	return err
}

func (d *drill) close() {
	d.t.Helper()
	if err := d.store.Close(); err != nil {
		d.t.Error(err)
	}
}

// put stores a block of n bytes, and reports whether the array took it.
func (d *drill) put(n int) error {
	id, block := storecheck.Chunk(n)
	err := d.store.Put(d.t.Context(), id, block)
	if err == nil {
		d.blocks[id] = block
	}
	return err
}

// mustRead reads every block, whole and in part, none of which may take longer
// than allowed.
func (d *drill) mustRead(when string, allowed time.Duration) {
	d.t.Helper()
	for id, want := range d.blocks {
		begin := time.Now()
		got, err := d.store.Get(d.t.Context(), id)
		if err != nil || !bytes.Equal(got, want) {
			d.t.Errorf("%s: %s: get of %d bytes: %d bytes, %v", d.layout.name, when, len(want), len(got), err)
		}
		if took := time.Since(begin); took > allowed {
			d.t.Errorf("%s: %s: get of %d bytes took %v", d.layout.name, when, len(want), took)
		}
		begin = time.Now()
		if _, err = d.store.Stat(d.t.Context(), id); err != nil {
			d.t.Errorf("%s: %s: stat: %v", d.layout.name, when, err)
		}
		if took := time.Since(begin); took > allowed {
			d.t.Errorf("%s: %s: stat took %v", d.layout.name, when, took)
		}
	}
}

// mustReadParts reads parts of every block.
func (d *drill) mustReadParts(when string, allowed time.Duration) {
	d.t.Helper()
	for id, want := range d.blocks {
		size := int64(len(want))
		for _, r := range [][2]int64{{0, 1}, {0, size}, {size / 2, 10}, {size / 3, size / 3}, {size - 1, 1}} {
			begin := time.Now()
			room := make([]byte, blockstore.RangeRoom(r[1]))
			got, err := blockstore.GetRangeIn(d.t.Context(), d.store, id, r[0], r[1], room)
			if err != nil || !bytes.Equal(got, want[r[0]:min(size, r[0]+r[1])]) {
				d.t.Errorf("%s: %s: range of %d at %d of %d: %d bytes, %v", d.layout.name, when, r[1], r[0], size, len(got), err)
			}
			if took := time.Since(begin); took > allowed {
				d.t.Errorf("%s: %s: range of %d at %d of %d took %v", d.layout.name, when, r[1], r[0], size, took)
			}
		}
	}
}

// mustBeRepaired waits for the repairs that are owed, has a scrub repair what no
// read met, and then looks at every copy.
func (d *drill) mustBeRepaired(when string) {
	d.t.Helper()
	time.Sleep(3 * time.Minute)
	if n := d.queue.Owed(); n > 0 {
		d.t.Errorf("%s: %s: %d repairs are still owed", d.layout.name, when, n)
	}
	for _, f := range d.scrub(blockstore.ScrubOptions{}) {
		if !f.Mended {
			d.t.Errorf("%s: %s: %v", d.layout.name, when, f)
		}
	}
	d.mustBeWhole(when)
}

// mustBeWhole looks at every copy.
func (d *drill) mustBeWhole(when string) {
	d.t.Helper()
	if found := d.scrub(blockstore.ScrubOptions{}); len(found) > 0 {
		d.t.Errorf("%s: %s: %d findings, the first: %v", d.layout.name, when, len(found), found[0])
	}
	for i, disk := range d.disks {
		for id := range d.blocks {
			if _, err := disk.store().Get(d.t.Context(), id); err != nil {
				d.t.Errorf("%s: %s: member %d: %v", d.layout.name, when, i, err)
				return
			}
		}
	}
}

func (d *drill) scrub(o blockstore.ScrubOptions) (found []blockstore.Finding) {
	d.t.Helper()
	_, err := blockstore.Scrub(d.t.Context(), d.store, nil, o, func(f blockstore.Finding) { found = append(found, f) })
	if err != nil {
		d.t.Errorf("%s: scrub: %v", d.layout.name, err)
	}
	return found
}

// state is how a member is, as status says.
func (d *drill) state(i int) blockstore.State {
	st := blockstore.StatusOf(d.t.Context(), d.store, blockstore.StatusOptions{})
	return st.Members[i].State
}

// The ways in which members fail.
func dead(context.Context, blockstoretest.Op, int, blockstore.ID) error { return kind.Unavailable }

func hung(ctx context.Context, _ blockstoretest.Op, _ int, _ blockstore.ID) error {
	<-ctx.Done()
	return ctx.Err()
}

func denied(context.Context, blockstoretest.Op, int, blockstore.ID) error { return kind.Denied }

func unclassified(context.Context, blockstoretest.Op, int, blockstore.ID) error {
	return fmt.Errorf("what is this")
}

func full(_ context.Context, op blockstoretest.Op, _ int, _ blockstore.ID) error {
	if op == blockstoretest.OpPut || op == blockstoretest.OpSetMarker {
		return kind.NoSpace
	}
	return nil
}

func slow(ctx context.Context, _ blockstoretest.Op, _ int, _ blockstore.ID) error {
	select {
	case <-time.After(3 * time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAMemberThatFails(t *testing.T) {
	faults := []struct {
		name string
		hook hook
		wait time.Duration // that a read may take
		put  kind.Kind     // of a put that needs every member; 0: it works
	}{
		{"dead", dead, 0, kind.Unavailable},
		{"hung", hung, hedge, kind.Unavailable},
		{"denied", denied, 0, kind.Denied},
		{"unclassified errors", unclassified, 0, kind.Unavailable},
		{"full", full, 0, kind.NoSpace},
		{"slow", slow, hedge, 0},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			eachLayout(t, func(t *testing.T, d *drill) {
				defer d.close()
				d.members[victim].Before(fault.hook)
				d.mustRead(fault.name, fault.wait)
				d.mustReadParts(fault.name, fault.wait)
				for range 3 {
					err := d.put(70_000)
					want := fault.put
					if d.layout.lax {
						want = 0
					}
					if kind.Of(err) != want {
						t.Errorf("%s: put with a member %s: %v, want %v", d.layout.name, fault.name, err, want)
					}
				}
				d.mustRead(fault.name+", afterwards", fault.wait)
				d.members[victim].Honest()
				d.mustBeRepaired(fault.name)
				if st := d.state(victim); st != blockstore.StateOK {
					t.Errorf("%s: the member is %s again", d.layout.name, st)
				}
			})
		})
	}
}

// Whatever bytes a member gives instead of its own, the right ones are read, and
// the member's are replaced.
func TestAMemberThatLies(t *testing.T) {
	_, other := storecheck.Chunk(70_000)
	lies := map[string]blockstoretest.Lie{
		"flipped at the end": blockstoretest.Flip(-1), "flipped at the start": blockstoretest.Flip(3), "truncated": blockstoretest.Truncate(-1),
		"emptied": blockstoretest.Truncate(0), "extended": blockstoretest.Extend, "another block": blockstoretest.Instead(other), "lost": blockstoretest.Drop,
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			eachLayout(t, func(t *testing.T, d *drill) {
				defer d.close()
				// For good: what the member holds is really changed.
				for id := range d.blocks {
					d.spoil(victim, id, lie)
				}
				d.mustRead(name, 0)
				d.mustBeRepaired(name)
			})
		})
	}
}

// spoil changes what a member holds of a block.
func (d *drill) spoil(i int, id blockstore.ID, lie blockstoretest.Lie) {
	d.t.Helper()
	s := d.disks[i].store()
	stored, err := s.Get(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := s.Delete(d.t.Context(), id); err != nil {
		d.t.Fatal(err)
	}
	if stored = lie(stored); stored != nil {
		if err := s.Put(d.t.Context(), id, stored); err != nil {
			d.t.Fatal(err)
		}
	}
}

// What redundancy doesn't cover is an error that says so, and never wrong bytes.
func TestTooManyMembersFail(t *testing.T) {
	faults := map[string]struct {
		hook hook
		lie  blockstoretest.Lie
		want kind.Kind
		wait time.Duration
	}{
		"dead": {hook: dead, want: kind.Unavailable}, "hung": {hook: hung, want: kind.Unavailable, wait: 30 * time.Second},
		"flipped": {lie: blockstoretest.Flip(-1), want: kind.Corrupt}, "lost": {lie: blockstoretest.Drop, want: kind.NotExist},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			eachLayout(t, func(t *testing.T, d *drill) {
				defer d.close()
				for i, m := range d.members {
					if i == 1 && d.layout.name[:5] == "raid5" {
						continue // one of them may stay
					}
					m.Before(fault.hook)
					m.LieAlways(fault.lie)
				}
				for id := range d.blocks {
					begin := time.Now()
					if got, err := d.store.Get(d.t.Context(), id); kind.Of(err) != fault.want || got != nil {
						t.Errorf("%s: %s: get: %d bytes, %v, want %v", d.layout.name, name, len(got), err, fault.want)
					}
					if took := time.Since(begin); took > fault.wait {
						t.Errorf("%s: %s: get took %v", d.layout.name, name, took)
					}
				}
				for _, m := range d.members {
					m.Honest()
				}
				time.Sleep(time.Minute)
				d.mustRead("after all came back", 0)
			})
		})
	}
}
