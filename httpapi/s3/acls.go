package s3

import (
	"context"
	"net/http"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// maxACLDocument is the longest body of PutBucketAcl and PutObjectAcl.
const maxACLDocument = 64 << 10

// bucketOwnerFullControl is the canned ACL that a bucket without ACLs takes, too:
// it says what holds there.
const bucketOwnerFullControl = "bucket-owner-full-control"

// newBucketDocuments fills in what the headers of CreateBucket ask of a bucket
// beside its name: ownership, ACL.
func (c *call) newBucketDocuments(info *filestore.BucketInfo) error {
	ownership := c.server.defaultOwnership()
	if asked := settings.Ownership(c.r.Header.Get("X-Amz-Object-Ownership")); asked != "" {
		if !asked.Valid() {
			return fail(InvalidArgument, "Invalid x-amz-object-ownership header: %s", string(asked)).with("ArgumentName", "x-amz-object-ownership")
		}
		ownership = asked
		keep(info, docOwnership, []byte(ownership))
	}
	if !acl.InHeaders(c.r.Header) {
		return nil
	}
	me := c.me()
	list, err := acl.FromHeaders(c.r.Header, true, me, me, c.people())
	if err != nil {
		return said(err)
	}
	if list.OnlyOwner(me.ID) {
		return nil
	}
	if ownership == settings.BucketOwnerEnforced {
		return fail(InvalidBucketACLWithObjectOwnership, "")
	}
	keep(info, docACL, list.Encode())
	return nil
}

// objectACL is the ACL that the headers of a request give to a new object in b:
// nil where it is the bucket owner's alone.
func (c *call) objectACL(b *filestore.Bucket) ([]byte, error) {
	info := b.Info()
	owner := acl.Account(info.Owner)
	ownership, err := c.server.ownership(info)
	if err != nil {
		return nil, err
	}
	if ownership == settings.BucketOwnerEnforced {
		return nil, c.noACL(owner, false)
	}
	writer := c.me()
	if writer.ID == "" {
		writer = owner // nobody can own nothing
	}
	if ownership == settings.BucketOwnerPreferred && c.r.Header.Get("X-Amz-Acl") == bucketOwnerFullControl {
		writer = owner
	}
	list, err := acl.FromHeaders(c.r.Header, false, writer, owner, c.people())
	if err != nil {
		return nil, said(err)
	}
	if err := blocks(info, list); err != nil {
		return nil, err
	}
	if writer.ID == owner.ID && list.OnlyOwner(owner.ID) && len(list.Grants) == 1 {
		return nil, nil
	}
	return list.Encode(), nil
}

// noACL refuses an ACL in headers where there are none, unless it says what holds
// anyway: that the bucket's owner has full control, or that nobody else has any.
func (c *call) noACL(owner acl.Person, bucket bool) error {
	if !acl.InHeaders(c.r.Header) {
		return nil
	}
	canned := c.r.Header.Get("X-Amz-Acl")
	if canned == bucketOwnerFullControl && !bucket || canned == "private" && c.me().ID == owner.ID {
		return nil
	}
	return fail(AccessControlListNotSupported, "")
}

// blocks refuses a new list that would make something public where that is blocked.
func blocks(info filestore.BucketInfo, list acl.List) error {
	access, err := publicAccess(info)
	if err == nil && access.BlockACLs && list.Public() {
		return fail(AccessDenied, "Public ACLs are blocked by the bucket's public access block.")
	}
	return err
}

// ownerOf tells whose an object or an upload is, by the ACL that is kept of it.
func (c *call) ownerOf(b *filestore.Bucket, document []byte) (acl.Person, error) {
	info := b.Info()
	owner := acl.Account(info.Owner)
	if ownership, err := c.server.ownership(info); err != nil || ownership == settings.BucketOwnerEnforced {
		return owner, err
	}
	list, err := objectACL(document, owner)
	return list.Owner, err
}

// owners tells whose objects and uploads of the bucket are, by their ACLs. What
// can't be read is the bucket owner's: it is only shown.
func (c *call) owners() func([]byte) acl.Person {
	info := c.bucket.Info()
	owner := acl.Account(info.Owner)
	ownership, err := c.server.ownership(info)
	return func(document []byte) acl.Person {
		if err != nil || ownership == settings.BucketOwnerEnforced || len(document) == 0 {
			return owner
		}
		list, err := acl.Decode(document)
		if err != nil {
			return owner
		}
		return list.Owner
	}
}

func (c *call) getBucketACL(context.Context) error {
	info := c.bucket.Info()
	list, err := bucketACL(info)
	if err != nil {
		return err
	}
	if ownership, err := c.server.ownership(info); err != nil {
		return err
	} else if ownership == settings.BucketOwnerEnforced {
		list = acl.Private(acl.Account(info.Owner))
	}
	return c.send(http.StatusOK, xmlType, list.XML(c.people()))
}

func (c *call) putBucketACL(ctx context.Context) error {
	info := c.bucket.Info()
	owner := acl.Account(info.Owner)
	list, err := c.askedACL(ctx, info, owner, true)
	if err != nil {
		return err
	}
	err = c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		if err := blocks(*info, list); err != nil {
			return err
		}
		keep(info, docACL, list.Encode())
		return nil
	})
	return c.emptyAfter(http.StatusOK, err)
}

