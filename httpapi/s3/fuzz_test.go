package s3

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// A target is refused, or names a key that is encoded to the same again.
func FuzzTarget(f *testing.F) {
	for _, target := range []string{"/", "/b", "/b/", "/b/k", "//k", "/b//k?versionId=x&acl", "http://h/b/k?x", "*", "/b/%2e%2e/%00", "/b/%zz", "/b/k?%zz"} {
		f.Add(target, "h.example.org")
	}
	f.Fuzz(func(t *testing.T, raw, host string) {
		got, err := parseTarget(&http.Request{RequestURI: raw}, host, []string{"example.org"})
		if err != nil {
			if failureOf(err).code == InternalError {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if len(got.key) > maxKey || strings.Contains(got.key, "\x00") {
			t.Fatalf("%q: key %q", raw, got.key)
		}
		if got.virtual {
			return
		}
		again, err := parseTarget(&http.Request{RequestURI: "/" + sigv4.Escape(got.bucket, false) + "/" + sigv4.Escape(got.key, true)}, "h", nil)
		if err != nil || again.key != got.key || again.bucket != got.bucket {
			t.Fatalf("%q: %q %q, then %q %q, %v", raw, got.bucket, got.key, again.bucket, again.key, err)
		}
	})
}

// A range is within the object.
func FuzzRange(f *testing.F) {
	for _, text := range []string{"bytes=0-0", "bytes=5-", "bytes=-5", "bytes=9223372036854775807-", "bytes=--1", "bytes=1-2,3-4"} {
		f.Add(text, int64(10))
	}
	f.Fuzz(func(t *testing.T, text string, size int64) {
		size = max(size, 0)
		off, n, ok := parseRange(text, size)
		if ok && n > 0 && (off < 0 || off+n > size || off+n < off) {
			t.Fatalf("%q of %d: %d from %d", text, size, n, off)
		}
	})
}

// The source of a copy is a bucket and a key, or refused.
func FuzzCopySource(f *testing.F) {
	for _, text := range []string{"/b/k", "b/k?versionId=null", "b/%2Fk", "b", "", "/b/", "?versionId="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bucket, key, _, err := parseCopySource(text)
		if err == nil && (bucket == "" || key == "" || strings.Contains(bucket, "/")) {
			t.Fatalf("%q: %q %q", text, bucket, key)
		}
	})
}

// What a document holds is read back by anybody's parser, as far as XML 1.0 can
// say it.
func FuzzDocument(f *testing.F) {
	f.Add("a<b>&\"'ü\n\t")
	f.Add("\x00\x01\xff\uFFFE")
	f.Fuzz(func(t *testing.T, text string) {
		d := newDocument("Root")
		d.text("Text", text)
		var got struct{ Text string }
		err := xml.Unmarshal(d.end("Root"), &got)
		plain := strings.IndexFunc(text, func(r rune) bool {
			return r < 0x20 && r != '\t' && r != '\n' || r == 0xFFFD || r == 0xFFFE || r == 0xFFFF
		}) < 0
		if plain && (err != nil || got.Text != text) {
			t.Fatalf("%q came back as %q, %v", text, got.Text, err)
		}
	})
}

// A completion is parts in ascending order, or refused.
func FuzzComplete(f *testing.F) {
	f.Add([]byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		parts, err := parseComplete(body)
		for i := range parts {
			if err == nil && i > 0 && parts[i].Number <= parts[i-1].Number {
				t.Fatalf("%v", parts)
			}
		}
	})
}

// What is to be deleted is named, as often as may be, or refused.
func FuzzDelete(f *testing.F) {
	f.Add([]byte("<Delete><Quiet>true</Quiet><Object><Key>a</Key><VersionId>null</VersionId><ETag>e</ETag><Size>1</Size></Object></Delete>"))
	f.Add([]byte("<Delete><Object/></Delete>"))
	f.Add([]byte(`<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := parseDelete(body)
		switch {
		case err != nil && failureOf(err).code != MalformedXML:
			t.Fatalf("%v", err)
		case err == nil && (len(doc.Objects) == 0 || len(doc.Objects) > maxDeletes):
			t.Fatalf("%d objects", len(doc.Objects))
		}
		for i := range doc.Objects {
			var cond filestore.Conditions
			_ = deleteCondition(&cond, doc.Objects[i].Mtime, doc.Objects[i].Size)
			if cond.Size != nil && *cond.Size < 0 {
				t.Fatalf("a size of %d", *cond.Size)
			}
		}
	})
}

// A token comes back as what it was made of, and no other is taken.
func FuzzToken(f *testing.F) {
	for _, token := range []string{"", "AWEvYg", "AA", "AWEvYg==", "!"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		after, err := decodeToken(token)
		if err != nil {
			return
		}
		if again, err := decodeToken(encodeToken(after)); err != nil || again != after {
			t.Fatalf("%q: %q, then %q, %v", token, after, again, err)
		}
	})
}
