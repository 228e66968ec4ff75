package s3

import (
	"context"

	"github.com/truckee-fs/truckee/filestore"
)

// access is one thing that a caller wants to do.
type access struct {
	action string            // s3:GetObject
	bucket *filestore.Bucket // nil: the service itself, or a bucket that is not there yet
	key    string            // empty: the bucket itself
}

// authorise decides whether the caller may do a. Its error is of kind Denied.
func (c *call) authorise(_ context.Context, a access) error {
	if c.who.anonymous() {
		return fail(AccessDenied, "")
	}
	if a.bucket != nil && a.bucket.Info().Owner != c.who.account.Name {
		return fail(AccessDenied, "")
	}
	return nil
}
