package settings

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// parsers are all documents, by the names of their roots.
func parsers() map[string]func([]byte) (any, error) {
	type parser = func([]byte) (any, error)
	return map[string]parser{
		"CORSConfiguration":                 func(d []byte) (any, error) { return ParseCORS(d) },
		"LifecycleConfiguration":            func(d []byte) (any, error) { return ParseLifecycle(d) },
		"WebsiteConfiguration":              func(d []byte) (any, error) { return ParseWebsite(d) },
		"Tagging":                           func(d []byte) (any, error) { return ParseTagging(d, MaxObjectTags) },
		"ServerSideEncryptionConfiguration": func(d []byte) (any, error) { return ParseEncryption(d) },
		"OwnershipControls":                 func(d []byte) (any, error) { return ParseOwnership(d) },
		"PublicAccessBlockConfiguration":    func(d []byte) (any, error) { return ParsePublicAccess(d) },
		"VersioningConfiguration":           func(d []byte) (any, error) { return ParseVersioning(d) },
		"RequestPaymentConfiguration":       func(d []byte) (any, error) { return ParsePayment(d) },
		"ObjectLockConfiguration":           func(d []byte) (any, error) { return ParseLock(d) },
		"Retention":                         func(d []byte) (any, error) { _, _, err := ParseRetention(d); return nil, err },
		"LegalHold":                         func(d []byte) (any, error) { return ParseHold(d) },
	}
}

