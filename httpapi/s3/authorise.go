package s3

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/policy"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/kind"
)

// access is one thing that a caller wants to do.
type access struct {
	action  string            // s3:GetObject
	bucket  *filestore.Bucket // nil: the service itself, or a bucket that is not there yet
	key     string            // empty: the bucket itself
	version string            // of the object, as versionId says it; the request's own is found here
	source  bool              // it is what a copy is made of
	tags    []settings.Tag    // that the request's body gives to the object
	prefix  string            // of a list that is only asked whether it may be made
	lock    *askedLock        // that the request's body gives to the object; nil: its headers
}

// askedLock is what a request asks an object to be held by. What it doesn't speak of
// is empty.
type askedLock struct {
	mode  string
	until time.Time
	hold  string
}

// authorise decides whether the caller may do a. Its error is of kind Denied.
//
// What binds everybody comes first: a key that may only read, and what a policy
// denies. Then whoever owns the bucket may do all of it, except with objects that
// are somebody else's, and others what its policy or its ACLs give them, as far as
// the block of public access lets those count.
func (c *call) authorise(ctx context.Context, a access) error {
	c.server.seen.add(c.who.account.Name)
	q := c.ask(a)
	if err := q.expectedOwner(); err != nil {
		return err
	}
	if c.who.anonymous() && a.bucket == nil {
		return fail(AccessDenied, "")
	}
	if !c.who.anonymous() && c.who.account.Root.Authority() < caps.AuthorityWrite && !reads(a.action) {
		return fail(AccessDenied, "The access key may only read.")
	}
	if a.bucket == nil {
		return nil
	}
	ok, err := q.allowed(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return fail(AccessDenied, "")
	}
	if a.action == "s3:PutObject" && !a.source {
		if err := c.allowsClientKey(q.info); err != nil {
			return err
		}
		if err := c.mayDescribe(ctx, a); err != nil {
			return err
		}
		return c.authoriseLock(ctx, a)
	}
	return nil
}

// mayDescribe refuses an ACL that comes with a write where the policy denies to put
// one (what ACLs are worth is said by the bucket's ownership), and tags of somebody who
// may not put them by themselves.
func (c *call) mayDescribe(ctx context.Context, a access) error {
	if acl.InHeaders(c.r.Header) {
		a.action = "s3:PutObjectAcl"
		decision, _, err := c.ask(a).byPolicy(ctx)
		if err != nil {
			return err
		}
		if decision == policy.Denied {
			return fail(AccessDenied, "")
		}
	}
	if len(a.tags) > 0 || a.tags == nil && c.r.Header.Get("X-Amz-Tagging") != "" {
		return c.mayTag(ctx, a)
	}
	return nil
}

// mayTag refuses tags with a write where the policy denies to put them, or where it lets
// somebody else than the owner write, and doesn't let him tag. Who writes by an ACL has
// what he writes, with its tags.
func (c *call) mayTag(ctx context.Context, a access) error {
	a.action = "s3:PutObject"
	write, _, err := c.ask(a).byPolicy(ctx)
	if err != nil {
		return err
	}
	a.action = "s3:PutObjectTagging"
	q := c.ask(a)
	tag, public, err := q.byPolicy(ctx)
	if err != nil {
		return err
	}
	access, err := publicAccess(q.info)
	if err != nil {
		return err
	}
	given := q.owns() || tag == policy.Allowed && !(public && access.RestrictBuckets)
	if tag == policy.Denied || write == policy.Allowed && !given {
		return fail(AccessDenied, "")
	}
	return nil
}

// allowsClientKey refuses a key of the client's where the bucket's encryption says
// that no object may have one.
func (c *call) allowsClientKey(info filestore.BucketInfo) error {
	if c.r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") == "" {
		return nil
	}
	e, err := c.server.encryptionOf(info)
	if err == nil && e != nil && e.BlocksClientKeys() {
		return fail(AccessDenied, "The bucket's encryption blocks keys of clients (SSE-C).")
	}
	return err
}

// authoriseLock asks for the rights to lock what a request writes: who may write
// may not by that make it stay for years.
func (c *call) authoriseLock(ctx context.Context, a access) error {
	if c.r.Header.Get("X-Amz-Object-Lock-Mode") != "" || c.r.Header.Get("X-Amz-Object-Lock-Retain-Until-Date") != "" {
		a.action = "s3:PutObjectRetention"
		if err := c.authorise(ctx, a); err != nil {
			return err
		}
	}
	if c.r.Header.Get("X-Amz-Object-Lock-Legal-Hold") != "" {
		a.action = "s3:PutObjectLegalHold"
		return c.authorise(ctx, a)
	}
	return nil
}

// may is authorise for what is no error if it isn't allowed.
func (c *call) may(ctx context.Context, a access) (bool, error) {
	err := c.authorise(ctx, a)
	var f *failure
	if errors.As(err, &f) && f.code == AccessDenied {
		return false, nil
	}
	return err == nil, err
}

