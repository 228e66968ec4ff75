package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// sign signs a request of the example key over the headers named, as its holder may.
func sign(r *sigv4.Request, signed, payload string) {
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	canonical := r.Method + "\n" + r.Path + "\n\n"
	for name := range strings.SplitSeq(signed, ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += "\n" + signed + "\n" + payload
	_, scope, _ := strings.Cut(exampleScope, "/")
	key := []byte("AWS4" + exampleSecret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	toSign := "AWS4-HMAC-SHA256\n" + r.Header.Get("x-amz-date") + "\n" + scope + "\n" + sum(canonical)
	r.Header.Set("Authorization", authorization(signed, hex.EncodeToString(mac(key, toSign))))
}

// What a signature leaves out can't be put there on the way: a body behind a request
// that was signed for none, nor a header that S3 acts upon.
func TestWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		length          int64
		header          []string
		signed, payload string
		code            string
	}{
		"no body, and no hash of one": {0, nil, "host;x-amz-date", emptyHash, ""},
		"a body without a hash":       {5, nil, "host;x-amz-date", emptyHash, "InvalidRequest"},
		"one of unknown length":       {-1, nil, "host;x-amz-date", emptyHash, "InvalidRequest"},
		"a hash that is signed":       {5, []string{"x-amz-content-sha256", emptyHash}, "host;x-amz-content-sha256;x-amz-date", emptyHash, ""},
		"a hash that isn't":           {5, []string{"x-amz-content-sha256", emptyHash}, "host;x-amz-date", emptyHash, "AccessDenied"},
		"an ACL that isn't":           {0, []string{"x-amz-acl", "public-read"}, "host;x-amz-date", emptyHash, "AccessDenied"},
		"an ACL that is":              {0, []string{"x-amz-acl", "public-read"}, "host;x-amz-acl;x-amz-date", emptyHash, ""},
		"a date that isn't":           {0, nil, "host", emptyHash, ""}, // it is in what is signed
		"another day's key":           {0, []string{"x-amz-date", "20130523T235959Z"}, "host;x-amz-date", emptyHash, "AuthorizationHeaderMalformed"},
		"a host that isn't":           {0, nil, "x-amz-date", emptyHash, "AuthorizationHeaderMalformed"},
	} {
		r := sigv4.Request{Method: "PUT", Path: "/b/k", Host: "h", ContentLength: tt.length, Header: header(append([]string{"x-amz-date", "20130524T000000Z"}, tt.header...)...)}
		sign(&r, tt.signed, tt.payload)
		if _, err := verify(r, exampleSecret); codeOf(err) != tt.code || (err == nil) != (tt.code == "") {
			t.Errorf("%s: %v, want %q", name, err, tt.code)
		}
	}
}

// A signature, or a parameter of one, that comes twice leaves open which one counts.
func TestParametersThatComeTwice(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Amz-Expires=1", "X-Amz-Signature=" + strings.Repeat("0", 64), "X-Amz-Date=20130524T000000Z", "X-Amz-Credential=x"} {
		r := vectors["presigned"]
		r.RawQuery += "&" + name
		if _, err := sigv4.Find(&r, false); codeOf(err) != "AuthorizationQueryParametersError" {
			t.Errorf("%s again: %v", name, err)
		}
	}
	r := vectors["presigned"]
	r.Header = vectors["get object"].Header
	if _, err := sigv4.Find(&r, false); codeOf(err) != "InvalidArgument" {
		t.Errorf("a signature in the query, and one in the header: %v", err)
	}
}
