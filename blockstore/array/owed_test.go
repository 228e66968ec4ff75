package array_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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

// laxLayouts are those in which writes are complete without one member.
func laxLayouts(t *testing.T, f func(t *testing.T, d *drill)) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		if d.layout.lax {
			f(t, d)
		}
	})
}

// A write that a member owes is acknowledged only when that has been noted.
func TestWhatIsOwedIsDurable(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		d.members[victim].Before(dead)
		d.queue.Fail(kind.Unavailable)
		if err := d.put(5000); kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: put with neither member nor queue: %v", d.layout.name, err)
		}
		d.queue.Fail(nil)
		if err := d.put(5000); err != nil || d.queue.Owed() < 1 {
			t.Errorf("%s: put: %v, %d owed", d.layout.name, err, d.queue.Owed())
		}
		if st := blockstore.StatusOf(t.Context(), d.store, blockstore.StatusOptions{}); st.Owed < 1 || st.Members[victim].Owed != st.Owed || st.State != blockstore.StateDegraded {
			t.Errorf("%s: status %+v", d.layout.name, st)
		}
	})
}

// A member that hangs while it writes holds up a write by the linger time, and
// what it finishes after all is taken off the queue.
func TestALateWrite(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		d.members[victim].Before(slow)
		begin := time.Now()
		if err := d.put(5000); err != nil {
			t.Errorf("%s: put: %v", d.layout.name, err)
		}
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("%s: put took %v", d.layout.name, took)
		}
		if n := d.queue.Owed(); n != 1 {
			t.Errorf("%s: %d owed", d.layout.name, n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := d.queue.Owed(); n != 0 {
			t.Errorf("%s: %d owed after the write was finished", d.layout.name, n)
		}
		d.members[victim].Honest()
		d.mustBeWhole("late writes")
	})
}

// A caller that gives up after the acknowledgement doesn't end the late write.
func TestALateWriteOutlivesItsCaller(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		d.members[victim].Before(slow)
		ctx, cancel := context.WithCancel(t.Context())
		id, block := storecheck.Chunk(5000)
		if err := d.store.Put(ctx, id, block); err != nil {
			t.Fatal(err)
		}
		clear(block) // Put keeps no reference
		cancel()
		time.Sleep(4 * time.Second)
		d.members[victim].Honest()
		d.mustBeWhole("the caller has gone")
	})
}

// A hung member holds a bounded number of writes.
func TestAHungMemberHoldsFewWrites(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		var mu sync.Mutex
		held, most := 0, 0
		d.members[victim].Before(func(ctx context.Context, op blockstoretest.Op, _ int, _ blockstore.ID) error {
			if op != blockstoretest.OpPut {
				return nil
			}
			mu.Lock()
			held++
			most = max(most, held)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			held--
			mu.Unlock()
			return ctx.Err()
		})
		for range 100 {
			if err := d.put(1000); err != nil {
				t.Fatalf("%s: %v", d.layout.name, err)
			}
		}
		mu.Lock()
		peak := most
		mu.Unlock()
		if peak == 0 || peak > 16+4 { // as many, and repairs
			t.Errorf("%s: %d writes at a time are held by a hung member", d.layout.name, peak)
		}
		d.members[victim].Honest()
		time.Sleep(time.Minute)
		d.mustBeRepaired("the member answers again")
	})
}

// What was deleted while a member was down stays deleted when it is back:
// neither the queue nor a read brings it back, and who deletes comes again.
func TestWhatWasDeletedStaysDeleted(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		var ids []blockstore.ID
		if d.layout.lax {
			d.members[victim].Before(dead)
		}
		for range 5 {
			id, block := storecheck.Chunk(3000)
			if err := d.store.Put(t.Context(), id, block); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		d.members[victim].Before(dead)
		for _, id := range ids {
			d.queue.Collect(id)
		}
		if err := blockstore.DeleteBatch(t.Context(), d.store, ids); kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: delete with a member down: %v", d.layout.name, err)
		}
		for i, disk := range d.disks {
			for _, id := range ids {
				if _, err := disk.store().Stat(t.Context(), id); i != victim && err == nil {
					t.Errorf("%s: member %d, which is up, keeps a deleted block", d.layout.name, i)
				}
			}
		}
		d.members[victim].Honest()
		time.Sleep(5 * time.Minute)
		if err := blockstore.DeleteBatch(t.Context(), d.store, ids); err != nil {
			t.Errorf("%s: delete again: %v", d.layout.name, err)
		}
		time.Sleep(5 * time.Minute)
		for i, disk := range d.disks {
			for _, id := range ids {
				if _, err := disk.store().Stat(t.Context(), id); err == nil {
					t.Errorf("%s: member %d has a deleted block again", d.layout.name, i)
				}
			}
		}
		if n := d.queue.Owed(); n != 0 {
			t.Errorf("%s: %d owed", d.layout.name, n)
		}
		d.mustBeWhole("deleted")
	})
}

