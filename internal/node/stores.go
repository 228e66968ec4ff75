package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/pace"
	"github.com/truckee-fs/truckee/metastore"
)

// openMeta opens the database, as often as is configured if it doesn't answer.
func openMeta(ctx context.Context, d Drivers, c config.Metastore, log *slog.Logger) (metastore.Store, error) {
	var meta metastore.Store
	err := RetryDatabase(ctx, c, log, func() (err error) {
		meta, err = d.Meta(ctx, c, log)
		return err
	})
	return meta, err
}

// RetryDatabase calls open as often as is configured for a database that doesn't
// answer.
func RetryDatabase(ctx context.Context, c config.Metastore, log *slog.Logger, open func() error) error {
	if c.DB.Engine != config.EnginePostgres {
		return open()
	}
	for attempt := 1; ; attempt++ {
		err := open()
		if kind.Of(err) != kind.Unavailable {
			return err
		}
		if attempt >= c.Attempts {
			return fmt.Errorf("the database %s doesn't answer, asked %d times: start it, or correct --db: %w", c.DB, attempt, err)
		}
		log.Warn("the database doesn't answer; asking again", "database", c.DB, "attempt", attempt, "attempts", c.Attempts, "error", err)
		if !pace.Sleep(ctx, c.Pause) {
			return errors.Join(kind.Canceled, err)
		}
	}
}

// blocksPause is how long a start waits between two looks at a blockstore.
const blocksPause = 500 * time.Millisecond

// openBlocks opens the blockstore. One that isn't there is asked again for as
// long as is configured.
func openBlocks(ctx context.Context, d Drivers, c config.Config, env BlocksEnv) (blockstore.Store, error) {
	deadline := time.Now().Add(c.Blockstore.Wait)
	for told := false; ; {
		s, err := d.Blocks(ctx, c, env)
		if err == nil {
			return s, nil
		}
		missing := kind.Of(err) == kind.Unavailable || kind.Of(err) == kind.NotExist
		if !missing {
			return nil, fmt.Errorf("the blockstore %s can't be used: %w", c.Blockstore.Tree, err)
		}
		if !time.Now().Before(deadline) {
			return nil, fmt.Errorf("the blockstore %s isn't there: make it or start it, or have the start wait for it by --blockstore-wait 60s: %w", c.Blockstore.Tree, err)
		}
		if !told {
			env.Log.Warn("waiting for the blockstore", "blockstore", c.Blockstore.Tree, "until", deadline.Format(time.RFC3339), "error", err)
			told = true
		}
		if !pace.Sleep(ctx, min(blocksPause, time.Until(deadline))) {
			return nil, errors.Join(kind.Canceled, err)
		}
	}
}

// warnOfMemory says loudly what will be gone at the end.
func (n *Node) warnOfMemory() {
	if n.Config.Node.Dev {
		return
	}
	if n.Config.Metastore.DB.Engine == config.EngineMemory {
		n.log.Warn("THE DATABASE IS MEMORY: every file is gone when this process ends; for development only (--dev silences this)")
	}
	if n.Config.Blockstore.Tree.Forgets() {
		n.log.Warn("BLOCKS LIE IN MEMORY: the contents of files are gone when this process ends; for development only (--dev silences this)",
			"blockstore", n.Config.Blockstore.Tree)
	}
}

// Queue is the database's repair queue and what it knows of blocks; nil if it has none.
func (n *Node) Queue() blockstore.Queue { return queueOf(n.Meta) }

// queueOf is the metastore's, for compositions.
func queueOf(meta metastore.Store) blockstore.Queue {
	r, err := metastore.AsRepairer(meta)
	if err != nil {
		return nil
	}
	return queue{meta, r}
}

// queue is a metastore's repair queue under the names of package blockstore.
type queue struct {
	meta metastore.Store
	r    metastore.Repairer
}

// Fates tells what the block index knows. Blocks that it doesn't know at all may
// be newer than it, if it was restored.
func (q queue) Fates(ctx context.Context, ids []blockstore.ID) ([]blockstore.Fate, error) {
	rows, err := q.meta.Blocks(ctx, metaIDs(ids))
	if err != nil {
		return nil, err
	}
	known := make([]blockstore.Fate, len(ids))
	for i, row := range rows {
		switch row.State {
		case metastore.BlockNew:
			known[i] = blockstore.FateNew
		case metastore.BlockLive:
			known[i] = blockstore.FateLive
		case metastore.BlockDeleting, metastore.BlockDeleted:
			known[i] = blockstore.FateCollected
		}
	}
	return known, nil
}

