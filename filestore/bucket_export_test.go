package filestore

import "context"

// RenewBuckets asks for what other gateways did to buckets.
func (fs *FS) RenewBuckets(ctx context.Context) error {
	fs.buckets.expire()
	return fs.buckets.renew(ctx)
}

// MaxBuried is how many uploads end in the commit that removes their bucket.
const MaxBuried = maxBuried