// reads tells the actions that change nothing.
func reads(action string) bool {
	return strings.HasPrefix(action, "s3:Get") || strings.HasPrefix(action, "s3:List")
}

// question is one access, and what is looked up to judge it, at most once.
type question struct {
	access
	call  *call
	info  filestore.BucketInfo
	owner acl.Person // of the bucket

	looked bool
	object *filestore.Object // that is there; nil: none
	list   acl.List          // the object's
}

func (c *call) ask(a access) *question {
	q := &question{access: a, call: c}
	if a.bucket == nil {
		return q
	}
	if a.bucket == c.bucket && a.key == c.key && !a.source && a.version == "" {
		q.version = c.query.get("versionId")
	}
	q.info = a.bucket.Info()
	q.owner = acl.Account(q.info.Owner)
	q.action = versioned(a.action, q.version)
	return q
}

// versioned is the action as policies call it where it is about one version.
func versioned(action, version string) string {
	if version == "" {
		return action
	}
	switch action {
	case "s3:GetObject", "s3:DeleteObject":
		return action + "Version"
	case "s3:GetObjectAcl", "s3:PutObjectAcl", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging", "s3:GetObjectAttributes":
		verb, what, _ := strings.Cut(action, "Object")
		return verb + "ObjectVersion" + what
	}
	return action
}

// expectedOwner refuses a request that expects the bucket to be another
// account's: a name that was given up and taken by somebody else.
func (q *question) expectedOwner() error {
	name := "X-Amz-Expected-Bucket-Owner"
	if q.source {
		name = "X-Amz-Source-Expected-Bucket-Owner"
	}
	want := q.call.r.Header.Get(name)
	if want == "" || q.bucket == nil || want == q.owner.ID || want == q.owner.Name {
		return nil
	}
	return fail(AccessDenied, "")
}

// owns reports whether the caller is who the bucket belongs to: by name and by
// root, since another key of the same name may lead to a part of the tree only.
func (q *question) owns() bool {
	return !q.call.who.anonymous() && q.call.who.account.Name == q.info.Owner && q.bucket.Within(q.call.who.account.Root)
}

func (q *question) allowed(ctx context.Context) (bool, error) {
	owns := q.owns()
	byPolicy, public, err := q.byPolicy(ctx)
	if err != nil {
		return false, err
	}
	if byPolicy == policy.Denied {
		// An owner can't lock himself out: what put the policy there can take it away.
		return owns && ofPolicies(q.action), nil
	}
	access, err := publicAccess(q.info)
	if err != nil {
		return false, err
	}
	if public && access.RestrictBuckets {
		byPolicy = policy.Silent
	}
	ownership, err := q.call.server.ownership(q.info)
	if err != nil {
		return false, err
	}
	if owned := owns || byPolicy == policy.Allowed; ownership == settings.BucketOwnerEnforced {
		if owned || q.key == "" || !reads(q.action) {
			return owned, nil
		}
		err := q.look(ctx)
		return err == nil && q.object == nil && q.call.mayList(ctx, q.access), err
	}
	return q.byLists(ctx, byPolicy, access)
}

// mayList reports whether the caller may learn by a list that a key isn't there.
func (c *call) mayList(ctx context.Context, a access) bool {
	ok, err := c.may(ctx, access{action: "s3:ListBucket", bucket: a.bucket, source: a.source, prefix: a.key})
	return ok && err == nil
}

func ofPolicies(action string) bool {
	return action == "s3:GetBucketPolicy" || action == "s3:PutBucketPolicy" || action == "s3:DeleteBucketPolicy"
}

// byPolicy asks the bucket's policy, and tells whether that is a public one.
func (q *question) byPolicy(ctx context.Context) (policy.Decision, bool, error) {
	p, err := q.call.server.policyOf(q.info)
	if err != nil || p == nil {
		return policy.Silent, false, err
	}
	r := policy.Request{Action: q.action, Bucket: q.info.Name, Key: q.key}
	if who := acl.Account(q.call.who.account.Name); !q.call.who.anonymous() {
		r.Principal = policy.Principal{Name: who.Name, ID: who.ID}
	}
	var failed error
	r.Values = func(key string) ([]string, bool) {
		values, ok, err := q.values(ctx, key)
		failed = errors.Join(failed, err)
		return values, ok
	}
	decision := p.Evaluate(r)
	return decision, p.Public(), failed
}

// hidden turns "no such key" into "access denied" for who may not list the bucket.
func (c *call) hidden(ctx context.Context, err error) error {
	var f *failure
	missing := errors.As(err, &f) && (f.code == NoSuchKey || f.code == NoSuchVersion) || f == nil && errors.Is(err, kind.NotExist)
	if !missing || c.bucket == nil || c.key == "" || c.op == nil || !reads(c.op.action) {
		return err
	}
	if c.mayList(ctx, access{bucket: c.bucket, key: c.key}) {
		return err
	}
	return fail(AccessDenied, "").because(err)
}
