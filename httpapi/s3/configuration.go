package s3

import (
	"context"
	"net/http"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/policy"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/audit"
)

// maxSettings is the longest body that a document of a bucket may have, but for a
// lifecycle, of which maxLifecycle holds the 1,000 rules.
const (
	maxSettings  = 64 << 10
	maxLifecycle = filestore.MaxDocument
)

// configurationOperations are those on the documents of buckets and objects.
func configurationOperations() map[route]*operation {
	all := map[route]*operation{
		{onBucket, http.MethodPost, ""}: {name: "PostObject", audit: audit.Write, handle: (*call).postWithoutForm},
	}
	type handler = func(*call, context.Context) error
	add := func(at scope, sub, name, permission string, get, put, del handler) {
		for _, one := range []struct {
			method, verb string
			handle       handler
			audit        audit.Op
		}{
			{http.MethodGet, "Get", get, audit.List},
			{http.MethodPut, "Put", put, audit.Configure},
			{http.MethodDelete, "Delete", del, audit.Configure},
		} {
			if one.handle == nil {
				continue
			}
			verb := one.verb
			if verb == "Delete" && !ownDeletePermission(name) {
				verb = "Put"
			}
			op := &operation{name: one.verb + name, action: "s3:" + verb + permission, audit: one.audit, handle: one.handle}
			all[route{at, one.method, sub}] = op
		}
	}
	add(onBucket, "acl", "BucketAcl", "BucketAcl", (*call).getBucketACL, (*call).putBucketACL, nil)
	add(onBucket, "policy", "BucketPolicy", "BucketPolicy", (*call).getPolicy, (*call).putPolicy, (*call).deletePolicy)
	add(onBucket, "policyStatus", "BucketPolicyStatus", "BucketPolicyStatus", (*call).getPolicyStatus, nil, nil)
	add(onBucket, "publicAccessBlock", "PublicAccessBlock", "BucketPublicAccessBlock", (*call).getPublicAccess, (*call).putPublicAccess, remove(docPublicAccess))
	add(onBucket, "ownershipControls", "BucketOwnershipControls", "BucketOwnershipControls", (*call).getOwnership, (*call).putOwnership, remove(docOwnership))
	add(onBucket, "cors", "BucketCors", "BucketCORS", show(docCORS, NoSuchCORSConfiguration), put(docCORS, settings.ParseCORS), remove(docCORS))
	add(onBucket, "lifecycle", "BucketLifecycleConfiguration", "LifecycleConfiguration", (*call).getLifecycle, (*call).putLifecycle, (*call).deleteLifecycle)
	add(onBucket, "website", "BucketWebsite", "BucketWebsite", show(docWebsite, NoSuchWebsiteConfiguration), put(docWebsite, settings.ParseWebsite), remove(docWebsite))
	add(onBucket, "encryption", "BucketEncryption", "EncryptionConfiguration", show(docEncryption, ServerSideEncryptionConfigurationNotFoundError), put(docEncryption, settings.ParseEncryption), remove(docEncryption))
	add(onBucket, "tagging", "BucketTagging", "BucketTagging", show(docTagging, NoSuchTagSet), (*call).putBucketTagging, remove(docTagging))
	add(onBucket, "versioning", "BucketVersioning", "BucketVersioning", (*call).getVersioning, (*call).putVersioning, nil)
	add(onBucket, "object-lock", "ObjectLockConfiguration", "BucketObjectLockConfiguration", (*call).getLock, (*call).putLock, nil)
	add(onBucket, "requestPayment", "BucketRequestPayment", "BucketRequestPayment", (*call).getPayment, (*call).putPayment, nil)

	add(onObject, "acl", "ObjectAcl", "ObjectAcl", (*call).getObjectACL, (*call).putObjectACL, nil)
	add(onObject, "tagging", "ObjectTagging", "ObjectTagging", (*call).getTagging, (*call).putTagging, (*call).deleteTagging)
	add(onObject, "retention", "ObjectRetention", "ObjectRetention", (*call).getRetention, (*call).putRetention, nil)
	add(onObject, "legal-hold", "ObjectLegalHold", "ObjectLegalHold", (*call).getHold, (*call).putHold, nil)
	for _, sub := range []string{"tagging", "retention", "legal-hold"} {
		all[route{onObject, http.MethodPut, sub}].action = "" // what the body says counts
	}
	for r, op := range absentOperations() {
		all[r] = op
	}
	return all
}

// ownDeletePermission tells the operations that remove something by a permission
// of their own; others need the one to put it.
func ownDeletePermission(name string) bool {
	return name == "BucketPolicy" || name == "BucketWebsite" || name == "ObjectTagging"
}

// show answers with a document as it is kept.
func show(name string, absent code) func(*call, context.Context) error {
	return func(c *call, _ context.Context) error {
		document, ok := c.bucket.Info().Documents[name]
		if !ok {
			return fail(absent, "").with("BucketName", c.target.bucket)
		}
		return c.send(http.StatusOK, xmlType, document)
	}
}

