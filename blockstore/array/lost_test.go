package array_test

import (
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/memory"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
)

// A member that loses everything, its record too, gets blocks until its record is
// read again: it is one to rebuild, while the array runs and when it is opened.
func TestEmptiedInUse(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.disks[victim].replace(memory.New())
		for range 3 {
			if err := d.put(5000); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		if st := d.state(victim); st != blockstore.StateBlank {
			t.Errorf("in use: %s is %s", d.layout.name, st)
		}
		d.mustRead("emptied", time.Second)
		d.close()
		d.open()
		defer d.close()
		if st := d.state(victim); st != blockstore.StateBlank {
			t.Errorf("opened again: %s is %s", d.layout.name, st)
		}
		if _, err := blockstore.Rebuild(t.Context(), d.store, "0", blockstore.RebuildOptions{}, func(blockstore.Finding) {}); err != nil {
			t.Errorf("%s: rebuild: %v", d.layout.name, err)
		}
		d.mustBeWhole("rebuilt")
	})
}

// A store with blocks that nobody here knows is somebody else's.
func TestOthersBlocksInAPlace(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		defer d.close()
		others := memory.New()
		for range 3 {
			id, block := storecheck.Chunk(100)
			d.queue.Set(id, blockstore.FateUnknown)
			if err := others.Put(t.Context(), id, block); err != nil {
				t.Fatal(err)
			}
		}
		d.disks[victim].replace(others)
		time.Sleep(2 * time.Minute)
		if st := d.state(victim); st != blockstore.StateForeign {
			t.Errorf("%s is %s", d.layout.name, st)
		}
		d.mustRead("with another's store in a place", time.Second)
	})
}
