package s3_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// Who may do what follows from four things at once: the policy, the lists of the bucket
// and of the object, the ownership, and the block of public access. The server is
// compared with a model of what AWS says of each; ann has the bucket, bob has written
// the object or she has, cid is just somebody with an account.

// accessCase is one state of a bucket.
type accessCase struct {
	ownership           string
	bucketACL           string
	objectACL, writer   string
	effect, whom        string // of the policy's one statement; no effect: there is no policy
	action              string
	ignore, restrict    bool
	ofBucket, ofObjects bool // what the statement is about
}

// operationCase is one request: what it needs of the policy and of lists.
type operationCase struct {
	method, target, body string
	action               string
	bucket               string // permission of the bucket's list that gives it
	object               string // permission of the object's
	owner                bool   // who owns the object may do it by that alone
}

var accessOperations = []operationCase{
	{method: "GET", target: "/bkt", action: "s3:ListBucket", bucket: "READ"},
	{method: "GET", target: "/bkt?acl", action: "s3:GetBucketAcl", bucket: "READ_ACP"},
	{method: "GET", target: "/bkt?cors", action: "s3:GetBucketCORS"},
	{method: "GET", target: "/bkt/k", action: "s3:GetObject", object: "READ", owner: true},
	{method: "GET", target: "/bkt/k?acl", action: "s3:GetObjectAcl", object: "READ_ACP", owner: true},
	{method: "GET", target: "/bkt/k?tagging", action: "s3:GetObjectTagging", owner: true},
	{method: "PUT", target: "/bkt/new", body: "x", action: "s3:PutObject", bucket: "WRITE"},
	{method: "DELETE", target: "/bkt/none", action: "s3:DeleteObject", bucket: "WRITE"},
}

// gives tells whether a canned list gives somebody a permission.
func gives(canned, permission, who, owner string, bucketList, ignorePublic bool) bool {
	if who != "" && who == owner {
		return true
	}
	public := !ignorePublic
	switch canned {
	case "public-read":
		return public && permission == "READ"
	case "public-read-write":
		return public && (permission == "READ" || permission == "WRITE")
	case "authenticated-read":
		return public && who != "" && permission == "READ"
	case "bucket-owner-read":
		return !bucketList && who == "ann" && permission == "READ"
	case "bucket-owner-full-control":
		return !bucketList && who == "ann"
	}
	return false
}

// allows is the model.
func (c *accessCase) allows(o *operationCase, who string) bool {
	about := c.ofObjects
	if !strings.HasPrefix(o.target, "/bkt/") {
		about = c.ofBucket
	}
	named := c.whom == "*" || c.whom == who && who != ""
	meets := c.effect != "" && about && named && (c.action == "s3:*" || c.action == o.action)
	if meets && c.effect == "Deny" {
		return false
	}
	byPolicy := meets && !(c.restrict && c.whom == "*")
	given := who == "ann" || byPolicy
	switch {
	case c.ownership == "BucketOwnerEnforced":
		return given
	case o.owner:
		return given && c.writer == "ann" || who == c.writer || o.object != "" && gives(c.objectACL, o.object, who, c.writer, false, c.ignore)
	}
	return given || o.bucket != "" && gives(c.bucketACL, o.bucket, who, "ann", true, c.ignore)
}

func TestAccessIsThatOfAModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addUser("cid")
	w.bucket("bkt")
	d := rand.New(rand.NewPCG(3, 4))
	of := func(words ...string) string { return words[d.IntN(len(words))] }
	yes, no := 0, 0
	for range 60 {
		c := accessCase{
			ownership: of("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter", "ObjectWriter"), bucketACL: of("private", "public-read", "public-read-write", "authenticated-read"),
			objectACL: of("private", "public-read", "authenticated-read", "bucket-owner-read", "bucket-owner-full-control"), writer: of("ann", "bob"),
			effect: of("", "Allow", "Allow", "Deny"), whom: of("*", "bob", "cid"), action: of("s3:*", "s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:GetObjectAcl", "s3:DeleteObject"),
			ignore: d.IntN(3) == 0, restrict: d.IntN(3) == 0, ofBucket: d.IntN(2) == 0, ofObjects: d.IntN(3) > 0,
		}
		switch c.action { // an action that fits no resource is refused
		case "s3:*":
			c.ofObjects = c.ofObjects || !c.ofBucket
		case "s3:ListBucket":
			c.ofBucket = true
		default:
			c.ofObjects = true
		}
		if c.ownership == "BucketOwnerEnforced" {
			c.bucketACL = "private" // there can be no other
		}
		if c.ownership == "BucketOwnerPreferred" && c.objectACL == "bucket-owner-full-control" {
			c.writer = "ann" // whoever writes it
		}
		w.arrange(&c, of("ann", "bob"))
		for i := range accessOperations {
			o := &accessOperations[i]
			for _, who := range []string{"ann", "bob", "cid", ""} {
				want := c.allows(o, who)
				r := w.do(who, o.method, o.target, []byte(o.body))
				if want != (r.StatusCode != http.StatusForbidden) {
					t.Fatalf("%q %s %s: %d %s, the model says %v\n%+v", who, o.method, o.target, r.StatusCode, r.body, want, c)
				}
				if want {
					yes++
				} else {
					no++
				}
			}
		}
	}
	if yes < 300 || no < 300 {
		t.Errorf("%d allowed, %d denied: too much alike to tell anything", yes, no)
	}
}

// arrange brings the bucket into the state c. What writer puts is its owner's anyway
// where that is preferred and asked for.
func (w *world) arrange(c *accessCase, writer string) {
	w.t.Helper()
	w.do("ann", "DELETE", "/bkt?policy", nil)
	w.do("ann", "DELETE", "/bkt?publicAccessBlock", nil)
	ownership := func(word string) {
		w.do("ann", "PUT", "/bkt?ownershipControls", []byte("<OwnershipControls><Rule><ObjectOwnership>"+word+"</ObjectOwnership></Rule></OwnershipControls>")).want(w.t, 200)
	}
	if c.ownership == "BucketOwnerPreferred" {
		ownership(c.ownership)
	} else {
		ownership("ObjectWriter")
	}
	w.do("ann", "PUT", "/bkt?acl", nil, "X-Amz-Acl", c.bucketACL).want(w.t, 200)
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, "s3:PutObject", "bkt/*", "")).want(w.t, 204)
	if c.ownership != "BucketOwnerPreferred" || c.objectACL != "bucket-owner-full-control" {
		writer = c.writer
	}
	w.do(writer, "PUT", "/bkt/k", []byte("data"), "X-Amz-Acl", c.objectACL).want(w.t, 200)
	w.do("ann", "DELETE", "/bkt?policy", nil).want(w.t, 204)
	if c.ownership == "BucketOwnerEnforced" {
		ownership(c.ownership)
	}
	w.do("ann", "PUT", "/bkt?publicAccessBlock", fmt.Appendf(nil, "<PublicAccessBlockConfiguration><IgnorePublicAcls>%t</IgnorePublicAcls><RestrictPublicBuckets>%t</RestrictPublicBuckets></PublicAccessBlockConfiguration>", c.ignore, c.restrict)).want(w.t, 200)
	if c.effect == "" {
		return
	}
	var resources []string
	if c.ofBucket {
		resources = append(resources, `"arn:aws:s3:::bkt"`)
	}
	if c.ofObjects {
		resources = append(resources, `"arn:aws:s3:::bkt/*"`)
	}
	w.do("ann", "PUT", "/bkt?policy", fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":{"Effect":%q,"Principal":{"AWS":%q},"Action":%q,"Resource":[%s]}}`, c.effect, c.whom, c.action, strings.Join(resources, ","))).want(w.t, 204)
}
