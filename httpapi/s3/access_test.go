package s3_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/acl"
)

// allow is a policy of one statement.
func allow(effect, principal, action, resource, condition string) []byte {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"` + action + `","Resource":"arn:aws:s3:::` + resource + `"` + condition + `}]}`)
}

func TestABucketIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	for _, who := range []string{"bob", ""} {
		for _, c := range [][2]string{
			{"GET", "/bkt"},
			{"GET", "/bkt?versions"},
			{"GET", "/bkt?uploads"},
			{"HEAD", "/bkt"},
			{"DELETE", "/bkt"},
			{"GET", "/bkt?policy"},
			{"PUT", "/bkt?policy"},
			{"GET", "/bkt?acl"},
			{"PUT", "/bkt?cors"},
			{"GET", "/bkt?location"},
			{"PUT", "/bkt?versioning"},
			{"DELETE", "/bkt?lifecycle"},
			{"POST", "/bkt/k?uploads"},
			{"GET", "/bkt/k"},
			{"HEAD", "/bkt/k"},
			{"PUT", "/bkt/k"},
			{"PUT", "/bkt/new"},
			{"DELETE", "/bkt/k"},
			{"GET", "/bkt/k?acl"},
			{"PUT", "/bkt/k?acl"},
			{"GET", "/bkt/k?tagging"},
			{"PUT", "/bkt/k?tagging"},
			{"GET", "/bkt/absent"},
			{"GET", "/bkt/k?attributes"},
			{"PUT", "/bkt/k?retention"},
			{"DELETE", "/bkt/k?tagging"},
			{"PUT", "/bkt?acl"},
		} {
			if r := w.do(who, c[0], c[1], nil); r.StatusCode != http.StatusForbidden {
				t.Errorf("%q %s %s: %d %s", who, c[0], c[1], r.StatusCode, r.body)
			}
		}
	}
	w.get("bkt", "k").want(t, 200)
}

func TestWhatAPolicyGives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "pub/k", "data")
	w.put("bkt", "private/k", "data")
	put := func(document []byte) { w.do("ann", "PUT", "/bkt?policy", document).want(t, 204) }

	put(allow("Allow", `"*"`, "s3:GetObject", "bkt/pub/*", ""))
	for _, who := range []string{"bob", ""} {
		w.do(who, "GET", "/bkt/pub/k", nil).want(t, 200)
		w.do(who, "HEAD", "/bkt/pub/k", nil).want(t, 200)
		w.do(who, "GET", "/bkt/private/k", nil).want(t, 403)
		w.do(who, "GET", "/bkt/pub/absent", nil).want(t, 403, "AccessDenied") // who may not list doesn't learn
		w.do(who, "PUT", "/bkt/pub/k", nil).want(t, 403)
		w.do(who, "GET", "/bkt", nil).want(t, 403)
	}
	put(allow("Allow", `{"AWS":"bob"}`, "s3:ListBucket", "bkt", `{"StringLike":{"s3:prefix":"pub/*"}}`))
	w.do("bob", "GET", "/bkt?prefix=pub%2Fx", nil).want(t, 200)
	w.do("bob", "GET", "/bkt?prefix=private%2F", nil).want(t, 403)
	w.do("bob", "GET", "/bkt", nil).want(t, 403)
	w.do("", "GET", "/bkt?prefix=pub%2Fx", nil).want(t, 403)
	w.do("bob", "HEAD", "/bkt/pub/absent", nil).want(t, 404)
	w.do("bob", "HEAD", "/bkt/private/absent", nil).want(t, 403)

	// A deny binds the owner, too; but not so that he can't take it back.
	put(allow("Deny", `"*"`, "s3:*", "*", ""))
	w.get("bkt", "pub/k").want(t, 403)
	w.do("ann", "GET", "/bkt", nil).want(t, 403)
	w.do("ann", "GET", "/bkt?policy", nil).want(t, 200)
	w.do("ann", "DELETE", "/bkt?policy", nil).want(t, 204)
	w.get("bkt", "pub/k").want(t, 200)
	w.do("ann", "GET", "/bkt?policy", nil).want(t, 404, "NoSuchBucketPolicy")
}

func TestConditionsSeeTheRequestAndTheObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "red", "data", "X-Amz-Tagging", "colour=red")
	w.put("bkt", "blue", "data", "X-Amz-Tagging", "colour=blue")
	put := func(action, condition string) {
		w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, action, "bkt/*", condition)).want(t, 204)
	}
	put("s3:GetObject", `{"StringEquals":{"s3:ExistingObjectTag/colour":"red"}}`)
	w.do("bob", "GET", "/bkt/red", nil).want(t, 200)
	w.do("bob", "GET", "/bkt/blue", nil).want(t, 403)

	put("s3:PutObject*", `{"StringEquals":{"s3:x-amz-server-side-encryption":"AES256","s3:RequestObjectTag/a":"b"}}`)
	w.do("bob", "PUT", "/bkt/new", []byte("x"), "X-Amz-Server-Side-Encryption", "AES256", "X-Amz-Tagging", "a=b").want(t, 200)
	w.do("bob", "PUT", "/bkt/new", []byte("x"), "X-Amz-Tagging", "a=b").want(t, 403)

	put("s3:GetObject", `{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"},"Bool":{"aws:SecureTransport":"false"},"DateLessThan":{"aws:CurrentTime":"2500-01-01T00:00:00Z"}}`)
	w.do("bob", "GET", "/bkt/blue", nil).want(t, 200)
	put("s3:GetObject", `{"NotIpAddress":{"aws:SourceIp":"127.0.0.0/8"}}`)
	w.do("bob", "GET", "/bkt/blue", nil).want(t, 403)

	put("s3:PutObjectTagging", `{"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a"]},"StringEquals":{"s3:RequestObjectTag/a":"b"}}`)
	tags := func(key string) []byte {
		return []byte("<Tagging><TagSet><Tag><Key>" + key + "</Key><Value>b</Value></Tag></TagSet></Tagging>")
	}
	w.do("bob", "PUT", "/bkt/red?tagging", tags("a")).want(t, 200)
	w.do("bob", "PUT", "/bkt/red?tagging", tags("c")).want(t, 403)
}

