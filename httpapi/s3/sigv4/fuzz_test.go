package sigv4_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// Whatever a request says, it is a claim or an error of S3's, and no secret that
// didn't sign it confirms it.
func FuzzFind(f *testing.F) {
	for _, r := range vectors {
		f.Add(r.Header.Get("Authorization"), r.RawQuery, r.Header.Get("X-Amz-Date"))
	}
	f.Add("AWS KEY:c2ln", "", "Fri, 24 May 2013 00:00:00 GMT")
	f.Add("", "AWSAccessKeyId=a&Signature=c2ln&Expires=1", "")
	f.Fuzz(func(t *testing.T, authorization, query, date string) {
		r := sigv4.Request{Method: "GET", Path: "/b/k", RawQuery: query, Host: "h", Header: http.Header{}}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		if date != "" {
			r.Header["X-Amz-Date"] = []string{date}
		}
		for _, version2 := range []bool{false, true} {
			claim, err := sigv4.Find(&r, version2)
			if err != nil {
				if codeOf(err) == "" {
					t.Fatalf("error without a code: %v", err)
				}
				continue
			}
			if claim == nil {
				continue
			}
			if claim.Version == 2 && !version2 {
				t.Fatal("version 2 where it is off")
			}
			_ = claim.Fresh(signedAt())
			if _, err := claim.Verify(&r, []byte("a secret that nobody knows")); codeOf(err) == "" {
				t.Fatalf("confirmed: %v", err)
			}
		}
	})
}

// What a Reader gives is what the chunks hold, or an error; it never gives more
// than came.
func FuzzReader(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), false)
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:abc=\r\n\r\n"), true)
	f.Add([]byte("0\r\n\r\n"), false)
	f.Add([]byte("fffffffffffffff\r\nx"), false)
	for _, s := range streams() {
		f.Add([]byte(s.body()[65536:]), s.trailers != nil)
	}
	f.Fuzz(func(t *testing.T, body []byte, trailer bool) {
		form := sigv4.Form{}
		if trailer {
			form.Trailers = []string{"x-amz-checksum-crc32"}
		}
		data, err := io.ReadAll(sigv4.NewReader(bytes.NewReader(body), form))
		if len(data) > len(body) {
			t.Fatalf("%d bytes out of %d", len(data), len(body))
		}
		var e *sigv4.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error without a code: %v", err)
		}
		// With signatures nothing passes that nobody signed.
		chain, err := verify(vectors["get object"], exampleSecret)
		if err != nil {
			t.Fatal(err)
		}
		form.Chain = chain
		if _, err := io.ReadAll(sigv4.NewReader(bytes.NewReader(body), form)); err == nil {
			t.Fatal("unsigned chunks are confirmed")
		}
	})
}

// Encoding is undone by decoding, whatever the bytes.
func FuzzEscape(f *testing.F) {
	f.Add("a b+c/ü%2F\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		e := sigv4.Escape(s, true)
		if strings.ContainsAny(e, " +?#&\"<>\x00") {
			t.Fatalf("%q", e)
		}
		if got := sigv4.Escape(s, false); strings.Contains(got, "/") {
			t.Fatalf("%q", got)
		}
	})
}
