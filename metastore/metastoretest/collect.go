package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

func collectChecks() []Check {
	return []Check{
		on("CondemnSparesYounger", condemnSparesYounger),
		on("CondemnKeepsTime", condemnKeepsTime),
		on("Absolve", absolve),
		on("BeginDeleteNeedsCondemned", beginDeleteNeedsCondemned),
		on("BeginDeleteNeedsGrace", beginDeleteNeedsGrace),
		on("BeginDeleteSparesReaders", beginDeleteSparesReaders),
		on("BeginDeleteIgnoresLapsed", beginDeleteIgnoresLapsed),
		on("LinkBeatsBeginDelete", linkBeatsBeginDelete),
		on("EndDelete", endDelete),
		on("EndDeleteDropsInline", endDeleteDropsInline),
	}
}

func reapChecks() []Check {
	return []Check{
		on("Reap", reap),
		on("ReapDryRun", reapDryRun),
		on("ReapSparesLiving", reapSparesLiving),
		on("ReapSparesReaders", reapSparesReaders),
		on("ReapSparesYoung", reapSparesYoung),
		on("ReapSparesPinned", reapSparesPinned),
		on("ReapSparesRevived", reapSparesRevived),
		on("ReapKeepsNewestRecord", reapKeepsNewestRecord),
		on("PinExpires", pinExpires),
		on("SlotsAt", slotsAt),
	}
}

// condemnSparesYounger: what was registered or linked after the mark's view was
// opened stays.
func condemnSparesYounger(f fixture) error {
	before, err := f.live()
	if err != nil {
		return err
	}
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	after, err := f.live()
	if err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Links: []metastore.ID{before.ID}}); err != nil {
		return err
	}
	n, err := f.s.Collector().Condemn(f.ctx, v, []metastore.ID{before.ID, after.ID, random[metastore.ID]()})
	if err != nil {
		return fmt.Errorf("condemn: %w", err)
	}
	if n != 0 {
		return fmt.Errorf("condemn took %d rows that were seen after its view", n)
	}
	return nil
}

func condemnKeepsTime(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	was, _, err := f.block(b.ID)
	if err != nil {
		return err
	}
	if was.CondemnedAt.IsZero() || was.State != metastore.BlockLive {
		return fmt.Errorf("condemned row: %+v", was)
	}
	if _, err := f.create(); err != nil { // another commit, so that the seq would differ
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	now, _, err := f.block(b.ID)
	if err == nil && (!now.CondemnedAt.Equal(was.CondemnedAt) || now.CondemnedSeq != was.CondemnedSeq) {
		return fmt.Errorf("condemned again, the row has time %v seq %d, had %v %d", now.CondemnedAt, now.CondemnedSeq, was.CondemnedAt, was.CondemnedSeq)
	}
	return err
}

func absolve(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := first(f.condemn(b.ID), f.s.Collector().Absolve(f.ctx, []metastore.ID{b.ID, random[metastore.ID]()})); err != nil {
		return err
	}
	now, _, err := f.block(b.ID)
	if err == nil && (!now.CondemnedAt.IsZero() || now.State != metastore.BlockLive) {
		return fmt.Errorf("absolved row: %+v", now)
	}
	return err
}

func (f fixture) notDeletable(why string, id metastore.ID, before time.Time) error {
	rows, err := f.s.Collector().BeginDelete(f.ctx, []metastore.ID{id}, before)
	if err != nil {
		return fmt.Errorf("beginDelete: %w", err)
	}
	if len(rows) != 0 {
		return fmt.Errorf("beginDelete took a block that %s", why)
	}
	return f.state(id, metastore.BlockLive)
}

func beginDeleteNeedsCondemned(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.notDeletable("is not condemned", b.ID, far()); err != nil {
		return err
	}
	return f.beginDelete(b.ID)
}

func beginDeleteNeedsGrace(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := f.condemn(b.ID); err != nil {
		return err
	}
	return f.notDeletable("was condemned too lately", b.ID, time.Now().Add(-time.Hour))
}

func beginDeleteSparesReaders(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	opened, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	if _, err := f.create(); err != nil { // the condemning mark is at a later commit
		return err
	}
	g := random[metastore.GatewayID]()
	if err := first(f.s.Heartbeat(f.ctx, g, opened, time.Hour), f.condemn(b.ID)); err != nil {
		return err
	}
	if err := f.notDeletable("an open handle of a live gateway may read", b.ID, far()); err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, g, 0, time.Hour); err != nil { // closed
		return err
	}
	return f.beginDelete(b.ID)
}

