package s3

import "context"

func (c *call) listBuckets(context.Context) error       { return fail(NotImplemented, "") }
func (c *call) createBucket(context.Context) error      { return fail(NotImplemented, "") }
func (c *call) headBucket(context.Context) error        { return fail(NotImplemented, "") }
func (c *call) deleteBucket(context.Context) error      { return fail(NotImplemented, "") }
func (c *call) getBucketLocation(context.Context) error { return fail(NotImplemented, "") }
func (c *call) listObjects(context.Context) error       { return fail(NotImplemented, "") }
func (c *call) listObjectsV2(context.Context) error     { return fail(NotImplemented, "") }
func (c *call) listVersions(context.Context) error      { return fail(NotImplemented, "") }
func (c *call) listUploads(context.Context) error       { return fail(NotImplemented, "") }
func (c *call) deleteObjects(context.Context) error     { return fail(NotImplemented, "") }
func (c *call) getObject(context.Context) error         { return fail(NotImplemented, "") }
func (c *call) headObject(context.Context) error        { return fail(NotImplemented, "") }
func (c *call) putObject(context.Context) error         { return fail(NotImplemented, "") }
func (c *call) copyObject(context.Context) error        { return fail(NotImplemented, "") }
func (c *call) deleteObject(context.Context) error      { return fail(NotImplemented, "") }
func (c *call) getAttributes(context.Context) error     { return fail(NotImplemented, "") }
func (c *call) createUpload(context.Context) error      { return fail(NotImplemented, "") }
func (c *call) uploadPart(context.Context) error        { return fail(NotImplemented, "") }
func (c *call) uploadPartCopy(context.Context) error    { return fail(NotImplemented, "") }
func (c *call) completeUpload(context.Context) error    { return fail(NotImplemented, "") }
func (c *call) abortUpload(context.Context) error       { return fail(NotImplemented, "") }
func (c *call) listParts(context.Context) error         { return fail(NotImplemented, "") }
