package filestore

import "context"

// RenewBuckets asks for what other gateways did to buckets.
func (fs *FS) RenewBuckets(ctx context.Context) error {
	fs.buckets.expire()
	return fs.buckets.renew(ctx)
}

// MaxBuried is how many uploads end in the commit that removes their bucket.
const MaxBuried = maxBuried

// UsedRoots is how many roots are known to be in use.
func (fs *FS) UsedRoots() int {
	fs.roots.mu.Lock()
	defer fs.roots.mu.Unlock()
	return len(fs.roots.byID)
}