func beginDeleteIgnoresLapsed(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	opened, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	if _, err := f.create(); err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, random[metastore.GatewayID](), opened, time.Nanosecond); err != nil {
		return err
	}
	return f.beginDelete(b.ID)
}

func linkBeatsBeginDelete(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	if err := first(f.condemn(b.ID), f.commit(&metastore.Request{Links: []metastore.ID{b.ID}})); err != nil {
		return err
	}
	return f.notDeletable("was linked since it was condemned", b.ID, far())
}

func endDelete(f fixture) error {
	b, err := f.live()
	if err != nil {
		return err
	}
	// Only what is in state deleting may end so.
	if err := first(f.s.Collector().EndDelete(f.ctx, []metastore.ID{b.ID}), f.state(b.ID, metastore.BlockLive)); err != nil {
		return err
	}
	before, err := f.usage()
	if err != nil {
		return err
	}
	if err := first(f.beginDelete(b.ID), f.s.Collector().EndDelete(f.ctx, []metastore.ID{b.ID}), f.state(b.ID, metastore.BlockDeleted)); err != nil {
		return err
	}
	after, err := f.usage()
	if err == nil && (after.blocks != before.blocks-1 || after.bytes != before.bytes-b.Len) {
		return fmt.Errorf("usage went from %v to %v by deleting one block of %d", before, after, b.Len)
	}
	return err
}

func endDeleteDropsInline(f fixture) error {
	n, row := inline()
	if err := f.commit(&metastore.Request{Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}); err != nil {
		return err
	}
	if err := f.beginDelete(n.ID); err != nil {
		return err
	}
	if data, err := f.node(n.ID); err != nil || data == nil {
		return fmt.Errorf("beginDelete dropped an inline block's bytes already (%v)", err)
	}
	return first(f.s.Collector().EndDelete(f.ctx, []metastore.ID{n.ID}), f.noNode(n.ID), f.state(n.ID, metastore.BlockDeleted))
}

// replaced makes a directory with one node and replaces that node.
func (f fixture) replaced() (dir metastore.Record, dead, alive metastore.NewNode, err error) {
	if dir, err = f.create(); err != nil {
		return
	}
	dead, alive = node(dir.ID), node(dir.ID)
	if dir, err = f.update(dir, metastore.Request{Nodes: []metastore.NewNode{dead}}); err != nil {
		return
	}
	dir, err = f.update(dir, metastore.Request{Nodes: []metastore.NewNode{alive}, Dead: []metastore.ID{dead.ID, random[metastore.ID]()}})
	return
}

// reapAll reaps with nothing to keep.
func (f fixture) reapAll() (metastore.Reaped, error) {
	got, err := f.s.Collector().Reap(f.ctx, 0, false)
	if err != nil {
		return got, fmt.Errorf("reap: %w", err)
	}
	return got, nil
}

func (f fixture) hasNode(what string, id metastore.ID) error {
	data, err := f.node(id)
	if err == nil && data == nil {
		return fmt.Errorf("%s is gone", what)
	}
	return err
}

func reap(f fixture) error {
	dir, dead, alive, err := f.replaced()
	if err != nil {
		return err
	}
	if err := f.hasNode("a dead node not yet reaped", dead.ID); err != nil {
		return err
	}
	got, err := f.reapAll()
	if err != nil {
		return err
	}
	if got.Nodes < 1 || got.NodeBytes < int64(len(dead.Data)) || got.LogRows < 2 {
		return fmt.Errorf("reap reports %+v for one dead node and two old records", got)
	}
	if err := first(f.noNode(dead.ID), f.hasNode("the living node", alive.ID), f.unchanged(dir)); err != nil {
		return err
	}
	again, err := f.reapAll()
	if err == nil && again != (metastore.Reaped{}) {
		return fmt.Errorf("reap with nothing new reports %+v", again)
	}
	return err
}

