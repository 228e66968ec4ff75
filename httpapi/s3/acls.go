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
	v, err := c.requestedVersion()
	if err != nil {
		return filestore.Object{}, err
	}
	o, err := c.bucket.Stat(ctx, c.key, v)
	if err != nil {
		return o, c.absent(err, c.key, v)
	}
	return o, nil
}

// changeMeta changes what is kept beside the object that the request names.
func (c *call) changeMeta(ctx context.Context, o *filestore.Object, change func(*filestore.ObjectMeta) error) error {
	v, err := c.requestedVersion()
	if err != nil {
		return err
	}
	changed, err := c.bucket.SetMeta(ctx, c.key, v, change)
	if err != nil {
		return c.absent(err, c.key, v)
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
