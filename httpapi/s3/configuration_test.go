package s3_test

import (
	"bytes"
	"crypto/md5" // what SSE-C's headers have
	"encoding/base64"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3"
)

// TestDocumentsOfABucket puts each document, gets it back, removes it, and sees
// that a malformed one changes nothing.
func TestDocumentsOfABucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	for _, c := range []struct {
		sub, document, shown, absent, malformed string
		put, del                                int
	}{
		{"cors", "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>", "<AllowedOrigin>*</AllowedOrigin>", "NoSuchCORSConfiguration", "MalformedXML", 200, 204},
		{"lifecycle", "<LifecycleConfiguration><Rule><Prefix>a</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>", "<ID>rule-1</ID><Prefix>a</Prefix>", "NoSuchLifecycleConfiguration", "MalformedXML", 200, 204},
		{"website", "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>", "<Suffix>i</Suffix>", "NoSuchWebsiteConfiguration", "MalformedXML", 200, 204},
		{"tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>", "<Key>a</Key><Value>b</Value>", "NoSuchTagSet", "MalformedXML", 204, 204},
		{"encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>", "<SSEAlgorithm>AES256</SSEAlgorithm>", "ServerSideEncryptionConfigurationNotFoundError", "MalformedXML", 200, 204},
		{"publicAccessBlock", "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>", "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>", "NoSuchPublicAccessBlockConfiguration", "MalformedXML", 200, 204},
		{"ownershipControls", "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>", "<ObjectOwnership>BucketOwnerPreferred</ObjectOwnership>", "OwnershipControlsNotFoundError", "MalformedXML", 200, 204},
		{"policy", string(allow("Allow", `{"AWS":"bob"}`, "s3:GetObject", "bkt/*", "")), `"Principal":{"AWS":"bob"}`, "NoSuchBucketPolicy", "MalformedPolicy", 204, 204},
	} {
		target := "/bkt?" + c.sub
		w.do("ann", "GET", target, nil).want(t, 404, c.absent)
		w.do("ann", "PUT", target, []byte("<x")).want(t, 400, c.malformed)
		w.do("ann", "PUT", target, bytes.Repeat([]byte(" "), 1<<20)).want(t, 400)
		w.do("ann", "GET", target, nil).want(t, 404, c.absent)
		w.do("ann", "PUT", target, []byte(c.document)).want(t, c.put)
		if r := w.do("ann", "GET", target, nil).want(t, 200); !strings.Contains(string(r.body), c.shown) {
			t.Errorf("%s: %s", c.sub, r.body)
		}
		w.do("ann", "PUT", target, []byte("<x")).want(t, 400, c.malformed)
		w.do("ann", "GET", target, nil).want(t, 200)
		w.do("ann", "DELETE", target, nil).want(t, c.del)
		w.do("ann", "GET", target, nil).want(t, 404, c.absent)
		w.do("ann", "DELETE", target, nil).want(t, c.del)
	}
}

// TestWhatThereIsNot: features of AWS's are shown as not in use, can be turned off,
// and are refused when somebody turns them on.
func TestWhatThereIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	for _, c := range []struct {
		method, sub, body string
		status            int
		code              string
	}{
		{"GET", "notification", "", 200, ""},
		{"PUT", "notification", "<NotificationConfiguration/>", 200, ""},
		{"PUT", "notification", "<NotificationConfiguration><TopicConfiguration/></NotificationConfiguration>", 501, "NotImplemented"},
		{"PUT", "notification", "<Other/>", 400, "MalformedXML"},
		{"GET", "logging", "", 200, ""},
		{"PUT", "logging", "<BucketLoggingStatus></BucketLoggingStatus>", 200, ""},
		{"PUT", "logging", "<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>", 501, "NotImplemented"},
		{"GET", "accelerate", "", 200, ""},
		{"PUT", "accelerate", "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>", 200, ""},
		{"PUT", "accelerate", "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>", 501, "NotImplemented"},
		{"GET", "requestPayment", "", 200, ""},
		{"PUT", "requestPayment", "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>", 200, ""},
		{"PUT", "requestPayment", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>", 501, "NotImplemented"},
		{"GET", "analytics", "", 200, ""},
		{"GET", "inventory&id=x", "", 404, "NoSuchConfiguration"},
		{"PUT", "metrics&id=x", "<MetricsConfiguration/>", 501, "NotImplemented"},
		{"GET", "replication", "", 404, "ReplicationConfigurationNotFoundError"},
		{"PUT", "replication", "<ReplicationConfiguration/>", 501, "NotImplemented"},
		{"DELETE", "replication", "", 204, ""},
		{"PUT", "encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>", 501, "NotImplemented"},
		{"GET", "select", "", 501, "NotImplemented"},
	} {
		r := w.do("ann", c.method, "/bkt?"+c.sub, []byte(c.body))
		if r.StatusCode != c.status || r.code() != c.code {
			t.Errorf("%s %s %s: %d %s", c.method, c.sub, c.body, r.StatusCode, r.body)
		}
	}
}

func TestVersioningAndObjectLockOfABucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	versioning := func(status string) reply {
		return w.do("ann", "PUT", "/bkt?versioning", []byte("<VersioningConfiguration><Status>"+status+"</Status></VersioningConfiguration>"))
	}
	const lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
	if r := w.do("ann", "GET", "/bkt?versioning", nil).want(t, 200); strings.Contains(string(r.body), "Status") {
		t.Errorf("never versioned: %s", r.body)
	}
	w.do("ann", "GET", "/bkt?object-lock", nil).want(t, 404, "ObjectLockConfigurationNotFoundError")
	w.do("ann", "PUT", "/bkt?object-lock", []byte(lock)).want(t, 409, "InvalidBucketState")
	w.put("bkt", "k", "x")
	w.do("ann", "GET", "/bkt/k?retention", nil).want(t, 400, "InvalidRequest")
	versioning("Enabled").want(t, 200)
	w.do("ann", "PUT", "/bkt?object-lock", []byte(lock)).want(t, 200)
	versioning("Suspended").want(t, 409, "InvalidBucketState")
	if r := w.do("ann", "GET", "/bkt?object-lock", nil).want(t, 200); !strings.Contains(string(r.body), "<Mode>GOVERNANCE</Mode><Days>1</Days>") {
		t.Errorf("%s", r.body)
	}
	version := w.put("bkt", "k", "y").Header.Get("X-Amz-Version-Id")
	w.do("ann", "DELETE", "/bkt/k?versionId="+version, nil).want(t, 403, "AccessDenied")
	retention := func(mode string, in time.Duration, header ...string) reply {
		return w.do("ann", "PUT", "/bkt/k?retention", []byte("<Retention><Mode>"+mode+"</Mode><RetainUntilDate>"+time.Now().Add(in).UTC().Format(time.RFC3339)+"</RetainUntilDate></Retention>"), header...)
	}
	retention("GOVERNANCE", time.Hour).want(t, 403, "AccessDenied") // shorter
	retention("GOVERNANCE", -time.Hour).want(t, 400, "InvalidArgument")
	retention("GOVERNANCE", time.Hour, "X-Amz-Bypass-Governance-Retention", "true").want(t, 200)
	w.do("ann", "PUT", "/bkt/k?legal-hold", []byte("<LegalHold><Status>ON</Status></LegalHold>")).want(t, 200)
	if r := w.do("ann", "GET", "/bkt/k?legal-hold", nil).want(t, 200); !strings.Contains(string(r.body), "ON") {
		t.Errorf("%s", r.body)
	}
	w.do("ann", "DELETE", "/bkt/k?versionId="+version, nil, "X-Amz-Bypass-Governance-Retention", "true").want(t, 403)
	w.do("ann", "PUT", "/bkt/k?legal-hold", []byte("<LegalHold><Status>OFF</Status></LegalHold>")).want(t, 200)
	w.do("ann", "DELETE", "/bkt/k?versionId="+version, nil, "X-Amz-Bypass-Governance-Retention", "true").want(t, 204)
}

func TestABucketThatBlocksKeysOfClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.PlainClientKeys = true })
	w.bucket("bkt")
	key := bytes.Repeat([]byte("k"), 32)
	sum := md5.Sum(key)
	header := []string{
		"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256",
		"X-Amz-Server-Side-Encryption-Customer-Key", base64.StdEncoding.EncodeToString(key),
		"X-Amz-Server-Side-Encryption-Customer-Key-Md5", base64.StdEncoding.EncodeToString(sum[:]),
	}
	w.put("bkt", "k", "x", header...)
	w.do("ann", "PUT", "/bkt?encryption", []byte("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>")).want(t, 200)
	w.do("ann", "PUT", "/bkt/k", []byte("x"), header...).want(t, 403, "AccessDenied")
	w.do("ann", "POST", "/bkt/k?uploads", nil, header...).want(t, 403, "AccessDenied")
	w.get("bkt", "k", header...).want(t, 200)
}

// TestBypassingTakesARight: who may delete versions may not by that get around a
// retention.
func TestBypassingTakesARight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt", "X-Amz-Bucket-Object-Lock-Enabled", "true")
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	version := w.put("bkt", "k", "x", "X-Amz-Object-Lock-Mode", "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date", until).Header.Get("X-Amz-Version-Id")
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, "s3:DeleteObjectVersion", "bkt/*", "")).want(t, 204)
	w.do("bob", "DELETE", "/bkt/k?versionId="+version, nil, "X-Amz-Bypass-Governance-Retention", "true").want(t, 403)
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, "s3:*", "bkt/*", "")).want(t, 204)
	w.do("bob", "DELETE", "/bkt/k?versionId="+version, nil, "X-Amz-Bypass-Governance-Retention", "true").want(t, 204)
}

// TestLockingTakesARight: nor may who may only write keep what he wrote there for
// years.
func TestLockingTakesARight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, objectWriter)
	w.bucket("bkt", "X-Amz-Bucket-Object-Lock-Enabled", "true", "X-Amz-Acl", "public-read-write")
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, "s3:PutObject", "bkt/*", "")).want(t, 204)
	w.do("bob", "PUT", "/bkt/k", []byte("x")).want(t, 200)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	w.do("bob", "PUT", "/bkt/k", []byte("x"), "X-Amz-Object-Lock-Mode", "COMPLIANCE", "X-Amz-Object-Lock-Retain-Until-Date", until).want(t, 403)
	w.do("bob", "PUT", "/bkt/new", []byte("x"), "X-Amz-Object-Lock-Legal-Hold", "ON").want(t, 403)
	w.do("bob", "POST", "/bkt/new?uploads", nil, "X-Amz-Object-Lock-Legal-Hold", "ON").want(t, 403)
	w.do("ann", "PUT", "/bkt/k", []byte("x"), "X-Amz-Object-Lock-Mode", "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date", until).want(t, 200)
}

func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	options := func(origin, method string) reply {
		return w.do("", "OPTIONS", "/bkt/k", nil, "Origin", origin, "Access-Control-Request-Method", method)
	}
	options("", "").want(t, 400)
	options("https://a.example.org", "GET").want(t, 403, "AccessForbidden")
	w.do("ann", "PUT", "/bkt?cors", []byte("<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.example.org</AllowedOrigin><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>")).want(t, 200)
	for _, c := range []struct {
		origin, method string
		status         int
	}{{"https://a.example.org", "GET", 200}, {"https://a.example.org", "PUT", 403}, {"https://b", "GET", 403}, {"https://a.example.org", "PATCH", 400}} {
		r := options(c.origin, c.method).want(t, c.status)
		if got := r.Header.Get("Access-Control-Allow-Origin"); (got == c.origin) != (c.status == 200) {
			t.Errorf("%v: %q", c, got)
		}
	}
	// Errors, too, can be read by the page; what isn't allowed can't.
	r := w.do("", "GET", "/bkt/k", nil, "Origin", "https://a.example.org").want(t, 403)
	if r.Header.Get("Access-Control-Allow-Origin") != "https://a.example.org" || r.Header.Get("Access-Control-Expose-Headers") != "ETag" || r.Header.Get("Vary") == "" {
		t.Errorf("%v", r.Header)
	}
	if r := w.do("", "GET", "/bkt/k", nil, "Origin", "https://b"); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", r.Header)
	}
}