// A block that is collected between the two looks at the queue, while its copy is
// made, has no copy afterwards.
func TestCollectedWhileItIsRepaired(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		d.members[victim].Before(dead)
		id, block := storecheck.Chunk(3000)
		if err := d.store.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		var puts atomic.Int64
		d.members[victim].Before(func(_ context.Context, op blockstoretest.Op, _ int, what blockstore.ID) error {
			if op == blockstoretest.OpPut && what == id { // it was said to be wanted
				puts.Add(1)
				d.queue.Collect(id)
			}
			return nil
		})
		time.Sleep(5 * time.Minute)
		if puts.Load() == 0 {
			t.Errorf("%s: no copy was made: the test shows nothing", d.layout.name)
		}
		if _, err := d.disks[victim].store().Stat(t.Context(), id); kind.Of(err) != kind.NotExist {
			t.Errorf("%s: a block that was collected has a new copy: %v", d.layout.name, err)
		}
	})
}

// Two gateways on the same array and queue make the same repairs at the same
// time: neither takes what the other has done for what was collected.
func TestTwoGatewaysRepair(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		other := &drill{t: t, layout: d.layout, disks: d.disks, queue: d.queue, blocks: d.blocks}
		other.open()
		defer other.close()
		d.members[victim].Before(dead)
		other.members[victim].Before(dead)
		for range 100 {
			if err := d.put(500); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range []*blockstoretest.Faulty{d.members[victim], other.members[victim]} {
			m.Before(func(_ context.Context, op blockstoretest.Op, n int, _ blockstore.ID) error {
				time.Sleep(time.Duration(n%7) * 10 * time.Millisecond)
				return nil
			})
		}
		time.Sleep(5 * time.Minute)
		d.members[victim].Honest()
		d.mustBeWhole("repaired by both")
		if n := d.queue.Owed(); n != 0 {
			t.Errorf("%s: %d owed", d.layout.name, n)
		}
	})
}

// A delete waits for the repair of the same block, and then removes that copy
// too.
func TestDeleteBesideARepair(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		d.members[victim].Before(dead)
		id, block := storecheck.Chunk(3000)
		if err := d.store.Put(t.Context(), id, block); err != nil {
			t.Fatal(err)
		}
		reached := make(chan struct{})
		var once sync.Once
		d.members[victim].Before(func(ctx context.Context, op blockstoretest.Op, n int, what blockstore.ID) error {
			if op == blockstoretest.OpPut && what == id {
				once.Do(func() { close(reached) })
				return slow(ctx, op, n, what)
			}
			return nil
		})
		<-reached
		if err := d.store.Delete(t.Context(), id); err != nil {
			t.Errorf("%s: %v", d.layout.name, err)
		}
		d.queue.Collect(id)
		for i, disk := range d.disks {
			if _, err := disk.store().Stat(t.Context(), id); err == nil {
				t.Errorf("%s: member %d has the deleted block", d.layout.name, i)
			}
		}
	})
}