// askedACL reads the list of PutBucketAcl and PutObjectAcl, from the headers or
// the body, for what owner owns.
func (c *call) askedACL(ctx context.Context, info filestore.BucketInfo, owner acl.Person, bucket bool) (acl.List, error) {
	body, err := c.document(ctx, maxACLDocument)
	if err != nil {
		return acl.List{}, err
	}
	ownership, err := c.server.ownership(info)
	if err != nil {
		return acl.List{}, err
	}
	bucketOwner := acl.Account(info.Owner)
	if ownership == settings.BucketOwnerEnforced {
		if !acl.InHeaders(c.r.Header) {
			list, err := acl.Parse(body, bucketOwner, c.people())
			if err == nil && list.OnlyOwner(bucketOwner.ID) && c.me().ID == bucketOwner.ID {
				return list, nil
			}
			return acl.List{}, fail(AccessControlListNotSupported, "")
		}
		return acl.Private(bucketOwner), c.noACL(bucketOwner, bucket)
	}
	var list acl.List
	switch inHeaders := acl.InHeaders(c.r.Header); {
	case inHeaders && len(body) > 0:
		return list, fail(UnexpectedContent, "This request does not support content")
	case inHeaders:
		list, err = acl.FromHeaders(c.r.Header, bucket, owner, bucketOwner, c.people())
	case len(body) == 0:
		return list, fail(MissingSecurityHeader, "Your request was missing a required header").with("MissingHeaderName", "x-amz-acl")
	default:
		list, err = acl.Parse(body, owner, c.people())
	}
	if err != nil {
		return list, said(err)
	}
	return list, blocks(info, list)
}

func (c *call) getObjectACL(ctx context.Context) error {
	o, err := c.statVersion(ctx)
	if err != nil {
		return err
	}
	info := c.bucket.Info()
	owner := acl.Account(info.Owner)
	list, err := objectACL(o.Meta.ACL, owner)
	if err != nil {
		return err
	}
	if ownership, err := c.server.ownership(info); err != nil {
		return err
	} else if ownership == settings.BucketOwnerEnforced {
		list = acl.Private(owner)
	}
	c.setVersion(c.bucket, o.Version)
	return c.send(http.StatusOK, xmlType, list.XML(c.people()))
}

func (c *call) putObjectACL(ctx context.Context) error {
	o, err := c.statVersion(ctx)
	if err != nil {
		return err
	}
	info := c.bucket.Info()
	owner, err := c.ownerOf(c.bucket, o.Meta.ACL)
	if err != nil {
		return err
	}
	list, err := c.askedACL(ctx, info, owner, false)
	if err != nil {
		return err
	}
	if ownership, err := c.server.ownership(info); err != nil {
		return err
	} else if ownership == settings.BucketOwnerEnforced {
		return c.empty(http.StatusOK) // it says what holds
	}
	document := list.Encode()
	if owner.ID == acl.ID(info.Owner) && list.OnlyOwner(owner.ID) && len(list.Grants) == 1 {
		document = nil
	}
	err = c.changeMeta(ctx, &o, func(m *filestore.ObjectMeta) error {
		now, err := objectACL(m.ACL, acl.Account(info.Owner))
		if err != nil {
			return err
		}
		if now.Owner.ID != list.Owner.ID {
			return fail(OperationAborted, "") // another object stands there by now
		}
		m.ACL = document
		return nil
	})
	return c.emptyAfter(http.StatusOK, err)
}

// statVersion looks at the object that the request names.
func (c *call) statVersion(ctx context.Context) (filestore.Object, error) {
	v, err := c.requestedVersion(ctx)
	if err != nil {
		return filestore.Object{}, err
	}
	o, err := c.bucket.Stat(ctx, c.key, v)
	if err != nil {
		return o, c.absent(err, v)
	}
	return o, nil
}

// changeMeta changes what is kept beside the object that the request names.
func (c *call) changeMeta(ctx context.Context, o *filestore.Object, change func(*filestore.ObjectMeta) error) error {
	v, err := c.requestedVersion(ctx)
	if err != nil {
		return err
	}
	changed, err := c.bucket.SetMeta(ctx, c.key, v, change)
	if err != nil {
		return c.absent(err, v)
	}
	*o = changed
	c.setVersion(c.bucket, changed.Version)
	return nil
}

// emptyAfter answers without a body if a change went well.
func (c *call) emptyAfter(status int, err error) error {
	if err != nil {
		return err
	}
	return c.empty(status)
}

const xmlType = "application/xml"