// form makes the body of a form.
func form(t *testing.T, fields ...string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "file" {
			part, err := m.CreateFormFile("file", "photo.jpg")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = part.Write([]byte(fields[i+1]))
			continue
		}
		_ = m.WriteField(fields[i], fields[i+1])
	}
	_ = m.Close()
	return b.Bytes(), m.FormDataContentType()
}

func TestUploadsByForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	post := func(fields ...string) reply {
		body, contentType := form(t, fields...)
		return w.do("", "POST", "/bkt", body, "Content-Type", contentType, "X-Amz-Meta-Smuggled", "x")
	}
	post("key", "k", "file", "x").want(t, 403)
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `"*"`, "s3:PutObject", "bkt/in/*", "")).want(t, 204)
	post("key", "k", "file", "x").want(t, 403)
	post("key", "in/${filename}", "Content-Type", "image/jpeg", "x-amz-meta-a", "b", "file", "data").want(t, 204)
	r := w.get("bkt", "in/photo.jpg").want(t, 200)
	if string(r.body) != "data" || r.Header.Get("Content-Type") != "image/jpeg" || r.Header.Get("X-Amz-Meta-A") != "b" || r.Header.Get("X-Amz-Meta-Smuggled") != "" {
		t.Errorf("%q %v", r.body, r.Header)
	}
	if r := post("key", "in/k", "success_action_status", "201", "file", "x").want(t, 201); !strings.Contains(string(r.body), "<Key>in/k</Key>") {
		t.Errorf("%s", r.body)
	}
	if r := post("key", "in/k", "success_action_redirect", "https://example.org/done?a=b", "file", "x").want(t, 303); !strings.HasPrefix(r.Header.Get("Location"), "https://example.org/done?a=b&bucket=bkt&key=in%2Fk&etag=") {
		t.Errorf("%v", r.Header)
	}
	post("key", "in/k", "success_action_redirect", "javascript:alert(1)", "file", "x").want(t, 204)
	post("key", "in/k", "x-amz-meta-a", "b\r\nX-Amz-Acl: public-read", "file", "x").want(t, 400, "InvalidArgument")
	post("key", "in/k", "x-amz-meta-a: b", "c", "file", "x").want(t, 400, "InvalidArgument")
	post("key", "in/once", "if-none-match", "*", "file", "first").want(t, 204)
	post("key", "in/once", "if-none-match", "*", "file", "second").want(t, 412, "PreconditionFailed")
	post("key", "in/once", "If-Match", `"other"`, "file", "second").want(t, 412, "PreconditionFailed")
	if r := w.get("bkt", "in/once"); string(r.body) != "first" {
		t.Errorf("put under a condition: %s", r.body)
	}
	post("key", "in/k").want(t, 400)
	post("file", "x").want(t, 400)
	post("key", "in/k", "policy", "e30=", "file", "x").want(t, 400, "InvalidArgument") // a policy that nobody signed
	body, contentType := form(t, "key", "in/cut", "file", strings.Repeat("x", 1000))
	w.do("", "POST", "/bkt", body[:len(body)-100], "Content-Type", contentType).want(t, 400)
	w.get("bkt", "in/cut").want(t, 404)
	w.do("ann", "POST", "/bkt", []byte("x")).want(t, 400, "MalformedPOSTRequest")
}

func TestBucketsAreMadeWithTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document := func(inner string) []byte {
		return []byte("<CreateBucketConfiguration>" + inner + "</CreateBucketConfiguration>")
	}
	w.do("ann", "PUT", "/tagged", document("<Tags><Tag><Key>team</Key><Value>red</Value></Tag></Tags>")).want(t, 200)
	if r := w.do("ann", "GET", "/tagged?tagging", nil).want(t, 200); !strings.Contains(string(r.body), "<Key>team</Key><Value>red</Value>") {
		t.Errorf("tags are %s", r.body)
	}
	w.do("ann", "PUT", "/bad", document("<Tags><Tag><Key></Key><Value>red</Value></Tag></Tags>")).want(t, 400, "InvalidTag")
	w.do("ann", "PUT", "/bad", document("<Bucket><Type>Directory</Type></Bucket>")).want(t, 501, "NotImplemented")
	w.do("ann", "HEAD", "/bad", nil).want(t, 404)
}
