package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

func pinChecks() []Check {
	return []Check{
		on("Pins", pins),
		on("PinExpires", pinExpires),
		on("ReapSparesPinned", reapSparesPinned),
		on("ReapKeepsNewestRecord", reapKeepsNewestRecord),
		on("SlotsAt", slotsAt),
	}
}

func pins(f fixture) error {
	if _, err := f.create(); err != nil {
		return err
	}
	c := f.s.Collector()
	until := far()
	a, err := c.Pin(f.ctx, until, "one")
	if err != nil {
		return err
	}
	if _, err := c.Pin(f.ctx, until.Add(-1), "shorter"); err != nil {
		return err
	}
	if _, err := f.create(); err != nil {
		return err
	}
	b, err := c.Pin(f.ctx, until, "two")
	if err != nil {
		return err
	}
	v, err := c.Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	got, err := v.Pins(f.ctx)
	if err != nil {
		return err
	}
	if a >= b || len(got) != 2 || got[0].Seq != a || got[1].Seq != b || got[0].Why != "one" || !got[0].Until.Equal(until) {
		return fmt.Errorf("two commits pinned give %v", got)
	}
	return first(c.Unpin(f.ctx, a), c.Unpin(f.ctx, a))
}

func pinExpires(f fixture) error {
	dir, err := f.create()
	if err != nil {
		return err
	}
	dead := node(dir.ID)
	if dir, err = f.update(dir, metastore.Request{Nodes: []metastore.NewNode{dead}}); err != nil {
		return err
	}
	if _, err := f.s.Collector().Pin(f.ctx, time.Now().Add(-time.Second), "expired"); err != nil {
		return err
	}
	if _, err := f.update(dir, metastore.Request{Dead: []metastore.ID{dead.ID}}); err != nil {
		return err
	}
	return first(f.reaped(), f.noNode(dead.ID))
}

func reapSparesPinned(f fixture) error {
	dir, err := f.create()
	if err != nil {
		return err
	}
	versions := make([]metastore.NewNode, 5)
	var recs []metastore.Record
	var pin uint64
	for i := range versions {
		versions[i] = node(dir.ID)
		r := metastore.Request{Nodes: versions[i : i+1]}
		if i > 0 {
			r.Dead = []metastore.ID{versions[i-1].ID}
		}
		if dir, err = f.update(dir, r); err != nil {
			return err
		}
		recs = append(recs, dir)
		if i == 2 {
			if pin, err = f.s.Collector().Pin(f.ctx, far(), "test"); err != nil {
				return fmt.Errorf("pin: %w", err)
			}
		}
	}
	if err := first(f.reaped(), f.noNode(versions[0].ID), f.noNode(versions[1].ID), f.hasNode("a pinned node", versions[2].ID),
		f.noNode(versions[3].ID), f.hasNode("a living node", versions[4].ID), f.recordAt(dir.ID, pin, recs[2])); err != nil {
		return err
	}
	if err := f.s.Collector().Unpin(f.ctx, pin); err != nil {
		return fmt.Errorf("unpin: %w", err)
	}
	return first(f.reaped(), f.noNode(versions[2].ID), f.hasNode("a living node", versions[4].ID))
}

// reapKeepsNewestRecord: a pin set after everything was reaped still finds, later,
// what was current then.
func reapKeepsNewestRecord(f fixture) error {
	dir, err := f.create()
	if err != nil {
		return err
	}
	if dir, err = f.update(dir, metastore.Request{}); err != nil {
		return err
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	if log, err := f.s.Log(f.ctx, dir.ID, 0); err != nil || len(log) != 1 || log[0].Hash != dir.Hash {
		return fmt.Errorf("after Reap the log has %d records (%v), want the newest", len(log), err)
	}
	pin, err := f.s.Collector().Pin(f.ctx, far(), "test")
	if err != nil {
		return err
	}
	for now := dir; ; {
		if now, err = f.update(now, metastore.Request{}); err != nil {
			return err
		}
		if err := first(f.reaped(), f.recordAt(dir.ID, pin, dir)); err != nil || now.Version > 4 {
			return err
		}
	}
}

func slotsAt(f fixture) error {
	a, err := f.create()
	if err != nil {
		return err
	}
	b, err := f.create()
	if err != nil {
		return err
	}
	at, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	later := a
	for range 3 {
		if later, err = f.update(later, metastore.Request{}); err != nil {
			return err
		}
	}
	c, err := f.create()
	if err != nil {
		return err
	}
	return first(f.recordAt(a.ID, at, a), f.recordAt(b.ID, at, b), f.recordAt(c.ID, at, metastore.Record{}),
		f.recordAt(a.ID, later.Seq, later), f.recordAt(c.ID, c.Seq, c))
}

// recordAt checks what the tree as of seq has for a slot.
func (f fixture) recordAt(id metastore.SlotID, seq uint64, want metastore.Record) error {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	for r, err := range v.SlotsAt(f.ctx, seq) {
		if err != nil {
			return fmt.Errorf("slotsAt: %w", err)
		}
		if r.ID == id {
			if r.Hash != want.Hash || r.Version != want.Version || r.Seq != want.Seq {
				return fmt.Errorf("slotsAt %d gives version %d of seq %d, want %d of %d", seq, r.Version, r.Seq, want.Version, want.Seq)
			}
			return nil
		}
	}
	if want.Bytes != nil {
		return fmt.Errorf("slotsAt %d does not give the slot", seq)
	}
	return nil
}
