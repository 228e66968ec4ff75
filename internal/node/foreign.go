package node

import (
	"context"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// checkOwner refuses a database with directories of which not one is of gateways with
// this master key, before anything is written there: it is another node's. To this
// node all files would look damaged, and what it entered would stop the other's
// collections. Gateways of one database have one master key (checkMaster), and so
// have a restored database and a copy.
func (n *Node) checkOwner(ctx context.Context) error {
	master, err := n.readMasterKey()
	if err != nil {
		return err
	}
	v, err := n.Meta.Collector().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	foreign := false
	for root, err := range v.AllRoots(ctx) {
		if err != nil {
			return err
		}
		if filestore.OpensRoot(master, root) {
			return nil
		}
		foreign = true
	}
	if foreign {
		return kind.Errorf(kind.Denied, "the database %s is another node's: none of its directories is of the master key %s. Correct `db` of [metastore] in tahoe.cfg, or put back the folder private that belongs to this database",
			n.Config.Metastore.DB, n.masterKey())
	}
	return nil
}