// Keys that AWS gives to every request must be there: a denial that waits for one
// would never come.
func TestDenialsSeeWhatEveryRequestHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do("ann", "PUT", "/bkt", nil, "X-Amz-Bucket-Object-Lock-Enabled", "true").want(t, 200)
	w.put("bkt", "k", "data")
	deny := func(action, condition string) {
		t.Helper()
		w.do("ann", "PUT", "/bkt?policy", allow("Deny", `"*"`, action, "bkt/*", condition)).want(t, 204)
	}
	for condition, status := range map[string]int{
		`{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"},"Bool":{"aws:ViaAWSService":"false"}}`: 403,
		`{"Bool":{"aws:PrincipalIsAWSService":"false"},"Bool":{"aws:ViaAWSService":"true"}}`:    400, // twice
		`{"Bool":{"aws:PrincipalIsAWSService":"false"}}`:                                        403,
		`{"Bool":{"aws:PrincipalIsAWSService":"true"}}`:                                         200,
		`{"NumericGreaterThanEquals":{"s3:signatureAge":"0"}}`:                                  403,
		`{"NumericGreaterThan":{"s3:signatureAge":"600000"}}`:                                   200,
		`{"StringNotEquals":{"aws:ResourceAccount":"` + acl.ID("ann") + `"}}`:                   200,
		`{"NumericLessThan":{"s3:TlsVersion":"1.2"}}`:                                           200, // absent, without TLS
		`{"Bool":{"s3:ObjectCreationOperation":"true"}}`:                                        200, // of no read
	} {
		if status == 400 {
			w.do("ann", "PUT", "/bkt?policy", allow("Deny", `"*"`, "s3:GetObject", "bkt/*", condition)).want(t, 400, "MalformedPolicy")
			continue
		}
		deny("s3:GetObject", condition)
		if r := w.get("bkt", "k"); r.StatusCode != status {
			t.Errorf("%s: %d, want %d", condition, r.StatusCode, status)
		}
	}

	// AWS's way to demand conditional writes.
	deny("s3:PutObject", `{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}`)
	w.do("ann", "PUT", "/bkt/new", []byte("x")).want(t, 403)
	w.do("ann", "PUT", "/bkt/new", nil, "X-Amz-Copy-Source", "bkt/k").want(t, 403)
	w.do("ann", "PUT", "/bkt/new", []byte("x"), "If-None-Match", "*").want(t, 200)
	id := w.begin("/bkt/parts")
	etag := w.part("/bkt/parts", id, 1, "x").want(t, 200).Header.Get("ETag")
	w.complete("/bkt/parts", id, completion(1, etag)).want(t, 403)
	w.complete("/bkt/parts", id, completion(1, etag), "If-None-Match", "*").want(t, 200)

	// And to bound retentions, whether a header or a document asks for them.
	deny("s3:PutObjectRetention", `{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":"10"}}`)
	days := func(n int) string { return time.Now().AddDate(0, 0, n).UTC().Format(time.RFC3339) }
	for n, status := range map[int]int{5: 200, 20: 403} {
		w.do("ann", "PUT", "/bkt/k?retention", []byte("<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>"+days(n)+"</RetainUntilDate></Retention>")).want(t, status)
		w.do("ann", "PUT", "/bkt/held", nil, "X-Amz-Object-Lock-Mode", "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date", days(n)).want(t, status)
	}
	deny("s3:PutObjectLegalHold", `{"StringEquals":{"s3:object-lock-legal-hold":"OFF"}}`)
	w.do("ann", "PUT", "/bkt/k?legal-hold", []byte("<LegalHold><Status>ON</Status></LegalHold>")).want(t, 200)
	w.do("ann", "PUT", "/bkt/k?legal-hold", []byte("<LegalHold><Status>OFF</Status></LegalHold>")).want(t, 403)
}

func TestACopyAsksForItsSourceToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("from")
	w.put("from", "pub/k", "data")
	w.put("from", "private/k", "data")
	w.do("bob", "PUT", "/tob", nil).want(t, 200)
	w.do("ann", "PUT", "/from?policy", allow("Allow", `{"AWS":"bob"}`, "s3:GetObject", "from/pub/*", "")).want(t, 204)
	w.do("bob", "PUT", "/tob/k", nil, "X-Amz-Copy-Source", "/from/pub/k").want(t, 200)
	w.do("bob", "PUT", "/tob/k", nil, "X-Amz-Copy-Source", "/from/private/k").want(t, 403)
	w.do("ann", "PUT", "/tob/k", nil, "X-Amz-Copy-Source", "/from/pub/k").want(t, 403)
}

func TestDeletingManyAsksForEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "pub/k", "data")
	w.put("bkt", "private/k", "data")
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `"*"`, "s3:DeleteObject", "bkt/pub/*", "")).want(t, 204)
	r := w.do("", "POST", "/bkt?delete", []byte("<Delete><Object><Key>pub/k</Key></Object><Object><Key>private/k</Key></Object></Delete>"))
	if text := string(r.body); !strings.Contains(text, "<Deleted><Key>pub/k</Key></Deleted>") || !strings.Contains(text, "<Error><Key>private/k</Key><Code>AccessDenied</Code>") {
		t.Error(text)
	}
	w.get("bkt", "private/k").want(t, 200)
}

func TestAKeyThatMayOnlyReadChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	ann := w.user("ann")
	weak, _ := caps.AtMost(ann.Root, caps.AuthorityRead)
	w.keys.users["KEYREADER"] = user{accounts.Account{Name: "ann", Root: weak}, "KEYREADER", "s"}
	w.do("reader", "GET", "/bkt/k", nil).want(t, 200)
	w.do("reader", "GET", "/bkt", nil).want(t, 200)
	for _, c := range [][2]string{{"PUT", "/bkt/k"}, {"DELETE", "/bkt/k"}, {"PUT", "/bkt?policy"}, {"PUT", "/new"}, {"DELETE", "/bkt"}, {"PUT", "/bkt/k?acl"}, {"POST", "/bkt/k?uploads"}, {"PUT", "/bkt?versioning"}} {
		w.do("reader", c[0], c[1], nil).want(t, 403)
	}
	// What everybody may do it may not either.
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `"*"`, "s3:*", "bkt/*", "")).want(t, 204)
	w.do("reader", "DELETE", "/bkt/k", nil).want(t, 403)
}

