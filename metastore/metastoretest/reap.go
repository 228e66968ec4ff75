package metastoretest

import (
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/metastore"
)

func reapChecks() []Check {
	return []Check{
		on("Reap", reap),
		on("ReapDryRun", reapDryRun),
		on("ReapSparesLiving", reapSparesLiving),
		on("ReapSparesReaders", reapSparesReaders),
		on("ReapSparesYoung", reapSparesYoung),
		on("ReapSparesRevived", reapSparesRevived),
	}
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

// reaped does so for checks that look at what is left.
func (f fixture) reaped() error {
	_, err := f.reapAll()
	return err
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
	return first(f.reaped(), f.hasNode("a file node", n.ID))
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
	if err := first(f.reaped(), f.hasNode("a node that an open handle may read", dead.ID)); err != nil {
		return err
	}
	if err := f.s.Heartbeat(f.ctx, g, 0, time.Hour); err != nil {
		return err
	}
	return first(f.reaped(), f.noNode(dead.ID))
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
	if err := first(f.reaped(), f.hasNode("a revived node", dead.ID), f.noNode(alive.ID)); err != nil {
		return err
	}
	if _, err := f.update(dir, metastore.Request{Dead: []metastore.ID{dead.ID}}); err != nil {
		return err
	}
	return first(f.reaped(), f.noNode(dead.ID))
}