// A read repairs what it met, without a scrub.
func TestReadsRepair(t *testing.T) {
	for name, lie := range map[string]blockstoretest.Lie{"flipped": blockstoretest.Flip(-1), "lost": blockstoretest.Drop} {
		t.Run(name, func(t *testing.T) {
			eachLayout(t, func(t *testing.T, d *drill) {
				defer d.close()
				for id := range d.blocks {
					d.spoil(victim, id, lie)
				}
				d.mustRead(name, 0)
				time.Sleep(5 * time.Minute)
				for _, f := range d.scrub(blockstore.ScrubOptions{}) {
					// The parity of a block is read only when data is missing.
					parity := int(binary.BigEndian.Uint32(f.ID[:])) % len(d.disks)
					if d.layout.name[:5] == "raid1" || parity != victim {
						t.Errorf("%s: not repaired: %v", d.layout.name, f)
					}
				}
			})
		})
	}
}

// A stray copy of a collected block is found by a scrub, and deleted only if it is
// known to have been collected.
func TestStrays(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		var stray blockstore.ID
		for id := range d.blocks {
			stray = id
		}
		delete(d.blocks, stray)
		for i, disk := range d.disks {
			if i != 1 {
				if err := disk.store().Delete(t.Context(), stray); err != nil {
					t.Fatal(err)
				}
			}
		}
		d.queue.Set(stray, blockstore.FateUnknown)
		for _, f := range d.scrub(blockstore.ScrubOptions{}) {
			if f.ID != stray || f.Fault != blockstore.FaultStray || f.Mended {
				t.Errorf("%s: %v", d.layout.name, f)
			}
		}
		if _, err := d.disks[1].store().Stat(t.Context(), stray); err != nil {
			t.Errorf("%s: a block of which nothing is known was deleted", d.layout.name)
		}
		d.queue.Collect(stray)
		found := d.scrub(blockstore.ScrubOptions{})
		if !slices.ContainsFunc(found, func(f blockstore.Finding) bool { return f.ID == stray && f.Mended }) {
			t.Errorf("%s: %v", d.layout.name, found)
		}
		if _, err := d.disks[1].store().Stat(t.Context(), stray); kind.Of(err) != kind.NotExist {
			t.Errorf("%s: the stray is still there: %v", d.layout.name, err)
		}
		d.mustBeWhole("without the stray")
	})
}

// What can't be repaired is reported as lost; what no file ever had isn't.
func TestLost(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		var lost blockstore.ID
		for id := range d.blocks {
			lost = id
		}
		delete(d.blocks, lost)
		for i := range d.disks {
			if d.layout.name[:5] == "raid1" || i < 2 {
				d.spoil(i, lost, blockstoretest.Flip(-1))
			}
		}
		totals, err := blockstore.Scrub(t.Context(), d.store, nil, blockstore.ScrubOptions{}, func(f blockstore.Finding) {
			if f.ID != lost || f.Fault != blockstore.FaultLost || f.Mended || f.Err == nil {
				t.Errorf("%s: %v", d.layout.name, f)
			}
		})
		if err != nil || totals.Lost == 0 || totals.Blocks < int64(len(d.blocks)) {
			t.Errorf("%s: %+v, %v", d.layout.name, totals, err)
		}
		d.queue.Set(lost, blockstore.FateNew)
		for _, f := range d.scrub(blockstore.ScrubOptions{}) {
			if f.Fault != blockstore.FaultStray {
				t.Errorf("%s: a block that was never finished: %v", d.layout.name, f)
			}
		}
	})
}

// The marker follows a member that was away.
func TestMarkerOfAMemberThatWasAway(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		if err := blockstore.SetMarker(t.Context(), d.store, []byte("one")); err != nil {
			t.Fatal(err)
		}
		d.members[victim].Before(dead)
		err := blockstore.SetMarker(t.Context(), d.store, []byte("two"))
		want := "two"
		if !d.layout.lax {
			want = "one"
			if kind.Of(err) != kind.Unavailable {
				t.Errorf("%s: set marker with a member down: %v", d.layout.name, err)
			}
		}
		got, gerr := blockstore.GetMarker(t.Context(), d.store)
		if d.layout.lax && (err != nil || gerr != nil || string(got) != want) {
			t.Errorf("%s: marker %q, %v, %v", d.layout.name, got, gerr, err)
		}
		d.members[victim].Honest()
		time.Sleep(time.Minute)
		if d.layout.lax {
			for i, disk := range d.disks {
				m, err := disk.store().Marker(t.Context())
				if err != nil || string(m[64:]) != want {
					t.Errorf("%s: member %d has marker %q, %v", d.layout.name, i, m, err)
				}
			}
		}
		if err := blockstore.SetMarker(t.Context(), d.store, []byte("three")); err != nil {
			t.Error(err)
		}
		d.close()
		d.open()
		defer d.close()
		if got, err := blockstore.GetMarker(t.Context(), d.store); err != nil || string(got) != "three" {
			t.Errorf("%s: after another open: marker %q, %v", d.layout.name, got, err)
		}
	})
}

