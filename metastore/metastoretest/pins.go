package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func pinChecks() []Check {
	return []Check{
		on("Pins", pins),
		on("PinExpires", pinExpires),
		on("PinAgain", pinAgain),
		on("PinAt", pinAt),
		on("PinAtOfTheDropped", pinAtOfTheDropped),
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

// pins gives the pins that there are.
func (f fixture) pins() ([]metastore.Pin, error) {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return v.Pins(f.ctx)
}

// pinAgain: of two pins of one commit the later time counts, with its reason; of
// two reasons for one time the newer.
func pinAgain(f fixture) error {
	if _, err := f.create(); err != nil {
		return err
	}
	c, until := f.s.Collector(), far()
	seq, err := c.Pin(f.ctx, until, "first")
	if err != nil {
		return err
	}
	for _, step := range []struct {
		until time.Time
		why   string
		want  metastore.Pin
	}{
		{until.Add(-time.Hour), "earlier", metastore.Pin{Until: until, Why: "first"}},
		{until, "another reason", metastore.Pin{Until: until, Why: "another reason"}},
		{until.Add(time.Hour), "later", metastore.Pin{Until: until.Add(time.Hour), Why: "later"}},
	} {
		if err := c.PinAt(f.ctx, seq, step.until, step.why); err != nil {
			return err
		}
		got, err := f.pins()
		if err != nil {
			return err
		}
		if len(got) != 1 || got[0].Seq != seq || got[0].Why != step.want.Why || !got[0].Until.Equal(step.want.Until) {
			return fmt.Errorf("pinned again until %v, %s: %+v, want %+v", step.until, step.why, got, step.want)
		}
	}
	return nil
}

// pinAt: what was replaced after a commit, and before it was pinned, is kept.
func pinAt(f fixture) error {
	dir, old, alive, err := f.replaced()
	if err != nil {
		return err
	}
	was := dir
	if dir, err = f.update(dir, metastore.Request{Dead: []metastore.ID{alive.ID}}); err != nil {
		return err
	}
	c := f.s.Collector()
	if err := first(
		c.PinAt(f.ctx, was.Seq, far(), "an export"),
		wantKind("PinAt of no commit", c.PinAt(f.ctx, 0, far(), ""), kind.Invalid),
		wantKind("PinAt of one to come", c.PinAt(f.ctx, dir.Seq+1, far(), ""), kind.Invalid),
		f.reaped(), f.noNode(old.ID), f.hasNode("a node of a commit pinned later", alive.ID), f.recordAt(dir.ID, was.Seq, was),
	); err != nil {
		return err
	}
	// It can be pinned again, whatever was dropped around it, as long as it is pinned.
	return first(
		c.PinAt(f.ctx, was.Seq, far(), "again"), c.Unpin(f.ctx, was.Seq),
		wantKind("PinAt of what is not pinned any more", c.PinAt(f.ctx, was.Seq, far(), ""), kind.Conflict),
		f.reaped(), f.noNode(alive.ID),
	)
}

// pinAtOfTheDropped: a commit that a Reap or a mark has left behind can't be
// pinned, for some of it may be gone; a dry run leaves it be.
func pinAtOfTheDropped(f fixture) error {
	c := f.s.Collector()
	for name, drop := range map[string]func() error{
		"Reap": func() error { return f.reaped() },
		"Condemn": func() error {
			b, err := f.live()
			return first(err, f.condemn(b.ID), c.Absolve(f.ctx, []metastore.ID{b.ID}))
		},
	} {
		r, err := f.create()
		if err != nil {
			return err
		}
		if _, err = f.update(r, metastore.Request{}); err != nil {
			return err
		}
		_, dry := c.Reap(f.ctx, 0, true)
		pin := func() error { return c.PinAt(f.ctx, r.Seq, far(), name) }
		if err := first(dry, pin(), c.Unpin(f.ctx, r.Seq), drop(), wantKind("PinAt after a "+name, pin(), kind.Conflict)); err != nil {
			return err
		}
		newest, err := f.s.Seq(f.ctx)
		if err := first(err, c.PinAt(f.ctx, newest, far(), "the newest"), c.Unpin(f.ctx, newest)); err != nil {
			return err
		}
	}
	// An expired pin holds nothing.
	r, err := f.create()
	if err != nil {
		return err
	}
	if _, err = f.update(r, metastore.Request{}); err != nil {
		return err
	}
	return first(c.PinAt(f.ctx, r.Seq, time.Now().Add(-time.Hour), "expired"), f.reaped(),
		wantKind("PinAt of an expired pin", c.PinAt(f.ctx, r.Seq, far(), ""), kind.Conflict))
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
