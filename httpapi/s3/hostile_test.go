package s3_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/internal/kind"
)

// What a policy judges is what counts: a header that came twice is neither.
func TestHeadersThatCameTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt", "X-Amz-Object-Ownership", "ObjectWriter")
	w.do("ann", "PUT", "/bkt?policy", []byte(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bkt/*"},
		{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bkt/*","Condition":{"StringEquals":{"s3:x-amz-acl":"public-read"}}}]}`)).want(t, 204)
	w.do("", "PUT", "/bkt/k", []byte("x"), "X-Amz-Acl", "public-read").want(t, 403)
	w.do("", "PUT", "/bkt/k", []byte("x"), "X-Amz-Acl", "public-read", "X-Amz-Acl", "private").want(t, 400, "InvalidArgument")
	w.do("", "PUT", "/bkt/k", []byte("x"), "X-Amz-Acl", "private").want(t, 200)
}

// A site is not read, either, while no records can be kept.
func TestSitesWaitForRecords(t *testing.T) {
	t.Parallel()
	rec := &recorder{ready: kind.Unavailable}
	w := newWorld(t, func(s *s3.Server) { s.Audit, s.WebsiteDomains = rec, []string{"web.example.org"} })
	w.do("", "GET", "/", nil, "Host", "bkt.web.example.org").want(t, 503)
}

// An account that has the name of one that is gone has none of its rights.
func TestAnotherAccountOfThatName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt", "X-Amz-Object-Ownership", "ObjectWriter")
	w.put("bkt", "k", "data")
	root, err := w.fs.CreateRoot(t.Context(), "account")
	if err != nil {
		t.Fatal(err)
	}
	again := w.user("ann")
	again.Account = accounts.Account{Name: "ann", Root: root}
	w.keys.users[again.key] = again
	for _, c := range [][2]string{{"GET", "/bkt"}, {"GET", "/bkt/k"}, {"PUT", "/bkt/k"}, {"DELETE", "/bkt/k"}, {"PUT", "/bkt/k?acl"}, {"GET", "/bkt?policy"}} {
		w.do("ann", c[0], c[1], nil).want(t, 403)
	}
}

// The log of wrong signatures shows no key of a client's, wherever it stood.
func TestTheLogOfSignaturesShowsNoKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.DebugSignatures = true })
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	const header = "X-Amz-Server-Side-Encryption-Customer-Key"
	date := time.Now().UTC().Format("20060102T150405Z")
	presigned := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=KEYANN/" + date[:8] + "/us-east-1/s3/aws4_request&X-Amz-Date=" + date +
		"&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" + strings.Repeat("0", 64)
	w.do("", "GET", "/b/k?"+presigned+"&"+header+"="+strings.ReplaceAll(key, "=", "%3D"), nil).want(t, 403, "SignatureDoesNotMatch")
	w.do("ann", "GET", "/b/k", nil, header, key, "X-Amz-Date", date, "Authorization",
		"AWS4-HMAC-SHA256 Credential=KEYANN/"+date[:8]+"/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date;"+strings.ToLower(header)+",Signature="+strings.Repeat("0", 64)).want(t, 403, "SignatureDoesNotMatch")
	if log := w.log.String(); !strings.Contains(log, "(masked)") || strings.Contains(log, strings.TrimRight(key, "=")) {
		t.Errorf("the log: %s", log)
	}
}

// deadlines is a ResponseWriter that keeps what it is told of time.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; return nil }

// Nobody keeps a connection by announcing a body and not sending it, or by not
// taking the answer.
func TestAnswersHaveAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `"*"`, "s3:*", "bkt/*", "")).want(t, 204)
	for _, c := range []struct {
		method, target string
		body           io.Reader
		length         int64
		waits          bool // for what is left of the body
	}{
		{"GET", "/bkt/k", http.NoBody, 0, false},
		{"GET", "/bkt/k", neverSent{}, 5, true},
		{"GET", "/bkt", neverSent{}, 5, true},
		{"PUT", "/none/k", neverSent{}, 5, true},
		{"PUT", "/bkt/k", strings.NewReader("hello"), 5, false},
		{"DELETE", "/bkt/k", neverSent{}, -1, true},
	} {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.target, c.body)
		r.ContentLength = c.length
		w.server.ServeHTTP(d, r)
		if d.read.IsZero() == c.waits || d.write.IsZero() {
			t.Errorf("%s %s: %d, reads until %v, writes until %v", c.method, c.target, d.Code, d.read, d.write)
		}
	}
}

// neverSent is a body that doesn't come.
type neverSent struct{}

func (neverSent) Read([]byte) (int, error) { select {} }

// A document that names very many things that hold nothing is no way to fill the
// memory.
func TestManyElements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.do("", "POST", "/bkt?delete", []byte("<Delete>"+strings.Repeat("<Object/>", 1001)+"</Delete>")).want(t, 400, "MalformedXML")
	w.do("ann", "POST", "/bkt/k?uploadId=x", []byte("<CompleteMultipartUpload>"+strings.Repeat("<Part/>", 10001)+"</CompleteMultipartUpload>")).want(t, 400, "MalformedXML")
	if n := strings.Count(w.log.String(), "too many elements"); n != 2 {
		t.Errorf("%d of 2 documents were read to their end", 2-n)
	}
}

// What a policy denies to put doesn't come beside a write, or with a copy.
func TestWhatComesWithAWriteMayBeDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt", "X-Amz-Object-Ownership", "ObjectWriter")
	w.do("bob", "PUT", "/bobs", nil).want(t, 200)
	w.do("bob", "PUT", "/bobs/tagged", []byte("x"), "X-Amz-Tagging", "class=public").want(t, 200)
	w.do("bob", "PUT", "/bobs/plain", []byte("x")).want(t, 200)
	policy := func(denied, condition string) {
		t.Helper()
		w.do("ann", "PUT", "/bkt?policy", []byte(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":"*","Action":"s3:PutObject*","Resource":"arn:aws:s3:::bkt/*"},
			{"Effect":"Deny","Principal":"*","Action":"`+denied+`","Resource":"arn:aws:s3:::bkt/*"`+condition+`}]}`)).want(t, 204)
	}
	put := func(status int, header ...string) {
		t.Helper()
		w.do("bob", "PUT", "/bkt/k", nil, header...).want(t, status)
	}
	policy("s3:PutObjectTagging", "")
	put(200)
	put(403, "X-Amz-Tagging", "class=public")
	put(200, "X-Amz-Copy-Source", "/bobs/plain")
	put(403, "X-Amz-Copy-Source", "/bobs/tagged")
	policy("s3:PutObjectAcl", "")
	put(200)
	put(403, "X-Amz-Acl", "public-read")
	policy("s3:PutObject", `,"Condition":{"StringNotEquals":{"s3:RequestObjectTag/class":"inner"}}`)
	put(200, "X-Amz-Tagging", "class=inner")
	put(403, "X-Amz-Tagging", "class=inner", "X-Amz-Copy-Source", "/bobs/tagged")
	put(200, "X-Amz-Tagging", "class=inner", "X-Amz-Tagging-Directive", "REPLACE", "X-Amz-Copy-Source", "/bobs/tagged")
}

// A copy tells no more of what its source's bucket holds than a read does.
func TestACopyTellsNothingOfItsSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.do("bob", "PUT", "/bobs", nil).want(t, 200)
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `"*"`, "s3:GetObject", "bkt/*", "")).want(t, 204)
	w.do("bob", "GET", "/bkt/none", nil).want(t, 403)
	w.do("bob", "PUT", "/bobs/k", nil, "X-Amz-Copy-Source", "/bkt/none").want(t, 403)
}

// What asks for something that isn't done must not be taken for a plain PutObject.
func TestUnknownMeaningsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "what is there")
	for _, header := range []string{"X-Amz-Write-Offset-Bytes", "X-Amz-Object-Lock-Event-Hold", "X-Amz-Object-Lock-Event-Hold-Duration-Days"} {
		w.do("ann", "PUT", "/data/k", []byte("x"), header, "1").want(t, 501, "NotImplemented")
		w.do("ann", "POST", "/data/k?uploads", nil, header, "1").want(t, 501, "NotImplemented")
		w.do("ann", "PUT", "/data/k", nil, "X-Amz-Copy-Source", "data/other", header, "1").want(t, 404)
		w.do("ann", "PUT", "/data/copy", nil, "X-Amz-Copy-Source", "data/k", header, "1").want(t, 501, "NotImplemented")
	}
	for _, query := range []string{"partNumber=1", "versionId=null", "versionId=", "partNumber="} {
		w.do("ann", "PUT", "/data/k?"+query, []byte("x")).want(t, 400, "InvalidArgument")
		w.do("ann", "PUT", "/data/copy?"+query, nil, "X-Amz-Copy-Source", "data/k").want(t, 400, "InvalidArgument")
	}
	w.do("ann", "PUT", "/data/k?append&position=0", []byte("x")).want(t, 501, "NotImplemented")
	if r := w.get("data", "k").want(t, 200); string(r.body) != "what is there" {
		t.Errorf("it is %q now", r.body)
	}
}

// A key without a bucket is no request of any kind.
func TestKeysWithoutABucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "POST"} {
		for _, target := range []string{"//data", "//data/k", "///", "//data?uploads", "//data?acl"} {
			if r := w.do("ann", method, w.http.URL+target, nil); r.StatusCode != 400 {
				t.Errorf("%s %s: %d", method, target, r.StatusCode)
			}
		}
	}
}

// A bug of a handler's is an answer, and the log has where it is.
func TestPanicsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) {
		s.Mount = func(context.Context, accounts.Account) (*filestore.Tree, error) { panic("no such luck") }
	})
	w.do("ann", "PUT", "/data", nil).want(t, 500, "InternalError")
	if log := w.log.String(); !strings.Contains(log, "no such luck") || !strings.Contains(log, "createBucket") {
		t.Errorf("the log says %s", log)
	}
}
