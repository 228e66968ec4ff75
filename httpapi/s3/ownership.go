package s3

import (
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

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