// TestAKeyToAnotherRootIsNoOwner: the account's name is not enough.
func TestAKeyToAnotherRootIsNoOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	other, err := w.fs.CreateRoot(t.Context(), "account")
	if err != nil {
		t.Fatal(err)
	}
	w.keys.users["KEYPART"] = user{accounts.Account{Name: "ann", Root: other}, "KEYPART", "s"}
	w.do("part", "GET", "/bkt/k", nil).want(t, 403)
	w.do("part", "PUT", "/bkt?policy", allow("Allow", `"*"`, "s3:*", "bkt/*", "")).want(t, 403)
}

func TestAnExpectedOwnerMustBeTheOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	w.get("bkt", "k", "X-Amz-Expected-Bucket-Owner", acl.ID("ann")).want(t, 200)
	w.get("bkt", "k", "X-Amz-Expected-Bucket-Owner", "ann").want(t, 200)
	w.get("bkt", "k", "X-Amz-Expected-Bucket-Owner", acl.ID("bob")).want(t, 403)
	w.do("ann", "PUT", "/bkt/c", nil, "X-Amz-Copy-Source", "/bkt/k", "X-Amz-Source-Expected-Bucket-Owner", "bob").want(t, 403)
}

func objectWriter(s *s3.Server) { s.ObjectWriter = true }

func TestWhatACLsGive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, objectWriter)
	w.bucket("bkt", "X-Amz-Acl", "public-read")
	w.put("bkt", "private", "data")
	w.put("bkt", "public", "data", "X-Amz-Acl", "public-read")
	w.put("bkt", "bobs", "data", "X-Amz-Grant-Read", "id="+acl.ID("bob"))
	w.do("", "GET", "/bkt", nil).want(t, 200)
	w.do("", "GET", "/bkt/public", nil).want(t, 200)
	w.do("", "GET", "/bkt/private", nil).want(t, 403)
	w.do("", "GET", "/bkt/absent", nil).want(t, 404)
	w.do("bob", "GET", "/bkt/bobs", nil).want(t, 200)
	w.do("", "GET", "/bkt/bobs", nil).want(t, 403)
	w.do("bob", "PUT", "/bkt/new", nil).want(t, 403)
	w.do("bob", "GET", "/bkt/bobs?acl", nil).want(t, 403)

	// Whoever writes into it owns what he wrote, and the bucket's owner doesn't.
	w.do("ann", "PUT", "/bkt?acl", nil, "X-Amz-Acl", "public-read-write").want(t, 200)
	w.do("bob", "PUT", "/bkt/his", []byte("x")).want(t, 200)
	w.get("bkt", "his").want(t, 403)
	w.do("ann", "GET", "/bkt/his?acl", nil).want(t, 403)
	w.do("bob", "GET", "/bkt/his", nil).want(t, 200)
	w.do("bob", "PUT", "/bkt/his?acl", nil, "X-Amz-Acl", "bucket-owner-read").want(t, 200)
	w.get("bkt", "his").want(t, 200)
	if text := string(w.do("ann", "GET", "/bkt?fetch-owner=true&list-type=2", nil).body); !strings.Contains(text, "<ID>"+acl.ID("bob")+"</ID>") {
		t.Error(text)
	}
	w.do("ann", "DELETE", "/bkt/his", nil).want(t, 204)

	// The list stays private where public ones don't count.
	w.do("ann", "PUT", "/bkt?publicAccessBlock", []byte("<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>")).want(t, 200)
	w.do("", "GET", "/bkt/public", nil).want(t, 403)
	w.do("", "GET", "/bkt", nil).want(t, 403)
	w.do("bob", "GET", "/bkt/bobs", nil).want(t, 200)
}

func TestWithoutACLsTheOwnerOwnsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, "s3:*", "bkt*", "")).want(t, 204)
	w.do("bob", "PUT", "/bkt/k", []byte("x")).want(t, 200)
	w.get("bkt", "k").want(t, 200)
	if text := string(w.do("ann", "GET", "/bkt/k?acl", nil).body); !strings.Contains(text, "<Owner><ID>"+acl.ID("ann")+"</ID>") {
		t.Error(text)
	}
	w.do("bob", "PUT", "/bkt/k", nil, "X-Amz-Acl", "bucket-owner-full-control").want(t, 200)
	w.do("ann", "PUT", "/bkt/k", nil, "X-Amz-Acl", "private").want(t, 200) // what some clients always say
	w.do("bob", "PUT", "/bkt/k", nil, "X-Amz-Acl", "private").want(t, 400, "AccessControlListNotSupported")
	w.do("ann", "PUT", "/bkt/k", nil, "X-Amz-Acl", "public-read").want(t, 400, "AccessControlListNotSupported")
	w.do("ann", "PUT", "/bkt?acl", nil, "X-Amz-Acl", "public-read").want(t, 400, "AccessControlListNotSupported")
	w.do("ann", "PUT", "/cee", nil, "X-Amz-Acl", "public-read").want(t, 400, "InvalidBucketAclWithObjectOwnership")
	w.do("ann", "PUT", "/cee", nil, "X-Amz-Acl", "public-read", "X-Amz-Object-Ownership", "ObjectWriter").want(t, 200)
	w.do("ann", "PUT", "/cee?ownershipControls", []byte("<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>")).
		want(t, 400, "InvalidBucketAclWithObjectOwnership")
}

func TestTheBlockOfPublicAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, objectWriter)
	w.bucket("bkt")
	w.put("bkt", "k", "data")
	block := func(what string) {
		w.do("ann", "PUT", "/bkt?publicAccessBlock", []byte("<PublicAccessBlockConfiguration><"+what+">true</"+what+"></PublicAccessBlockConfiguration>")).want(t, 200)
	}
	public := allow("Allow", `"*"`, "s3:GetObject", "bkt/*", "")
	block("BlockPublicPolicy")
	w.do("ann", "PUT", "/bkt?policy", public).want(t, 403)
	w.do("ann", "PUT", "/bkt?policy", allow("Allow", `{"AWS":"bob"}`, "s3:GetObject", "bkt/*", "")).want(t, 204)
	block("BlockPublicAcls")
	w.do("ann", "PUT", "/bkt?acl", nil, "X-Amz-Acl", "public-read").want(t, 403)
	w.do("ann", "PUT", "/bkt/k2", nil, "X-Amz-Acl", "authenticated-read").want(t, 403)
	w.do("ann", "PUT", "/bkt?policy", public).want(t, 204)
	w.do("", "GET", "/bkt/k", nil).want(t, 200)
	block("RestrictPublicBuckets")
	w.do("", "GET", "/bkt/k", nil).want(t, 403)
	w.do("bob", "GET", "/bkt/k", nil).want(t, 403)
	w.get("bkt", "k").want(t, 200)
	if text := string(w.do("ann", "GET", "/bkt?policyStatus", nil).body); !strings.Contains(text, "<IsPublic>true</IsPublic>") {
		t.Error(text)
	}
}

// TestADamagedDocumentAllowsNothing: nobody gets in by what can't be read.
func TestADamagedDocumentAllowsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"policy", "acl", "ownership", "public-access"} {
		bucket := "b-" + name
		w.bucket(bucket)
		w.put(bucket, "k", "data")
		b, err := w.fs.Bucket(t.Context(), bucket)
		if err != nil {
			t.Fatal(err)
		}
		if name == "acl" {
			w.do("ann", "PUT", "/"+bucket+"?ownershipControls", []byte("<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>")).want(t, 200)
		}
		if err := b.Update(t.Context(), func(i *filestore.BucketInfo) error {
			if i.Documents == nil {
				i.Documents = map[string][]byte{}
			}
			i.Documents[name] = []byte("{")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if r := w.do("bob", "GET", "/"+bucket, nil); r.StatusCode < 400 {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
}

func TestExpirationIsToldWithTheObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("bkt")
	w.do("ann", "PUT", "/bkt?lifecycle", []byte(`<LifecycleConfiguration><Rule><ID>my rule</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)).want(t, 200)
	end := time.Now().UTC().Add(24 * time.Hour).Truncate(24 * time.Hour).Add(24 * time.Hour)
	want := `expiry-date="` + end.Format(http.TimeFormat) + `", rule-id="my+rule"`
	if got := w.put("bkt", "tmp/k", "x").Header.Get("X-Amz-Expiration"); got != want {
		t.Errorf("put: %q, not %q", got, want)
	}
	if got := w.get("bkt", "tmp/k").Header.Get("X-Amz-Expiration"); got != want {
		t.Errorf("get: %q", got)
	}
	if got := w.put("bkt", "k", "x").Header.Get("X-Amz-Expiration"); got != "" {
		t.Errorf("another prefix: %q", got)
	}
}