func reapDryRun(f fixture) error {
	dir, dead, _, err := f.replaced()
	if err != nil {
		return err
	}
	dry, err := f.s.Collector().Reap(f.ctx, 0, true)
	if err != nil {
		return err
	}
	log, err := f.s.Log(f.ctx, dir.ID, 0)
	if err != nil {
		return err
	}
	if len(log) != 3 {
		return fmt.Errorf("a dry run left %d of 3 records in the log", len(log))
	}
	if err := f.hasNode("after a dry run, the dead node", dead.ID); err != nil {
		return err
	}
	wet, err := f.reapAll()
	if err == nil && wet != dry {
		return fmt.Errorf("a dry run reports %+v, the real one %+v", dry, wet)
	}
	return err
}

// reapSparesLiving: a file node named as dead is none.
func reapSparesLiving(f fixture) error {
	n, row := inline()
	if err := f.commit(&metastore.Request{Nodes: []metastore.NewNode{n}, Live: []metastore.BlockRow{row}}); err != nil {
		return err
	}
	if err := f.commit(&metastore.Request{Dead: []metastore.ID{n.ID}}); err != nil {
		return err
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	return f.hasNode("a file node", n.ID)
}

func reapSparesReaders(f fixture) error {
	opened, err := f.s.Seq(f.ctx)
	if err != nil {
		return err
	}
	g := random[metastore.GatewayID]()
	_, dead, _, err := f.replaced()
	if err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, g, opened, time.Hour); err != nil {
		return err
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	if err := f.hasNode("a node that an open handle may read", dead.ID); err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, g, 0, time.Hour); err != nil {
		return err
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	return f.noNode(dead.ID)
}

// reapSparesYoung: freshness keeps records for a time, and their nodes with them.
func reapSparesYoung(f fixture) error {
	dir, dead, _, err := f.replaced()
	if err != nil {
		return err
	}
	if _, err := f.s.Collector().Reap(f.ctx, time.Hour, false); err != nil {
		return err
	}
	log, err := f.s.Log(f.ctx, dir.ID, 0)
	if err == nil && len(log) != 3 {
		return fmt.Errorf("reap left %d of 3 young records", len(log))
	}
	return first(err, f.hasNode("a node of a young record", dead.ID))
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
	if _, err := f.reapAll(); err != nil {
		return err
	}
	if err := first(f.noNode(versions[0].ID), f.noNode(versions[1].ID), f.hasNode("a pinned node", versions[2].ID),
		f.noNode(versions[3].ID), f.hasNode("a living node", versions[4].ID), f.recordAt(dir.ID, pin, recs[2])); err != nil {
		return err
	}
	if err := f.s.Collector().Unpin(f.ctx, pin); err != nil {
		return fmt.Errorf("unpin: %w", err)
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	return first(f.noNode(versions[2].ID), f.hasNode("a living node", versions[4].ID))
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

// reapSparesRevived: a node that was added again after it died lives.
func reapSparesRevived(f fixture) error {
	dir, dead, alive, err := f.replaced()
	if err != nil {
		return err
	}
	dir, err = f.update(dir, metastore.Request{Nodes: []metastore.NewNode{dead}, Dead: []metastore.ID{alive.ID}})
	if err != nil {
		return err
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	if err := first(f.hasNode("a revived node", dead.ID), f.noNode(alive.ID)); err != nil {
		return err
	}
	if _, err := f.update(dir, metastore.Request{Dead: []metastore.ID{dead.ID}}); err != nil {
		return err
	}
	if _, err := f.reapAll(); err != nil {
		return err
	}
	return f.noNode(dead.ID)
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
		if _, err := f.reapAll(); err != nil {
			return err
		}
		if err := f.recordAt(dir.ID, pin, dir); err != nil || now.Version > 4 {
			return err
		}
	}
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
	if _, err := f.reapAll(); err != nil {
		return err
	}
	return f.noNode(dead.ID)
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