func (q queue) AddRepairs(ctx context.Context, member string, ids []blockstore.ID) error {
	return q.r.AddRepairs(ctx, member, metaIDs(ids))
}

func (q queue) EndRepairs(ctx context.Context, member string, ids []blockstore.ID) error {
	return q.r.EndRepairs(ctx, member, metaIDs(ids))
}

func (q queue) Repairs(ctx context.Context, member string, after blockstore.ID, limit int) ([]blockstore.ID, error) {
	ids, err := q.r.Repairs(ctx, member, metastore.ID(after), limit)
	if err != nil {
		return nil, err
	}
	blocks := make([]blockstore.ID, len(ids))
	for i, id := range ids {
		blocks[i] = blockstore.ID(id)
	}
	return blocks, nil
}

func (q queue) CountRepairs(ctx context.Context) (map[string]int64, error) {
	return q.r.CountRepairs(ctx)
}

func metaIDs(ids []blockstore.ID) []metastore.ID {
	all := make([]metastore.ID, len(ids))
	for i, id := range ids {
		all[i] = metastore.ID(id)
	}
	return all
}

// capacityOf asks the file systems that hold the blocks, for statvfs; nil if
// nothing can be told, because they lie elsewhere.
func capacityOf(c blockstore.Config) func(context.Context) (total, free int64, err error) {
	if !hasCapacity(c) {
		return nil
	}
	return func(context.Context) (int64, int64, error) { return capacity(c) }
}

// hasCapacity tells whether every byte lies on a file system of this machine; of
// a mirror, one node is enough to bound it.
func hasCapacity(c blockstore.Config) bool {
	switch c.Driver {
	case "local":
		return true
	case "cached":
		return hasCapacity(c.Nodes[0])
	case "raid0", "raid1", "raid5":
		bounded := 0
		for _, node := range c.Nodes {
			if hasCapacity(node) {
				bounded++
			}
		}
		return bounded > 0
	}
	return false
}

// capacity is what the whole can hold: RAID0 and RAID5 as many times the
// smallest node as there are nodes with data, since blocks spread evenly, RAID1
// as much as its smallest. A node that doesn't answer is left out.
func capacity(c blockstore.Config) (total, free int64, err error) {
	if c.Driver == "local" {
		return statfs(c.Fields["dir"])
	}
	known := false
	for _, node := range c.Nodes {
		if !hasCapacity(node) {
			continue
		}
		t, f, nodeErr := capacity(node)
		if nodeErr != nil {
			err = nodeErr
			continue
		}
		if !known {
			total, free, known = t, f, true
		}
		total, free = min(total, t), min(free, f)
	}
	if !known {
		return 0, 0, err
	}
	times := int64(1)
	switch c.Driver {
	case "raid0":
		times = int64(len(c.Nodes))
	case "raid5":
		times = int64(len(c.Nodes)) - 1
	}
	return total * times, free * times, nil
}

func statfs(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Blocks) * st.Frsize, int64(st.Bavail) * st.Frsize, nil
}

// openStores opens the database and the blockstore, and before them what records
// go to.
func (n *Node) openStores(ctx context.Context, o Options) error {
	if err := n.openAudit(o); err != nil {
		return err
	}
	if err := checkAES(n.Config.Node.AllowSoftAES); err != nil {
		return err
	}
	gateway, err := n.readGateway()
	if err != nil {
		return err
	}
	if n.gateway = gateway; gateway == (metastore.GatewayID{}) {
		if _, err := rand.Read(n.gateway[:]); err != nil {
			return err
		}
	}
	n.warnOfMemory()
	meta, err := openMeta(ctx, o.Drivers, n.Config.Metastore, n.log)
	if err != nil {
		return err
	}
	n.Meta = meta
	n.closers = append(n.closers, meta.Close)
	env := BlocksEnv{Log: n.log, Queue: queueOf(meta), Fresh: n.fresh, Empty: o.BlocksLost, Observe: n.Metrics.Block, Cache: n.diskCache}
	n.Blocks, err = openBlocks(ctx, o.Drivers, n.Config, env)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.Blocks.Close)
	return nil
}

// OpenBlocks opens another blockstore, new directories and arrays included. It
// is the caller's to close.
func (n *Node) OpenBlocks(ctx context.Context, tree blockstore.Config) (blockstore.Store, error) {
	c := n.Config
	c.Blockstore.Tree = tree
	return openBlocks(ctx, n.drivers, c, BlocksEnv{Log: n.log, Queue: queueOf(n.Meta), Fresh: true})
}
