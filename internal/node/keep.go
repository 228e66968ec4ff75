package node

import (
	"context"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

// CheckKept refuses a -b or --db that names other stores than the node keeps: its
// files aren't there. A complete node keeps what tahoe.cfg says, or the default.
func (l Layout) CheckKept(c config.Config) error {
	complete, err := l.Complete()
	if err != nil {
		return err
	}
	if b := c.Blockstore; b.Given && (complete || b.Stated) && !b.Tree.SamePlace(b.Kept) {
		return kind.Errorf(kind.Invalid, "this node keeps its blocks in %s, and -b says %s: leave -b out. To move the blocks, run `truckee blockstore copy`, which tells what to do then",
			b.Kept, b.Tree)
	}
	if m := c.Metastore; m.Given && (complete || m.Stated) && !m.DB.SamePlace(m.Kept) {
		return kind.Errorf(kind.Invalid, "this node keeps its database in %s, and --db says %s: leave --db out. To move the database, run `truckee db copy --to` with the new one",
			m.Kept, m.DB)
	}
	return nil
}

// keep has tahoe.cfg say where the stores are, as far as it doesn't.
func (n *Node) keep() error { return config.Keep(n.BaseDir, n.Config) }

// reviveRoots makes the accounts' roots, empty, in a database that has forgotten
// them: memory, at every start.
func (n *Node) reviveRoots(ctx context.Context) error {
	if n.Config.Metastore.DB.Engine != config.EngineMemory {
		return nil
	}
	for _, a := range n.Accounts.Accounts() {
		w, ok := a.Root.(caps.Write)
		if !ok {
			continue
		}
		if err := n.FS.ReviveRoot(ctx, w, "account"); err != nil && kind.Of(err) != kind.Exist {
			return err
		}
	}
	return nil
}
