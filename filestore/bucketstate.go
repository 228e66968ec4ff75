package filestore

import (
	"github.com/truckee-fs/truckee/caps"
)

// bucketState is a row of the bucket registry. It never changes: an update makes
// another.
type bucketState struct {
	info        BucketInfo
	dir         caps.SlotWrite  // the bucket's directory
	uploads     caps.SlotWrite  // the directory of its unfinished uploads, itself a root
	root        caps.SlotVerify // of the root that the bucket is a part of
	convergence caps.Key        // that root's convergence secret
	rev         uint64          // of the row; zero: it isn't known yet
}
