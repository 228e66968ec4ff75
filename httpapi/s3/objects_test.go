package s3_test

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what ETags are
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net"
	"strings"
	"testing"
)

// Every key is opaque: none is normalised, and all of these are different.
var keyShapes = []string{
	"a", "a/", "a/b", "a//b", "/a", "//", "/", ".", "..", "a/../b", "./a", "a/.", "a b", "a+b", "a%2Fb", "a%20b", "ü", "日本語/テスト", "a?b", "a#b", "a&b=c", "a\\b", "~", "a*b'(c)!",
	"\x01\x1f", "a\tb", " ", "trailing ", strings.Repeat("k", 1024), strings.Repeat("d/", 511) + "e", "emoji 🙂", "<&>\"", "a:b", "a|b", "con", "…",
}

func TestKeysAreOpaque(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("keys")
	for i, key := range keyShapes {
		w.put("keys", key, fmt.Sprint("data ", i))
	}
	for i, key := range keyShapes {
		if r := w.get("keys", key).want(t, 200); string(r.body) != fmt.Sprint("data ", i) {
			t.Errorf("%q holds %q", key, r.body)
		}
	}
	for _, key := range keyShapes {
		w.do("ann", "DELETE", "/keys/"+escape(key), nil).want(t, 204)
		w.get("keys", key).want(t, 404, "NoSuchKey")
	}
	w.do("ann", "DELETE", "/keys", nil).want(t, 204)
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, size := range []int{0, 1, 55, 56, 4096, 128 << 10, 128<<10 + 1, 1 << 20, 5<<20 + 7} {
		data := randomBytes(size)
		sum := md5.Sum(data)
		etag := `"` + hex.EncodeToString(sum[:]) + `"`
		r := w.put("data", "k", string(data), "Content-Type", "text/x-test", "X-Amz-Meta-Colour", "blue", "Cache-Control", "no-store", "Content-Encoding", "gzip, aws-chunked")
		if got := r.Header.Get("ETag"); got != etag {
			t.Errorf("%d bytes: ETag %s, want %s", size, got, etag)
		}
		r = w.get("data", "k").want(t, 200)
		if !bytes.Equal(r.body, data) {
			t.Fatalf("%d bytes: %d other bytes", size, len(r.body))
		}
		for name, want := range map[string]string{
			"ETag": etag, "Content-Type": "text/x-test", "X-Amz-Meta-Colour": "blue", "Cache-Control": "no-store", "Content-Encoding": "gzip",
			"Content-Length": fmt.Sprint(size), "Accept-Ranges": "bytes", "X-Amz-Server-Side-Encryption": "AES256", "X-Amz-Version-Id": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%d bytes: %s %q, want %q", size, name, got, want)
			}
		}
		head := w.do("ann", "HEAD", "/data/k", nil).want(t, 200)
		if head.ContentLength != int64(size) || head.Header.Get("ETag") != etag || len(head.body) != 0 {
			t.Errorf("HEAD: %v", head.Header)
		}
	}
	w.do("ann", "HEAD", "/data/none", nil).want(t, 404)
	w.do("ann", "HEAD", "/none", nil).want(t, 404)
	w.get("none", "k").want(t, 404, "NoSuchBucket")
}

func TestRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	data := string(randomBytes(1000))
	w.put("data", "k", data)
	w.put("data", "empty", "")
	tests := []struct {
		key, header, body, contentRange string
		status                          int
	}{
		{"k", "bytes=0-0", data[:1], "bytes 0-0/1000", 206},
		{"k", "bytes=4-7", data[4:8], "bytes 4-7/1000", 206},
		{"k", "bytes=990-", data[990:], "bytes 990-999/1000", 206},
		{"k", "bytes=-10", data[990:], "bytes 990-999/1000", 206},
		{"k", "bytes=-5000", data, "bytes 0-999/1000", 206},
		{"k", "bytes=0-5000", data, "bytes 0-999/1000", 206},
		{"k", "bytes=0-9223372036854775807", data, "bytes 0-999/1000", 206},
		{"k", "bytes=0-99999999999999999999", data, "bytes 0-999/1000", 206},
		{"k", "bytes=-99999999999999999999", data, "bytes 0-999/1000", 206},
		{"k", "bytes=99999999999999999999-", "", "bytes */1000", 416},
		{"k", "bytes=1000-", "", "bytes */1000", 416},
		{"k", "bytes=-0", "", "bytes */1000", 416},
		{"empty", "bytes=0-", "", "bytes */0", 416},
		{"k", "bytes=5-4", data, "", 200},
		{"k", "bytes=a-b", data, "", 200},
		{"k", "bytes=0-1,3-4", data, "", 200},
		{"k", "lines=0-1", data, "", 200},
		{"k", "bytes=-", data, "", 200},
		{"k", "bytes=+1-2", data, "", 200},
	}
	for _, tt := range tests {
		r := w.get("data", tt.key, "Range", tt.header).want(t, tt.status)
		if got := r.Header.Get("Content-Range"); got != tt.contentRange {
			t.Errorf("%s: Content-Range %q, want %q", tt.header, got, tt.contentRange)
		}
		if tt.status != 416 && string(r.body) != tt.body {
			t.Errorf("%s: %d bytes, want %d", tt.header, len(r.body), len(tt.body))
		}
		head := w.do("ann", "HEAD", "/data/"+tt.key, nil, "Range", tt.header).want(t, tt.status)
		if got := head.Header.Get("Content-Range"); got != tt.contentRange {
			t.Errorf("HEAD %s: Content-Range %q, want %q", tt.header, got, tt.contentRange)
		}
	}
}

func TestReadConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	etag := w.put("data", "k", "x").Header.Get("ETag")
	modified := w.get("data", "k").Header.Get("Last-Modified")
	const past, future = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
	tests := []struct {
		header []string
		status int
	}{
		{[]string{"If-Match", etag}, 200},
		{[]string{"If-Match", "*"}, 200},
		{[]string{"If-Match", `"other", ` + etag}, 200},
		{[]string{"If-Match", `"other"`}, 412},
		{[]string{"If-None-Match", etag}, 304},
		{[]string{"If-None-Match", `W/` + etag}, 304},
		{[]string{"If-None-Match", `"other"`}, 200},
		{[]string{"If-Modified-Since", past}, 200},
		{[]string{"If-Modified-Since", modified}, 304},
		{[]string{"If-Modified-Since", future}, 304},
		{[]string{"If-Modified-Since", "nonsense"}, 200},
		{[]string{"If-Unmodified-Since", past}, 412},
		{[]string{"If-Unmodified-Since", modified}, 200},
		{[]string{"If-Match", etag, "If-Unmodified-Since", past}, 200},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", future}, 200},
		{[]string{"If-None-Match", etag, "If-Modified-Since", past}, 304},
	}
	for _, tt := range tests {
		r := w.get("data", "k", tt.header...).want(t, tt.status)
		if tt.status == 304 && (len(r.body) > 0 || r.Header.Get("ETag") != etag) {
			t.Errorf("%v: 304 with %q, %v", tt.header, r.body, r.Header)
		}
	}
}

func TestWriteConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	put := func(key string, header ...string) reply {
		return w.do("ann", "PUT", "/data/"+key, []byte("new"), header...)
	}
	put("k", "If-None-Match", "*").want(t, 200)
	unmet := func(r reply, condition string) {
		t.Helper()
		if r.want(t, 412, "PreconditionFailed"); !bytes.Contains(r.body, []byte("<Condition>"+condition+"</Condition>")) {
			t.Errorf("%s isn't named: %s", condition, r.body)
		}
	}
	unmet(put("k", "If-None-Match", "*"), "If-None-Match")
	etag := put("k").Header.Get("ETag")
	unmet(put("k", "If-Match", `"other"`), "If-Match")
	put("k", "If-Match", etag).want(t, 200)
	put("absent", "If-Match", etag).want(t, 404, "NoSuchKey")
	put("k", "If-Match", etag, "If-None-Match", "*").want(t, 400)
	for _, nothing := range []string{"", `""`, ","} { // is a condition all the same
		put("k", "If-Match", nothing).want(t, 412, "PreconditionFailed")
		put("absent", "If-Match", nothing).want(t, 404, "NoSuchKey")
		put("k", "If-Match", nothing, "If-None-Match", nothing).want(t, 400)
		w.do("ann", "DELETE", "/data/k", nil, "If-Match", nothing).want(t, 412, "PreconditionFailed")
	}
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		w.do("ann", "DELETE", "/data/k", nil, name, "*").want(t, 501, "NotImplemented")
	}
	unmet(w.do("ann", "DELETE", "/data/k", nil, "If-Match", `"other"`), "If-Match")
	unmet(w.do("ann", "DELETE", "/data/k", nil, "X-Amz-If-Match-Size", "1"), "x-amz-if-match-size")
	w.do("ann", "DELETE", "/data/k", nil, "If-Match", etag).want(t, 204)
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "x")
	r := w.do("ann", "GET", "/data/k?response-content-type=text%2Fplain&response-content-disposition=attachment%3B%20filename%3D%22a+b%22", nil).want(t, 200)
	if r.Header.Get("Content-Type") != "text/plain" || r.Header.Get("Content-Disposition") != `attachment; filename="a b"` {
		t.Errorf("headers %v", r.Header)
	}
}

// An error has nothing of the object about it.
func TestErrorsHaveTheirOwnHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "x", "Content-Encoding", "gzip", "Content-Type", "text/x-test", "X-Amz-Meta-A", "b")
	for _, r := range []reply{
		w.get("data", "k", "Range", "bytes=5-").want(t, 416),
		w.get("data", "k", "If-Match", "other").want(t, 412),
		w.get("data", "k", "X-Amz-Server-Side-Encryption", "AES256").want(t, 400),
		w.do("ann", "GET", "/data/k?partNumber=2", nil).want(t, 400),
	} {
		for _, name := range []string{"Content-Encoding", "X-Amz-Meta-A", "ETag", "Last-Modified", "X-Amz-Mp-Parts-Count"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%d with %s: %s", r.StatusCode, name, r.Header.Get(name))
			}
		}
		if r.Header.Get("Content-Type") != "application/xml" || r.Header.Get("X-Amz-Request-Id") == "" {
			t.Errorf("%d: %v", r.StatusCode, r.Header)
		}
	}
}

func TestRouting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "x")
	tests := []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/data?frobnicate", 501, "NotImplemented"},
		{"GET", "/data/k?frobnicate", 501, "NotImplemented"},
		{"GET", "/data?acl&policy", 400, "InvalidRequest"},
		{"GET", "/data/k?x-id=GetObject", 200, ""},
		{"GET", "/data/k?foo=bar", 200, ""},
		{"POST", "/data/k", 405, "MethodNotAllowed"},
		{"PATCH", "/data/k", 405, "MethodNotAllowed"},
		{"DELETE", "/", 405, "MethodNotAllowed"},
		{"GET", "/data?location", 200, ""},
		{"GET", "/data?max-keys=x", 400, "InvalidArgument"},
		{"GET", "/data?max-keys=-1", 400, "InvalidArgument"},
		{"GET", "/data/k?versionId=", 400, "InvalidArgument"},
		{"GET", "/data/k?versionId=nonsense", 400, "InvalidArgument"},
		{"GET", "/data/k?versionId=null", 200, ""},
		{"GET", "/data/" + strings.Repeat("x", 1025), 400, "KeyTooLongError"},
		{"GET", "/data/%ff%fe", 400, "InvalidURI"},
		{"GET", "/data/a%00b", 400, "InvalidArgument"},
	}
	for _, tt := range tests {
		r := w.do("ann", tt.method, tt.target, nil)
		if r.StatusCode != tt.status || r.code() != tt.code && tt.code != "" {
			t.Errorf("%s %s: %d %s", tt.method, tt.target, r.StatusCode, r.body)
		}
		if r.Header.Get("X-Amz-Request-Id") == "" {
			t.Errorf("%s %s: no request id", tt.method, tt.target)
		}
	}
}

func TestVirtualHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, domain("s3.example.org"))
	w.bucket("data")
	w.put("data", "a/b", "x")
	for _, tt := range []struct{ host, target string }{
		{"data.s3.example.org", "/a/b"},
		{"DATA.S3.Example.ORG:5000", "/a/b"},
		{"s3.example.org", "/data/a/b"},
		{"127.0.0.1", "/data/a/b"},
	} {
		if r := w.do("ann", "GET", tt.target, nil, "Host", tt.host).want(t, 200); string(r.body) != "x" {
			t.Errorf("%s %s: %q", tt.host, tt.target, r.body)
		}
	}
	w.do("ann", "GET", "/?list-type=2", nil, "Host", "none.s3.example.org").want(t, 404, "NoSuchBucket")
}

func TestSpellingOfETag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "x")
	w.do("ann", "PUT", "/data?policy", allow("Allow", `"*"`, "s3:GetObject", "data/*", "")).want(t, 204)
	for _, request := range []string{"GET /data/k HTTP/1.1\r\nHost: x\r\n", "HEAD /data/k HTTP/1.1\r\nHost: x\r\n", "GET /data/k HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.http.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request+"Connection: close\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.Contains(string(answer), "\r\nETag: \"") {
			t.Errorf("%q: %s", request, answer)
		}
	}
}

// User metadata beyond ASCII is sent as S3 sends it, so that every client can read the
// answer: some refuse headers with other bytes altogether.
func TestMetadataIsMailSafe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, tt := range []struct{ name, sent, want string }{
		{"ASCII", "plain ~ text", "plain ~ text"},
		{"an encoded word", "=?UTF-8?Q?M=C3=BCller?=", "=?UTF-8?Q?M=C3=BCller?="},
		{"UTF-8", "M\u00fcller \u20ac", "=?UTF-8?B?TcO8bGxlciDigqw=?="},
		{"Latin-1", "M\xfcller", "=?UTF-8?B?TcO8bGxlcg==?="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.put("data", "k", "x", "X-Amz-Meta-Name", tt.sent, "Content-Disposition", "attachment")
			for _, method := range []string{"GET", "HEAD"} {
				h := w.do("ann", method, "/data/k", nil).want(t, 200).Header
				if got := h.Get("X-Amz-Meta-Name"); got != tt.want {
					t.Errorf("%s: %q", method, got)
				}
			}
			w.do("ann", "PUT", "/data/copy", nil, "X-Amz-Copy-Source", "data/k").want(t, 200)
			if got := w.do("ann", "HEAD", "/data/copy", nil).Header.Get("X-Amz-Meta-Name"); got != tt.want {
				t.Errorf("of a copy: %q", got)
			}
		})
	}
	if word, err := new(mime.WordDecoder).Decode("=?UTF-8?B?TcO8bGxlciDigqw=?="); err != nil || word != "M\u00fcller \u20ac" {
		t.Errorf("%q, %v", word, err)
	}
}

// What a delete marker stands for isn't there: If-None-Match holds for it, If-Match
// doesn't, whatever stood there before.
func TestConditionsAndDeleteMarkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.do("ann", "PUT", "/data?versioning", []byte("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")).want(t, 200)
	etag := w.put("data", "k", "x").Header.Get("ETag")
	w.do("ann", "DELETE", "/data/k", nil).want(t, 204)
	w.do("ann", "PUT", "/data/k", []byte("y"), "If-Match", etag).want(t, 404, "NoSuchKey")
	w.do("ann", "PUT", "/data/k", []byte("y"), "If-Match", "*").want(t, 404, "NoSuchKey")
	w.do("ann", "DELETE", "/data/k", nil, "If-Match", etag).want(t, 404, "NoSuchKey")
	w.do("ann", "PUT", "/data/k", []byte("y"), "If-None-Match", "*").want(t, 200)
	w.do("ann", "PUT", "/data/k", []byte("z"), "If-None-Match", "*").want(t, 412, "PreconditionFailed")
	if r := w.get("data", "k").want(t, 200); string(r.body) != "y" {
		t.Errorf("%s", r.body)
	}
}
