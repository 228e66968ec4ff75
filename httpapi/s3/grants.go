package s3

import (
	"context"
	"errors"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/policy"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/kind"
)

// byLists judges where ACLs count, after the policy and the block of public access
// have been asked.
func (q *question) byLists(ctx context.Context, byPolicy policy.Decision, access settings.PublicAccess) (bool, error) {
	owns := q.owns()
	given := owns || byPolicy == policy.Allowed
	me := acl.Account(q.call.who.account.Name).ID
	switch {
	case q.call.who.anonymous():
		me = ""
	case me == q.owner.ID && !owns:
		me = "another of that name" // whose root doesn't hold the bucket: no grant means him
	}
	if right, ok := onBuckets[q.action]; ok {
		if given {
			return true, nil
		}
		list, err := bucketACL(q.info)
		return err == nil && list.Allows(me, right, access.IgnoreACLs), err
	}
	right, listed := onObjects[q.action]
	if q.key == "" || !listed && !ofObjects(q.action) {
		return given, nil
	}
	if err := q.look(ctx); err != nil {
		return false, err
	}
	switch {
	case q.object == nil && given:
		return true, nil
	case q.object == nil:
		// Who may list learns that it isn't there: from the handler.
		return reads(q.action) && q.call.mayList(ctx, q.access), nil
	case q.list.Owner.ID == q.owner.ID && given, q.list.Owner.ID == me:
		return true, nil
	}
	return listed && q.list.Allows(me, right, access.IgnoreACLs), nil
}

// onBuckets are the actions that a bucket's ACL is asked for, and with what.
var onBuckets = map[string]acl.Permission{
	"s3:ListBucket": acl.Read, "s3:ListBucketVersions": acl.Read, "s3:ListBucketMultipartUploads": acl.Read,
	"s3:PutObject": acl.Write, "s3:DeleteObject": acl.Write, "s3:AbortMultipartUpload": acl.Write, "s3:ListMultipartUploadParts": acl.Write,
	"s3:GetBucketAcl": acl.ReadACP, "s3:PutBucketAcl": acl.WriteACP,
}

// onObjects are those that an object's is asked for.
var onObjects = map[string]acl.Permission{
	"s3:GetObject": acl.Read, "s3:GetObjectVersion": acl.Read, "s3:GetObjectAttributes": acl.Read, "s3:GetObjectVersionAttributes": acl.Read,
	"s3:GetObjectAcl": acl.ReadACP, "s3:GetObjectVersionAcl": acl.ReadACP,
	"s3:PutObjectAcl": acl.WriteACP, "s3:PutObjectVersionAcl": acl.WriteACP,
}

// ofObjects are the others that whoever owns an object may do with it. Locks aren't
// among them: what stays in a bucket is its owner's to say.
func ofObjects(action string) bool {
	switch action {
	case "s3:GetObjectTagging", "s3:GetObjectVersionTagging", "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObjectTagging",
		"s3:DeleteObjectVersionTagging":
		return true
	}
	return false
}

// look finds the object that is there.
func (q *question) look(ctx context.Context) error {
	if q.looked || q.key == "" {
		return nil
	}
	q.looked = true
	var version filestore.VersionID
	if q.version != "" {
		var err error
		if version, err = filestore.ParseVersionID(q.version); err != nil {
			return nil // no such version: the handler says so
		}
	}
	o, err := q.bucket.Stat(ctx, q.key, version)
	switch {
	case errors.Is(err, kind.NotExist), errors.Is(err, kind.NameInvalid):
		return nil
	case err != nil:
		return err
	}
	q.object = &o
	q.list, err = objectACL(o.Meta.ACL, q.owner)
	return err
}