// Close doesn't wait for a hung member longer than its grace, and what it ends
// is still owed at the next start.
func TestCloseWithAHungMember(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.members[victim].Before(hung)
		if d.layout.lax {
			if err := d.put(5000); err != nil {
				t.Error(err)
			}
		}
		begin := time.Now()
		d.close()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: close took %v", d.layout.name, took)
		}
		d.open()
		defer d.close()
		d.mustRead("opened again", 0)
		d.mustBeRepaired("opened again")
	})
}

// An array whose members never answer closes all the same.
func TestCloseWhileEverythingHangs(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		for _, m := range d.members {
			m.Before(hung)
		}
		done := make(chan error, 1)
		for id := range d.blocks {
			go func() {
				_, err := d.store.Get(t.Context(), id)
				done <- err
			}()
			break
		}
		synctest.Wait()
		begin := time.Now()
		d.close()
		if took := time.Since(begin); took > 35*time.Second {
			t.Errorf("%s: close took %v", d.layout.name, took)
		}
		if err := <-done; kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: a read of hung members: %v", d.layout.name, err)
		}
	})
}

// Clients write, read and delete while a member comes and goes and the other is
// rebuilt: whatever was acknowledged is there, what was deleted is not.
func TestClientsWhileMembersFail(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		stop := make(chan struct{})
		var errs []error
		for w := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(300 * time.Millisecond):
					}
					id, block := storecheck.Chunk(500 + w)
					if err := d.store.Put(t.Context(), id, block); err != nil {
						continue
					}
					if n%4 == 0 {
						mu.Lock()
						d.queue.Collect(id)
						mu.Unlock()
						for d.store.Delete(t.Context(), id) != nil {
							time.Sleep(time.Second)
						}
						if _, err := d.store.Get(t.Context(), id); kind.Of(err) == 0 || kind.Of(err) == kind.Corrupt {
							mu.Lock()
							errs = append(errs, fmt.Errorf("a deleted block: %v", err))
							mu.Unlock()
						}
						continue
					}
					mu.Lock()
					d.blocks[id] = block
					mu.Unlock()
				}
			})
		}
		for round := range 4 {
			i := round % len(d.disks)
			d.members[i].Before(dead)
			time.Sleep(2 * time.Second)
			if round%2 == 1 {
				d.disks[i].replace(memory.New())
			}
			d.members[i].Honest()
			time.Sleep(40 * time.Second)
			_, err := blockstore.Rebuild(t.Context(), d.store, fmt.Sprint(i), blockstore.RebuildOptions{}, func(blockstore.Finding) {})
			if err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
			time.Sleep(20 * time.Second)
		}
		close(stop)
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("%s: %v", d.layout.name, err)
		}
		d.mustRead("after it all", 0)
		d.mustBeRepaired("after it all")
	})
}

// Without a durable queue a write must not be complete without a member.
func TestQuorumNeedsAQueue(t *testing.T) {
	t.Parallel()
	ms := []blockstore.Member{{Name: "0", Store: memory.New()}, {Name: "1", Store: memory.New()}, {Name: "2", Store: memory.New()}}
	for _, w := range []raid1.Write{raid1.One, raid1.Majority, "some"} {
		if _, err := raid1.Open(t.Context(), ms, raid1.Options{Write: w, Log: quiet}); kind.Of(err) != kind.Invalid {
			t.Errorf("raid1, write %q: %v", w, err)
		}
	}
	for _, w := range []raid5.Write{raid5.AllButOne, "some"} {
		if _, err := raid5.Open(t.Context(), ms, raid5.Options{Write: w, Log: quiet}); kind.Of(err) != kind.Invalid {
			t.Errorf("raid5, write %q: %v", w, err)
		}
	}
}
