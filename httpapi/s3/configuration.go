package s3

import "context"

// configurationOperations are those on the documents of buckets and objects.
func configurationOperations() map[route]*operation {
	return map[route]*operation{}
}

// preflight answers OPTIONS.
func (c *call) preflight(context.Context) error { return fail(NotImplemented, "") }

// postsForm reports whether the request is an upload by an HTML form.
func (c *call) postsForm() bool { return false }

// postObject is an upload by an HTML form.
func (c *call) postObject(context.Context) error { return fail(NotImplemented, "") }
