package node

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/filestore/highwater"
	"github.com/truckee-fs/truckee/internal/config"
)

// openFilestore opens the filestore on the stores.
func (n *Node) openFilestore(ctx context.Context) error {
	master, err := n.readMasterKey()
	if err != nil {
		return err
	}
	spool := string(n.Config.Filestore.SpoolDir)
	if err := makeDir(spool); err != nil {
		return err
	}
	marks, err := n.openHighWater()
	if err != nil {
		return err
	}
	n.FS, err = filestore.New(ctx, filestoreOptions(n.Config.Filestore, n.Config.Blockstore.Tree, filestore.Options{
		Blocks: n.Blocks, Meta: n.Meta, Master: master, SpoolDir: spool, HighWater: marks,
		Log: n.log, Gateway: n.gateway, Capacity: capacityOf(n.Config.Blockstore.Tree), Committed: n.committed,
	}))
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.FS.Close)
	return nil
}

// openHighWater opens the marks of the newest records seen. A database that
// forgets everything needs marks that do.
func (n *Node) openHighWater() (filestore.HighWater, error) {
	if n.Config.Metastore.DB.Engine == config.EngineMemory {
		return nil, nil
	}
	marks, err := highwater.Open(n.highWater(), n.log)
	if err != nil {
		return nil, err
	}
	n.closers = append(n.closers, marks.Close)
	return marks, nil
}

// CollectOptions are as configured.
func (n *Node) CollectOptions() filestore.CollectOptions {
	return filestore.CollectOptions{Grace: n.Config.GC.Grace, Pace: int64(n.Config.GC.Pace)}
}

// CollectForever collects while the node serves, until ctx ends, if that is
// configured. before is called each time first.
func (n *Node) CollectForever(ctx context.Context, before func(context.Context) error) {
	if err := n.FS.Claim(ctx); err != nil && ctx.Err() == nil {
		n.log.Warn("nothing will be collected", "blockstore", n.Config.Blockstore.Tree, "error", err)
	}
	if !n.Config.GC.Enabled {
		return
	}
	n.FS.CollectForever(ctx, filestore.AutoOptions{Options: n.CollectOptions(), Interval: n.Config.GC.Interval, Before: before})
}

// networkFlight is how many bytes are on their way to a store behind a network,
// if nothing is configured: with a third of it one file keeps 32 requests of 1 MiB
// going, as many as a guard lets through, which hides round trips of tens of
// milliseconds.
const networkFlight = 96 << 20

// behindNetwork reports whether a part of a blockstore is not on this machine.
func behindNetwork(c blockstore.Config) bool {
	if len(c.Nodes) > 0 {
		return slices.ContainsFunc(c.Nodes, behindNetwork)
	}
	return c.Driver != "local" && c.Driver != "memory"
}

// filestoreOptions adds what is configured.
func filestoreOptions(c config.Filestore, blocks blockstore.Config, o filestore.Options) filestore.Options {
	o.ChunkSize = int(c.ChunkSize)
	o.InlineBlock = int(c.InlineBlock)
	if c.InlineBlock == 0 {
		o.InlineBlock = -1
	}
	o.CacheBytes = int64(c.CacheMemory)
	o.DraftBytes = int64(c.DraftMemory)
	o.DirtyBytes = int64(c.DirtyMemory)
	o.FlightBytes = int64(c.FlightMemory)
	if o.FlightBytes == 0 && behindNetwork(blocks) {
		o.FlightBytes = networkFlight
	}
	o.SpoolBytes = int64(c.SpoolLimit)
	return o
}