// TestDocuments: each line is a document's root, what stands in it, and the code
// that it is refused with, "" if it isn't.
func TestDocuments(t *testing.T) {
	t.Parallel()
	const rule = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
	cors := func(inside string) string { return "<CORSRule>" + rule + inside + "</CORSRule>" }
	life := func(inside string) string {
		return "<Rule><Filter/><Status>Enabled</Status>" + inside + "</Rule>"
	}
	const days = "<Expiration><Days>1</Days></Expiration>"
	lock := func(inside string) string {
		return "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>" + inside + "</DefaultRetention></Rule>"
	}
	for _, c := range [][3]string{
		{"CORSConfiguration", cors("<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>3</MaxAgeSeconds><ID>x</ID>"), ""},
		{"CORSConfiguration", "", "MalformedXML"},
		{"CORSConfiguration", strings.Repeat(cors(""), 101), "MalformedXML"},
		{"CORSConfiguration", "<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>", "MalformedXML"},
		{"CORSConfiguration", cors("<AllowedMethod>PATCH</AllowedMethod>"), "InvalidRequest"},
		{"CORSConfiguration", cors("<AllowedOrigin>*.a.*</AllowedOrigin>"), "InvalidRequest"},
		{"CORSConfiguration", cors("<AllowedHeader>x-*-*</AllowedHeader>"), "InvalidRequest"},
		{"CORSConfiguration", cors("<ExposeHeader>*</ExposeHeader>"), "InvalidRequest"},
		{"CORSConfiguration", cors("<MaxAgeSeconds>soon</MaxAgeSeconds>"), "MalformedXML"},
		{"CORSConfiguration", cors("<AllowCredentials>true</AllowCredentials>"), "MalformedXML"},

		{"LifecycleConfiguration", life(days), ""},
		{"LifecycleConfiguration", "<Rule><Prefix>a</Prefix><Status>Disabled</Status>" + days + "</Rule>", ""},
		{"LifecycleConfiguration", life("<ID>a</ID>"+days) + life("<ID>b</ID>"+days), ""},
		{"LifecycleConfiguration", life("<ID>a</ID>"+days) + life("<ID>a</ID>"+days), "InvalidArgument"},
		{"LifecycleConfiguration", life("<ID>" + strings.Repeat("a", 256) + "</ID>" + days), "InvalidArgument"},
		{"LifecycleConfiguration", "<Rule><Status>Enabled</Status>" + days + "</Rule>", "MalformedXML"},
		{"LifecycleConfiguration", "<Rule><Filter/><Prefix/><Status>Enabled</Status>" + days + "</Rule>", "MalformedXML"},
		{"LifecycleConfiguration", "<Rule><Filter/><Status>enabled</Status>" + days + "</Rule>", "MalformedXML"},
		{"LifecycleConfiguration", life(""), "InvalidRequest"},
		{"LifecycleConfiguration", life("<Expiration><Days>0</Days></Expiration>"), "InvalidArgument"},
		{"LifecycleConfiguration", life("<Expiration><Days>1</Days><Date>2026-01-01</Date></Expiration>"), "MalformedXML"},
		{"LifecycleConfiguration", life("<Expiration><Date>2026-01-01T00:00:00Z</Date></Expiration>"), ""},
		{"LifecycleConfiguration", life("<Expiration><Date>2026-01-01T10:00:00Z</Date></Expiration>"), "InvalidArgument"},
		{"LifecycleConfiguration", life("<Expiration><Date>20260101</Date></Expiration>"), "MalformedXML"},
		{"LifecycleConfiguration", life("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"), ""},
		{"LifecycleConfiguration", life("<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration>"), ""},
		{"LifecycleConfiguration", life("<NoncurrentVersionExpiration><NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration>"), "InvalidArgument"},
		{"LifecycleConfiguration", life("<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>"), ""},
		{"LifecycleConfiguration", life("<AbortIncompleteMultipartUpload/>"), "InvalidArgument"},
		{"LifecycleConfiguration", "<Rule><Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>", "InvalidRequest"},
		{"LifecycleConfiguration", "<Rule><Filter><Prefix>a</Prefix><ObjectSizeLessThan>3</ObjectSizeLessThan></Filter><Status>Enabled</Status>" + days + "</Rule>", "MalformedXML"},
		{"LifecycleConfiguration", "<Rule><Filter><And><Prefix>a</Prefix><ObjectSizeGreaterThan>3</ObjectSizeGreaterThan><ObjectSizeLessThan>3</ObjectSizeLessThan></And></Filter><Status>Enabled</Status>" + days + "</Rule>", "InvalidArgument"},
		{"LifecycleConfiguration", life("<Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition>"), ""},
		{"LifecycleConfiguration", life("<Transition><Days>0</Days><StorageClass>ATTIC</StorageClass></Transition>"), "MalformedXML"},
		{"LifecycleConfiguration", life(days + "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"), "InvalidArgument"},
		{"LifecycleConfiguration", life("<Expire/>" + days), "MalformedXML"},

		{"WebsiteConfiguration", "<IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>e.html</Key></ErrorDocument>", ""},
		{"WebsiteConfiguration", "<RedirectAllRequestsTo><HostName>example.org</HostName></RedirectAllRequestsTo>", ""},
		{"WebsiteConfiguration", "<RedirectAllRequestsTo><HostName>example.org</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>", "InvalidArgument"},
		{"WebsiteConfiguration", "", "InvalidArgument"},
		{"WebsiteConfiguration", "<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", "InvalidArgument"},
		{"WebsiteConfiguration", "<IndexDocument><Suffix>a</Suffix></IndexDocument><RoutingRules/>", "MalformedXML"},
		{"WebsiteConfiguration", "<IndexDocument><Suffix>a</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect></RoutingRule></RoutingRules>", "InvalidRequest"},
		{"WebsiteConfiguration", "<IndexDocument><Suffix>a</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect><ReplaceKeyWith>x</ReplaceKeyWith><ReplaceKeyPrefixWith>y</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules>", "InvalidRequest"},

		{"Tagging", "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>", ""},
		{"Tagging", "<TagSet/>", ""},
		{"Tagging", "", "MalformedXML"},
		{"Tagging", "<TagSet><Tag><Key>a</Key></Tag></TagSet>", "MalformedXML"},
		{"Tagging", "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>a</Key><Value>c</Value></Tag></TagSet>", "InvalidTag"},
		{"Tagging", "<TagSet><Tag><Key></Key><Value>b</Value></Tag></TagSet>", "InvalidTag"},
		{"Tagging", "<TagSet><Tag><Key>aws:cost</Key><Value>b</Value></Tag></TagSet>", "InvalidTag"},
		{"Tagging", "<TagSet><Tag><Key>" + strings.Repeat("ä", 128) + "</Key><Value>" + strings.Repeat("ä", 256) + "</Value></Tag></TagSet>", ""},
		{"Tagging", "<TagSet><Tag><Key>" + strings.Repeat("a", 129) + "</Key><Value>b</Value></Tag></TagSet>", "InvalidTag"},
		{"Tagging", "<TagSet><Tag><Key>a</Key><Value>" + strings.Repeat("a", 257) + "</Value></Tag></TagSet>", "InvalidTag"},

		{"ServerSideEncryptionConfiguration", "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>", ""},
		{"ServerSideEncryptionConfiguration", "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>", "NotImplemented"},
		{"ServerSideEncryptionConfiguration", "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>", "InvalidArgument"},
		{"ServerSideEncryptionConfiguration", "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>ROT13</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>", "MalformedXML"},
		{"ServerSideEncryptionConfiguration", "", "MalformedXML"},

		{"OwnershipControls", "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>", ""},
		{"OwnershipControls", "<Rule><ObjectOwnership>Mine</ObjectOwnership></Rule>", "MalformedXML"},
		{"OwnershipControls", "", "MalformedXML"},
		{"PublicAccessBlockConfiguration", "<BlockPublicAcls>TRUE</BlockPublicAcls>", ""},
		{"PublicAccessBlockConfiguration", "<BlockPublicAcls>perhaps</BlockPublicAcls>", "MalformedXML"},
		{"PublicAccessBlockConfiguration", "<BlockPublicACLs>true</BlockPublicACLs>", "MalformedXML"},
		{"VersioningConfiguration", "<Status>Enabled</Status>", ""},
		{"VersioningConfiguration", "<Status>On</Status>", "IllegalVersioningConfigurationException"},
		{"VersioningConfiguration", "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", "NotImplemented"},
		{"RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>", ""},
		{"RequestPaymentConfiguration", "<Payer>Me</Payer>", "MalformedXML"},

		{"ObjectLockConfiguration", "<ObjectLockEnabled>Enabled</ObjectLockEnabled>", ""},
		{"ObjectLockConfiguration", lock("<Mode>GOVERNANCE</Mode><Days>1</Days>"), ""},
		{"ObjectLockConfiguration", lock("<Mode>COMPLIANCE</Mode><Years>1</Years>"), ""},
		{"ObjectLockConfiguration", lock("<Mode>governance</Mode><Days>1</Days>"), "MalformedXML"},
		{"ObjectLockConfiguration", lock("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), "MalformedXML"},
		{"ObjectLockConfiguration", lock("<Mode>GOVERNANCE</Mode>"), "MalformedXML"},
		{"ObjectLockConfiguration", lock("<Mode>GOVERNANCE</Mode><Days>0</Days>"), "InvalidRetentionPeriod"},
		{"ObjectLockConfiguration", lock("<Mode>GOVERNANCE</Mode><Years>101</Years>"), "InvalidRetentionPeriod"},
		{"ObjectLockConfiguration", "<ObjectLockEnabled>Disabled</ObjectLockEnabled>", "MalformedXML"},
		{"Retention", "<Mode>COMPLIANCE</Mode><RetainUntilDate>2026-05-01T00:00:00.000Z</RetainUntilDate>", ""},
		{"Retention", "", ""},
		{"Retention", "<Mode>COMPLIANCE</Mode>", "MalformedXML"},
		{"Retention", "<Mode>abc</Mode><RetainUntilDate>2026-05-01T00:00:00Z</RetainUntilDate>", "MalformedXML"},
		{"LegalHold", "<Status>ON</Status>", ""},
		{"LegalHold", "<Status>on</Status>", "MalformedXML"},
	} {
		doc := "<" + c[0] + ` xmlns="` + Namespace + `">` + c[1] + "</" + c[0] + ">"
		if _, err := parsers()[c[0]]([]byte(doc)); codeOf(err) != c[2] || c[2] == "" && err != nil {
			t.Errorf("%s: %v, not %q", doc, err, c[2])
		}
	}
}

func TestNoParserTakesWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for root, parse := range parsers() {
		for _, doc := range []string{
			"", "x", "<a>", "<Other/>", "<!DOCTYPE " + root + "><" + root + "/>", "<" + root + "><Surprise/></" + root + ">",
			strings.Repeat("<"+root+">", 1000), "<" + root + "/><" + root + "/>", "<" + root + "/>x", "<" + root + ">&e;</" + root + ">",
		} {
			if _, err := parse([]byte(doc)); codeOf(err) == "" {
				t.Errorf("%s: %.60q: %v", root, doc, err)
			}
		}
	}
}

func TestWrittenDocumentsReadAsTheyWere(t *testing.T) {
	t.Parallel()
	tags := []Tag{{"a", "<b>"}, {"ü", ""}}
	if got, err := ParseTagging(WriteTagging(tags), 10); err != nil || !reflect.DeepEqual(got, tags) {
		t.Errorf("%v, %v", got, err)
	}
	for _, rule := range []LockRule{{}, {Mode: Governance, Days: 3}, {Mode: Compliance, Years: 2}} {
		if got, err := ParseLock(WriteLock(rule)); err != nil || got != rule {
			t.Errorf("%v, %v", got, err)
		}
	}
	until := time.Date(2026, 5, 1, 12, 30, 0, 5e6, time.UTC)
	if mode, got, err := ParseRetention(WriteRetention(Governance, until)); err != nil || mode != Governance || !got.Equal(until) {
		t.Errorf("%v, %v, %v", mode, got, err)
	}
	for _, on := range []bool{true, false} {
		if got, err := ParseHold(WriteHold(on)); err != nil || got != on {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := ParseOwnership(WriteOwnership(ObjectWriter)); err != nil || got != ObjectWriter {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseVersioning(WriteVersioning("Enabled")); err != nil || !got {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTagHeaders(t *testing.T) {
	t.Parallel()
	got, err := ParseTagHeader("a=b%20c&d=&e+f=%C3%BC")
	if want := []Tag{{"a", "b c"}, {"d", ""}, {"e f", "ü"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{"a=%zz": "InvalidArgument", "a=1&a=2": "InvalidTag", "=1": "InvalidTag", strings.Repeat("&", 11): "InvalidTag"} {
		if _, err := ParseTagHeader(text); codeOf(err) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Tags in a header are those that a document of them would be taken with.
func FuzzTagHeader(f *testing.F) {
	for _, text := range []string{"", "a=b", "a=b&c", "a=%zz", "&", "a=1&a=2", "aws%3Ax=1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tags, err := ParseTagHeader(text)
		if err != nil {
			if codeOf(err) == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		again, err := ParseTagging(WriteTagging(tags), MaxObjectTags)
		if err != nil || !slices.Equal(tags, again) {
			t.Fatalf("%q: %q becomes %q, %v", text, tags, again, err)
		}
	})
}

func FuzzDocuments(f *testing.F) {
	for root := range parsers() {
		f.Add(root, []byte("<"+root+"><Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></"+root+">"))
	}
	f.Fuzz(func(t *testing.T, root string, data []byte) {
		parse, ok := parsers()[root]
		if !ok {
			return
		}
		v, err := parse(data)
		if err != nil {
			if codeOf(err) == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		switch v := v.(type) {
		case *CORS:
			v.Match("a", "GET", []string{"x"})
			again(t, parse, Write(v))
		case *Lifecycle:
			v.Expires(Aged{Key: "a", Current: true}, Clock{})
			again(t, parse, Write(v))
		case *Website:
			v.Route("http", "h", "a", 404)
			again(t, parse, Write(v))
		}
	})
}

func again(t *testing.T, parse func([]byte) (any, error), data []byte) {
	t.Helper()
	v, err := parse(data)
	if err != nil {
		t.Fatalf("what was written isn't read: %v\n%s", err, data)
	}
	if more := Write(v); !bytes.Equal(more, data) {
		t.Fatalf("%s\nbecomes\n%s", data, more)
	}
}
