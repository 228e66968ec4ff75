package s3_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// Permissions that an operation needs beside its own: who lacks one doesn't get by
// another way what it would give.

// allows is a policy that gives bob the actions on all of ann's objects.
func allows(actions ...string) []byte {
	return []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"bob"},"Action":["` + strings.Join(actions, `","`) + `"],"Resource":"arn:aws:s3:::bkt/*"}}`)
}

func TestAttributesTellOfContents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	ask := func() reply { return w.do("bob", "GET", "/bkt/k?attributes", nil, "X-Amz-Object-Attributes", "ETag") }
	w.do("ann", "PUT", "/bkt?policy", allows("s3:GetObjectAttributes")).want(t, 204)
	ask().want(t, 403, "AccessDenied")
	w.do("ann", "PUT", "/bkt?policy", allows("s3:GetObject")).want(t, 204)
	ask().want(t, 403, "AccessDenied")
	w.do("ann", "PUT", "/bkt?policy", allows("s3:GetObject", "s3:GetObjectAttributes")).want(t, 204)
	ask().want(t, 200)
}

func TestACopyTakesTagsFromWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "tagged", "data", "X-Amz-Tagging", "a=b")
	w.put("bkt", "plain", "data")
	w.do("bob", "PUT", "/tob", nil).want(t, 200)
	copied := func(key string, header ...string) reply {
		return w.do("bob", "PUT", "/tob/k", nil, append([]string{"X-Amz-Copy-Source", "/bkt/" + key}, header...)...)
	}
	w.do("ann", "PUT", "/bkt?policy", allows("s3:GetObject")).want(t, 204)
	copied("tagged").want(t, 403, "AccessDenied")
	copied("plain").want(t, 200)
	copied("tagged", "X-Amz-Tagging-Directive", "REPLACE").want(t, 200)
	w.do("ann", "PUT", "/bkt?policy", allows("s3:GetObject", "s3:GetObjectTagging")).want(t, 204)
	copied("tagged").want(t, 200)
	if r := w.do("bob", "GET", "/tob/k?tagging", nil).want(t, 200); !strings.Contains(string(r.body), "<Key>a</Key>") {
		t.Errorf("%s", r.body)
	}
}

func TestTagsOfAWriteNeedTheirPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.do("bob", "PUT", "/tob", nil).want(t, 200)
	w.do("bob", "PUT", "/tob/tagged", nil, "X-Amz-Tagging", "a=b").want(t, 200)
	writes := func(status int) {
		t.Helper()
		w.do("bob", "PUT", "/bkt/k", nil, "X-Amz-Tagging", "a=b").want(t, status)
		w.do("bob", "POST", "/bkt/k?uploads", nil, "X-Amz-Tagging", "a=b").want(t, status)
		w.do("bob", "PUT", "/bkt/k", nil, "X-Amz-Copy-Source", "/tob/tagged").want(t, status)
		w.do("bob", "PUT", "/bkt/k", nil).want(t, 200)
	}
	w.do("ann", "PUT", "/bkt?policy", allows("s3:PutObject")).want(t, 204)
	writes(403)
	w.do("ann", "PUT", "/bkt?policy", allows("s3:PutObject", "s3:PutObjectTagging")).want(t, 204)
	writes(200)
	w.put("bkt", "own", "data", "X-Amz-Tagging", "a=b") // whose bucket it is needs no policy

	// What is written by an ACL is its writer's, with its tags; unless a policy denies them.
	w.bucket("open", "X-Amz-Object-Ownership", "ObjectWriter", "X-Amz-Acl", "public-read-write")
	w.do("bob", "PUT", "/open/k", nil, "X-Amz-Tagging", "a=b").want(t, 200)
	w.do("", "PUT", "/open/j", nil, "X-Amz-Tagging", "a=b").want(t, 200)
	w.do("ann", "PUT", "/open?policy", allow("Deny", `"*"`, "s3:PutObjectTagging", "open/*", "")).want(t, 204)
	w.do("bob", "PUT", "/open/k", nil, "X-Amz-Tagging", "a=b").want(t, 403)
	w.do("bob", "PUT", "/open/k", nil).want(t, 200)
}

// An upload makes a new object: to name a version of an old one can't lead a policy to
// look at that one's tags instead.
func TestUploadsHaveNoVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.do("ann", "PUT", "/bkt?versioning", []byte("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")).want(t, 200)
	free := w.put("bkt", "k", "data").Header.Get("X-Amz-Version-Id")
	w.do("ann", "PUT", "/bkt?policy", allows("s3:PutObject")).want(t, 204)
	id := w.begin("/bkt/k")
	etag := w.part("/bkt/k", id, 1, "x").want(t, 200).Header.Get("ETag")
	w.put("bkt", "k", "data", "X-Amz-Tagging", "final=yes")
	w.do("ann", "PUT", "/bkt?policy", allow("Deny", `"*"`, "s3:PutObject", "bkt/*", `{"StringEquals":{"s3:ExistingObjectTag/final":"yes"}}`)).want(t, 204)
	w.complete("/bkt/k", id, completion(1, etag)).want(t, 403, "AccessDenied")
	for _, c := range [][2]string{{"POST", "/bkt/k?uploadId=" + id}, {"PUT", "/bkt/k?partNumber=1&uploadId=" + id}, {"POST", "/bkt/k?uploads"}, {"DELETE", "/bkt/k?uploadId=" + id}} {
		w.do("ann", c[0], c[1]+"&versionId="+free, completion(1, etag)).want(t, 400, "InvalidArgument")
	}
}

// Policies that are about how a request was signed see what was verified, whatever else
// the request says.
func TestPoliciesSeeHowARequestWasSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.SignatureV2, s.HeaderAuth = true, true })
	w.bucket("bkt")
	deny := func(key, value string) {
		t.Helper()
		w.do("ann", "PUT", "/bkt?policy", allow("Deny", `"*"`, "s3:*", "bkt/*", `{"StringEquals":{"`+key+`":"`+value+`"}}`)).want(t, 204)
	}
	post := func(query string, fields []string, header ...string) reply {
		body, contentType := form(t, append(append([]string{"key", "k"}, fields...), "file", "x")...)
		return w.do("", "POST", "/bkt"+query, body, append(header, "Content-Type", contentType)...)
	}
	v4, v2 := w.signedForm(4), w.signedForm(2)

	deny("s3:authType", "POST")
	post("", v4).want(t, 403, "AccessDenied")
	post("?X-Amz-Signature=x", v4).want(t, 403, "AccessDenied")
	post("", v2).want(t, 403, "AccessDenied")
	w.put("bkt", "k", "x")
	deny("s3:signatureversion", "AWS")
	post("", v4).want(t, 204)
	post("", v2).want(t, 403, "AccessDenied")
	w.put("bkt", "k", "x")
	deny("s3:signatureversion", "AWS4-HMAC-SHA256")
	post("", v4, "Authorization", "AWS x").want(t, 403, "AccessDenied")
	post("", v2).want(t, 204)
	w.do("ann", "PUT", "/bkt/k", nil).want(t, 403, "AccessDenied")
	w.do("", "PUT", "/bkt/k", nil, "X-Access-Key", "KEYANN", "X-Secret-Key", w.user("ann").secret).want(t, 200) // no signature
	deny("s3:authType", "REST-HEADER")
	w.do("ann", "PUT", "/bkt/k", nil).want(t, 403, "AccessDenied")
	post("", v4).want(t, 204)
}

// signedForm is the fields of a form to the bucket bkt with a policy that ann signed.
func (w *world) signedForm(version int) []string {
	u, now := w.user("ann"), time.Now().UTC()
	conditions := `{"bucket":"bkt"},["starts-with","$key",""]`
	stamp, scope := now.Format("20060102T150405Z"), now.Format("20060102")+"/us-east-1/s3/aws4_request"
	if version == 4 {
		conditions += `,{"x-amz-date":"` + stamp + `"},{"x-amz-credential":"` + u.key + "/" + scope + `"},{"x-amz-algorithm":"AWS4-HMAC-SHA256"}`
	}
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration":"` + now.Add(time.Hour).Format(time.RFC3339) + `","conditions":[` + conditions + `]}`))
	if version == 2 {
		h := hmac.New(sha1.New, []byte(u.secret))
		h.Write([]byte(policy))
		return []string{"policy", policy, "AWSAccessKeyId", u.key, "signature", base64.StdEncoding.EncodeToString(h.Sum(nil))}
	}
	key := []byte("AWS4" + u.secret)
	for word := range strings.SplitSeq(scope, "/") {
		key = hmacOf(key, word)
	}
	return []string{
		"policy", policy, "x-amz-algorithm", "AWS4-HMAC-SHA256", "x-amz-credential", u.key + "/" + scope, "x-amz-date", stamp,
		"x-amz-signature", hex.EncodeToString(hmacOf(key, policy)),
	}
}
