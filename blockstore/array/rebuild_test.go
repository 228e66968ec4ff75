package array_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/raid1"
	"github.com/truckee-fs/truckee/internal/kind"
)

// rebuild rebuilds the victim.
func (d *drill) rebuild() error {
	_, err := blockstore.Rebuild(d.t.Context(), d.store, fmt.Sprint(victim), blockstore.RebuildOptions{}, func(blockstore.Finding) {})
	return err
}

// A member is not declared whole when those that it is copied from go away
// meanwhile: what they hold would be taken for copied.
func TestARebuildWhoseSourcesGoAway(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		d.disks[victim].replace(memory.New())
		if st := d.state(victim); st != blockstore.StateBlank {
			t.Fatalf("the replaced member is %s", st)
		}
		for _, m := range d.members[1:] {
			m.Before(dead)
		}
		if err := d.rebuild(); kind.Of(err) != kind.Unavailable {
			t.Errorf("rebuilt from members that are dead: %v", err)
		}
		if st := d.state(victim); st == blockstore.StateOK {
			t.Error("an empty member counts as whole")
		}
		for _, m := range d.members[1:] {
			m.Honest()
		}
		time.Sleep(time.Minute)
		if err := d.rebuild(); err != nil {
			t.Errorf("rebuilt when the others were back: %v", err)
		}
		d.mustBeRepaired("rebuilt")
	})
}

// Nor from one that came back empty itself.
func TestARebuildFromEmptyMembers(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		kept := []*memory.Store{}
		for _, disk := range d.disks {
			kept = append(kept, disk.store())
			disk.replace(memory.New())
		}
		for i := range d.disks {
			d.state(i)
		}
		if err := d.rebuild(); kind.Of(err) != kind.Unavailable {
			t.Errorf("rebuilt from empty members: %v", err)
		}
		for i, disk := range d.disks { // their disks had not been mounted
			if i != victim {
				disk.replace(kept[i])
			}
		}
		time.Sleep(time.Minute)
		if st := d.state(victim); st == blockstore.StateOK {
			t.Error("an empty member counts as whole")
		}
		if err := d.rebuild(); err != nil {
			t.Errorf("rebuilt when the others were back: %v", err)
		}
		d.mustBeRepaired("rebuilt")
	})
}

// With writes that two of three members had, a block may be on the one that
// doesn't answer alone; with writes that all had, it isn't.
func TestARebuildWithoutOneSource(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		write raid1.Write
		whole bool
	}{{raid1.All, true}, {raid1.Majority, false}, {raid1.One, false}} {
		synctest.Test(t, func(t *testing.T) {
			d := newDrill(t, raid1Layout(3, test.write))
			defer d.close()
			d.disks[victim].replace(memory.New())
			d.state(victim)
			d.members[2].Before(dead)
			err := d.rebuild()
			if st := d.state(victim); (err == nil) != test.whole || (st == blockstore.StateOK) != test.whole {
				t.Errorf("write %s: the member is %s, %v", test.write, st, err)
			}
		})
	}
}

// What a member owes is not forgotten when the only one that has the block comes
// back empty: its disk may not have been mounted.
func TestWhatIsOwedOutlivesAnEmptySource(t *testing.T) {
	laxLayouts(t, func(t *testing.T, d *drill) {
		defer d.close()
		d.members[victim].Before(dead)
		for range 3 {
			if err := d.put(5000); err != nil {
				t.Fatal(err)
			}
		}
		owed := d.queue.Owed()
		if owed == 0 {
			t.Fatal("nothing is owed")
		}
		kept := []*memory.Store{}
		for _, disk := range d.disks[1:] {
			kept = append(kept, disk.store())
			disk.replace(memory.New())
		}
		for i := range d.disks {
			d.state(i)
		}
		d.members[victim].Honest()
		time.Sleep(5 * time.Minute)
		if n := d.queue.Owed(); n < owed {
			t.Errorf("of %d repairs that are owed %d are left", owed, n)
		}
		for i, disk := range d.disks[1:] {
			disk.replace(kept[i])
		}
		time.Sleep(5 * time.Minute)
		if n := d.queue.Owed(); n > 0 {
			t.Errorf("%d repairs are still owed", n)
		}
		d.mustBeWhole("mounted again")
	})
}
