package filestore

import (
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/metastore"
)

// OpensRoot reports whether a row of the root table was sealed under this master
// key, so that a restore can refuse a database of other gateways.
func OpensRoot(master caps.Key, row metastore.Root) bool {
	_, err := openRow(master, tableRoot, row.ID[:], row.Sealed)
	return err == nil
}