// put keeps a document that parse takes, in the form that it is written in.
func put[T any](name string, parse func([]byte) (T, error)) func(*call, context.Context) error {
	return func(c *call, ctx context.Context) error {
		body, err := c.document(ctx, maxSettings)
		if err != nil {
			return err
		}
		value, err := parse(body)
		if err != nil {
			return said(err)
		}
		return c.keep(ctx, name, settings.Write(value), http.StatusOK)
	}
}

func remove(name string) func(*call, context.Context) error {
	return func(c *call, ctx context.Context) error { return c.keep(ctx, name, nil, http.StatusNoContent) }
}

// keep changes a document of the bucket and answers.
func (c *call) keep(ctx context.Context, name string, data []byte, status int) error {
	return c.emptyAfter(status, c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		keep(info, name, data)
		return nil
	}))
}

func (c *call) getPolicy(context.Context) error {
	document, ok := c.bucket.Info().Documents[docPolicy]
	if !ok {
		return fail(NoSuchBucketPolicy, "").with("BucketName", c.target.bucket)
	}
	return c.send(http.StatusOK, "application/json", document)
}

func (c *call) putPolicy(ctx context.Context) error {
	body, err := c.document(ctx, policy.MaxSize+1)
	if err != nil {
		return err
	}
	p, err := policy.Parse(body, c.target.bucket)
	if err == nil {
		err = p.CheckNew(c.target.bucket)
	}
	if err != nil {
		return said(err)
	}
	err = c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		access, err := publicAccess(*info)
		if err != nil {
			return err
		}
		if access.BlockPolicy && p.Public() {
			return fail(AccessDenied, "Public policies are blocked by the bucket's public access block.")
		}
		keep(info, docPolicy, body)
		return nil
	})
	return c.emptyAfter(http.StatusNoContent, err)
}

func (c *call) deletePolicy(ctx context.Context) error {
	return c.keep(ctx, docPolicy, nil, http.StatusNoContent)
}

// getPolicyStatus tells whether the bucket is public, by its policy or its ACL.
func (c *call) getPolicyStatus(context.Context) error {
	info := c.bucket.Info()
	p, err := c.server.policyOf(info)
	if err != nil {
		return err
	}
	list, err := bucketACL(info)
	if err != nil {
		return err
	}
	access, err := publicAccess(info)
	if err != nil {
		return err
	}
	ownership, err := c.server.ownership(info)
	if err != nil {
		return err
	}
	public := p != nil && p.Public() || ownership != settings.BucketOwnerEnforced && !access.IgnoreACLs && list.Public()
	return c.xml(http.StatusOK, "PolicyStatus", func(d *document) {
		d.boolean("IsPublic", public)
	})
}

func (c *call) getPublicAccess(ctx context.Context) error {
	return show(docPublicAccess, NoSuchPublicAccessBlockConfiguration)(c, ctx)
}

func (c *call) putPublicAccess(ctx context.Context) error {
	return put(docPublicAccess, settings.ParsePublicAccess)(c, ctx)
}

// getOwnership shows what is set, and the default where nothing was ever set or
// unset.
func (c *call) getOwnership(context.Context) error {
	info := c.bucket.Info()
	if _, ok := info.Documents[docOwnership]; !ok {
		return fail(OwnershipControlsNotFoundError, "").with("BucketName", info.Name)
	}
	ownership, err := c.server.ownership(info)
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, xmlType, settings.WriteOwnership(ownership))
}

func (c *call) putOwnership(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	ownership, err := settings.ParseOwnership(body)
	if err != nil {
		return said(err)
	}
	err = c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		list, err := bucketACL(*info)
		if err != nil {
			return err
		}
		if ownership == settings.BucketOwnerEnforced && !list.OnlyOwner(acl.ID(info.Owner)) {
			return fail(InvalidBucketACLWithObjectOwnership, "")
		}
		keep(info, docOwnership, []byte(ownership))
		return nil
	})
	return c.emptyAfter(http.StatusOK, err)
}

func (c *call) putBucketTagging(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	tags, err := settings.ParseTagging(body, settings.MaxBucketTags)
	if err != nil {
		return said(err)
	}
	return c.keep(ctx, docTagging, settings.WriteTagging(tags), http.StatusNoContent)
}

func (c *call) getPayment(context.Context) error {
	return c.send(http.StatusOK, xmlType, settings.WritePayment("BucketOwner"))
}

func (c *call) putPayment(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	payer, err := settings.ParsePayment(body)
	if err != nil {
		return said(err)
	}
	if payer != "BucketOwner" {
		return fail(NotImplemented, "Nobody pays for requests here.")
	}
	return c.empty(http.StatusOK)
}
