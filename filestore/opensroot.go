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

// SameOwner reports whether two markers of blockstores are of one metastore, be it
// of different collections.
func SameOwner(a, b []byte) bool {
	x, err1 := decodeMarker(a)
	y, err2 := decodeMarker(b)
	return err1 == nil && err2 == nil && x.uuid == y.uuid
}
