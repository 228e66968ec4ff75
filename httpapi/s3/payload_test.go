package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5" // what Content-MD5 is
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

func sumOf(a checksum.Algorithm, data string) string {
	h := a.New()
	h.Write([]byte(data))
	return checksum.Encode(h.Sum(nil))
}

func md5Of(data string) string {
	sum := md5.Sum([]byte(data))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Nothing of a PUT that doesn't keep its promises can be seen, not even that what
// was there before is gone.
func TestBrokenPromisesLeaveNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "old")
	data := string(randomBytes(300 << 10))
	other := sha256.Sum256([]byte("other"))
	tests := []struct {
		code   string
		header []string
	}{
		{"XAmzContentSHA256Mismatch", []string{"X-Amz-Content-Sha256", hex.EncodeToString(other[:])}},
		{"InvalidArgument", []string{"X-Amz-Content-Sha256", "nonsense"}},
		{"BadDigest", []string{"Content-Md5", md5Of("other")}},
		{"InvalidDigest", []string{"Content-Md5", "YWJyYWNhZGFicmE="}},
		{"InvalidDigest", []string{"Content-Md5", ""}},
		{"BadDigest", []string{"X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, "other")}},
		{"BadDigest", []string{"X-Amz-Checksum-Crc32c", sumOf(checksum.CRC32C, "other")}},
		{"BadDigest", []string{"X-Amz-Checksum-Crc64nvme", sumOf(checksum.CRC64NVME, "other")}},
		{"BadDigest", []string{"X-Amz-Checksum-Sha1", sumOf(checksum.SHA1, "other")}},
		{"BadDigest", []string{"X-Amz-Checksum-Sha256", sumOf(checksum.SHA256, "other")}},
		{"BadDigest", []string{"X-Amz-Checksum-Sha256", "bad"}},
		{"InvalidRequest", []string{"X-Amz-Checksum-Sha256", sumOf(checksum.SHA256, data), "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, data)}},
		{"InvalidRequest", []string{"X-Amz-Checksum-Sha256", sumOf(checksum.SHA256, data), "X-Amz-Sdk-Checksum-Algorithm", "CRC32"}},
		{"MetadataTooLarge", []string{"X-Amz-Meta-A", strings.Repeat("x", 2048)}},
		{"InvalidStorageClass", []string{"X-Amz-Storage-Class", "GLASS"}},
		{"InvalidTag", []string{"X-Amz-Tagging", "a=1&a=2"}},
	}
	for _, tt := range tests {
		w.do("ann", "PUT", "/data/k", []byte(data), tt.header...).want(t, 400, tt.code)
		if r := w.get("data", "k").want(t, 200); string(r.body) != "old" {
			t.Fatalf("%v: there are %d bytes", tt.header, len(r.body))
		}
	}
}

// An object that comes without a checksum gets S3's default one, which says what was
// stored; under a client's key none, which would tell of the contents.
func TestObjectsGetAChecksum(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.PlainClientKeys = true })
	w.bucket("data")
	data := strings.Repeat("0123456789", 30_000)
	want := sumOf(checksum.CRC64NVME, data)
	r := w.put("data", "k", data, "Content-Md5", md5Of(data))
	if got := r.Header.Get("X-Amz-Checksum-Crc64nvme"); got != want || r.Header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("put answers %v", r.Header)
	}
	head := func(header ...string) http.Header {
		return w.do("ann", "HEAD", "/data/k", nil, header...).want(t, 200).Header
	}
	if h := head("X-Amz-Checksum-Mode", "ENABLED"); h.Get("X-Amz-Checksum-Crc64nvme") != want {
		t.Errorf("head answers %v", h)
	}
	if h := head(); h.Get("X-Amz-Checksum-Crc64nvme") != "" {
		t.Errorf("head answers %v and nobody has asked", h)
	}
	w.do("ann", "PUT", "/data/copy", nil, "X-Amz-Copy-Source", "/data/k").want(t, 200)
	if r := w.get("data", "copy", "X-Amz-Checksum-Mode", "ENABLED"); r.Header.Get("X-Amz-Checksum-Crc64nvme") != want {
		t.Errorf("get of the copy answers %v", r.Header)
	}
	secret := randomBytes(32)
	sum := md5.Sum(secret)
	sse := []string{
		"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", "X-Amz-Server-Side-Encryption-Customer-Key", base64.StdEncoding.EncodeToString(secret),
		"X-Amz-Server-Side-Encryption-Customer-Key-Md5", base64.StdEncoding.EncodeToString(sum[:]),
	}
	if r := w.put("data", "sealed", data, sse...); r.Header.Get("X-Amz-Checksum-Crc64nvme") != "" {
		t.Errorf("put with a client's key answers %v", r.Header)
	}
}

func TestChecksumsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, a := range checksum.All() {
		for _, size := range []int{0, 10, 400 << 10} {
			data := string(randomBytes(size))
			r := w.put("data", "k", data, a.Header(), sumOf(a, data), "Content-Md5", md5Of(data), "X-Amz-Sdk-Checksum-Algorithm", string(a))
			if got := r.Header.Get(a.Header()); got != sumOf(a, data) {
				t.Errorf("PUT %s: %q", a, got)
			}
			if r := w.get("data", "k").want(t, 200); r.Header.Get(a.Header()) != "" {
				t.Errorf("GET %s: %q though nobody asked", a, r.Header.Get(a.Header()))
			}
			r = w.get("data", "k", "X-Amz-Checksum-Mode", "ENABLED").want(t, 200)
			if r.Header.Get(a.Header()) != sumOf(a, data) || r.Header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
				t.Errorf("GET %s: %v", a, r.Header)
			}
			if size == 0 {
				continue
			}
			if r := w.get("data", "k", "X-Amz-Checksum-Mode", "ENABLED", "Range", "bytes=0-1").want(t, 206); r.Header.Get(a.Header()) != "" {
				t.Errorf("GET of a range %s: %q", a, r.Header.Get(a.Header()))
			}
		}
	}
}

// What isn't compared must not be taken as if it were.
func TestUnknownChecksumsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.do("ann", "PUT", "/data/k", []byte("hello"), "X-Amz-Checksum-Future", "AAAA").want(t, 501, "NotImplemented")
	for _, a := range checksum.All() {
		w.do("ann", "PUT", "/data/k", []byte("hello"), a.Header(), sumOf(a, "other")).want(t, 400, "BadDigest")
		w.sendStream("/data/k", "hello", streamed{form: sigv4.StreamingUnsigned, size: 3, trailer: a.Header(), value: sumOf(a, "other")}, nil).want(t, 400, "BadDigest")
		w.sendStream("/data/k", "hello", streamed{form: sigv4.StreamingUnsigned, size: 3, trailer: a.Header(), value: sumOf(a, "hello")}, nil).want(t, 200)
		w.do("ann", "DELETE", "/data/k", nil).want(t, 204)
	}
	w.sendStream("/data/k", "hello", streamed{form: sigv4.StreamingUnsigned, size: 3, trailer: "x-amz-checksum-future", value: "AAAA"}, nil).want(t, 501, "NotImplemented")
	w.get("data", "k").want(t, 404)
}

// streamed is a body in chunks.
type streamed struct {
	form    string
	size    int // of a chunk
	trailer string
	value   string
	length  bool // says how long the data is
}

// sendStream sends data in the form, signed by ann where the form is.
func (w *world) sendStream(target, data string, s streamed, spoil func(string) string, header ...string) reply {
	w.t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	h.Set("X-Amz-Content-Sha256", s.form)
	h.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	h.Set("Content-Encoding", "aws-chunked")
	if s.length {
		h.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(data)))
	}
	if s.trailer != "" {
		h.Set("X-Amz-Trailer", s.trailer)
	}
	u := w.user("ann")
	host := strings.TrimPrefix(w.http.URL, "http://")
	value, chain := signed(u, "PUT", target, host, h)
	if s.form == sigv4.StreamingUnsigned {
		chain = nil
	}
	h.Set("Authorization", value)
	body := frame(data, s, chain)
	if spoil != nil {
		body = spoil(body)
	}
	return w.send(request{method: "PUT", target: target, header: h, body: []byte(body), user: "ann"})
}

func frame(data string, s streamed, chain *signer) string {
	var b strings.Builder
	for {
		n := min(s.size, len(data))
		fmt.Fprintf(&b, "%x", n)
		if chain != nil {
			b.WriteString(";chunk-signature=" + chain.chunk(data[:n]))
		}
		b.WriteString("\r\n")
		if n == 0 {
			break
		}
		b.WriteString(data[:n] + "\r\n")
		data = data[n:]
	}
	if s.trailer != "" {
		b.WriteString(s.trailer + ":" + s.value + "\r\n")
		if chain != nil {
			b.WriteString("x-amz-trailer-signature:" + chain.trailers(s.trailer+":"+s.value+"\n") + "\r\n")
		}
	}
	return b.String() + "\r\n"
}

func TestStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, size := range []int{0, 1, 100, 70 << 10, 1 << 20} {
		data := string(randomBytes(size))
		for _, form := range []string{sigv4.Streaming, sigv4.StreamingTrailer, sigv4.StreamingUnsigned} {
			for _, length := range []bool{true, false} {
				s := streamed{form: form, size: 64 << 10, length: length}
				if form != sigv4.Streaming {
					s.trailer, s.value = "x-amz-checksum-crc32", sumOf(checksum.CRC32, data)
				}
				r := w.sendStream("/data/k", data, s, nil).want(t, 200)
				if s.trailer != "" && r.Header.Get(s.trailer) != s.value {
					t.Errorf("%s: %v", form, r.Header)
				}
				r = w.get("data", "k").want(t, 200)
				if string(r.body) != data || r.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s of %d bytes: %d bytes, %v", form, size, len(r.body), r.Header)
				}
			}
		}
	}
}

func TestSpoiltStreamsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "old")
	data := strings.Repeat("x", 100<<10)
	crc := sumOf(checksum.CRC32, data)
	spoilt := map[string]func(string) string{
		"data":        func(b string) string { return strings.Replace(b, "xxxx", "xyxx", 1) },
		"truncated":   func(b string) string { return b[:len(b)/2] },
		"no end":      func(b string) string { return b[:strings.LastIndex(b, "\r\n0")+2] },
		"more":        func(b string) string { return b + "1\r\nx\r\n" },
		"huge length": func(b string) string { return "ffffffffffffffff\r\n" + b },
		"negative":    func(b string) string { return "-1\r\n" + b },
		"no length":   func(b string) string { return "\r\n" + b },
	}
	for _, form := range []string{sigv4.Streaming, sigv4.StreamingTrailer, sigv4.StreamingUnsigned} {
		s := streamed{form: form, size: 64 << 10, length: true}
		if form != sigv4.Streaming {
			s.trailer, s.value = "x-amz-checksum-crc32", crc
		}
		for what, spoil := range spoilt {
			if r := w.sendStream("/data/k", data, s, spoil); r.StatusCode < 400 || r.StatusCode >= 500 {
				t.Errorf("%s, spoilt %s: %d %s", form, what, r.StatusCode, r.body)
			}
		}
		if form == sigv4.Streaming {
			continue
		}
		s.value = sumOf(checksum.CRC32, "other")
		w.sendStream("/data/k", data, s, nil).want(t, 400, "BadDigest")
		s.trailer, s.value = "x-amz-checksum-crc32", "nonsense"
		w.sendStream("/data/k", data, s, nil).want(t, 400, "BadDigest")
		s.value = ""
		w.sendStream("/data/k", data, s, nil).want(t, 400, "BadDigest")
	}
	short := streamed{form: sigv4.Streaming, size: 64 << 10}
	w.sendStream("/data/k", data, short, nil, "X-Amz-Decoded-Content-Length", "5").want(t, 400, "IncompleteBody")
	w.sendStream("/data/k", data, short, nil, "X-Amz-Decoded-Content-Length", "500000").want(t, 400, "IncompleteBody")
	if r := w.get("data", "k").want(t, 200); string(r.body) != "old" {
		t.Errorf("there are %d bytes", len(r.body))
	}
}

// A client that goes away in the middle leaves no trace either.
func TestBrokenUploadsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "old")
	host := strings.TrimPrefix(w.http.URL, "http://")
	req := w.sign(request{method: "PUT", target: "/data/k", body: make([]byte, 1<<20), user: "ann", header: http.Header{"X-Amz-Content-Sha256": {sigv4.Unsigned}}})
	for _, n := range []int{0, 100, 1<<20 - 1} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		var head bytes.Buffer
		fmt.Fprintf(&head, "PUT /data/k HTTP/1.1\r\nHost: %s\r\nContent-Length: 1048576\r\n", host)
		_ = req.Header.Write(&head)
		head.WriteString("\r\n")
		head.Write(make([]byte, n))
		if _, err := conn.Write(head.Bytes()); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		res, err := http.ReadResponse(bufio.NewReader(conn), req)
		if err == nil {
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 400 {
				t.Errorf("after %d bytes: %d %s", n, res.StatusCode, body)
			}
		}
		conn.Close()
	}
	if r := w.get("data", "k").want(t, 200); string(r.body) != "old" {
		t.Errorf("there are %d bytes", len(r.body))
	}
	w.server.Files.Close() // waits for what is under way
}

func TestMissingLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	host := strings.TrimPrefix(w.http.URL, "http://")
	req := w.sign(request{method: "PUT", target: "/data/k", user: "ann", header: http.Header{"X-Amz-Content-Sha256": {sigv4.Unsigned}}})
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /data/k HTTP/1.1\r\nHost: %s\r\n", host)
	_ = req.Header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusLengthRequired {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, tt := range []struct {
		off  time.Duration
		want int
	}{{-14 * time.Minute, 200}, {14 * time.Minute, 200}, {-16 * time.Minute, 403}, {20 * time.Minute, 403}} {
		r := w.do("ann", "GET", "/data", nil, "X-Amz-Date", time.Now().Add(tt.off).UTC().Format("20060102T150405Z")).want(t, tt.want)
		if tt.want == 403 && r.code() != "RequestTimeTooSkewed" {
			t.Errorf("%v off: %s", tt.off, r.body)
		}
	}
}

// The time of a signature may stand in Date alone, as every library writes dates.
func TestDatesOfSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	now := time.Now().UTC()
	for _, layout := range []string{
		http.TimeFormat, time.RFC1123Z, "Mon, 02 Jan 2006 15:04:05 -0000", "Mon, 2 Jan 2006 15:04:05 +0000", "20060102T150405Z",
	} {
		if r := w.do("ann", "GET", "/data", nil, "Date", now.Format(layout)); r.StatusCode != 200 {
			t.Errorf("%s: %d %s", now.Format(layout), r.StatusCode, r.body)
		}
		w.do("ann", "GET", "/data", nil, "Date", now.Add(-time.Hour).Format(layout)).want(t, 403, "RequestTimeTooSkewed")
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.Regions = []string{"eu-west-1"}; s.DebugSignatures = true })
	w.bucket("data")
	w.put("data", "k", "x")
	get := func(header ...string) reply { return w.do("ann", "GET", "/data/k", nil, header...) }
	authorization := w.sign(request{method: "GET", target: "/data/k", user: "ann"}).Header
	get("Authorization", "AWS4-HMAC-SHA256 nonsense").want(t, 400, "AuthorizationHeaderMalformed")
	get("Authorization", "Basic YTpi").want(t, 400, "InvalidArgument")
	get("Authorization", "AWS KEYANN:c2ln").want(t, 400, "InvalidRequest")
	value := authorization.Get("Authorization")
	same := func(value string, more ...string) reply {
		return get(append([]string{"Authorization", value, "X-Amz-Date", authorization.Get("X-Amz-Date"), "X-Amz-Content-Sha256", authorization.Get("X-Amz-Content-Sha256")}, more...)...)
	}
	same(value).want(t, 200)
	same(value, "X-Amz-Acl", "private").want(t, 403, "AccessDenied")
	same(value[:len(value)-64]+strings.Repeat("0", 64)).want(t, 403)
	same(strings.Replace(value, "KEYANN", "KEYBOB", 1)).want(t, 403, "SignatureDoesNotMatch")
	same(strings.Replace(value, "KEYANN", "NOBODY", 1)).want(t, 403, "InvalidAccessKeyId")
	same(strings.Replace(value, "us-east-1", "mars-1", 1)).want(t, 400, "AuthorizationHeaderMalformed")
	same(strings.Replace(value, "/s3/", "/ec2/", 1)).want(t, 400, "AuthorizationHeaderMalformed")
	w.do("", "GET", "/data/k", nil).want(t, 403, "AccessDenied")
	if log := w.log.String(); strings.Contains(log, "secret of") || !strings.Contains(log, "signature does not match") {
		t.Errorf("the log:\n%s", log)
	}
}

// MyFSIO's clients send the secret itself.
func TestHeaderAuth(t *testing.T) {
	t.Parallel()
	on := newWorld(t, func(s *s3.Server) { s.HeaderAuth = true })
	on.do("", "PUT", "/data", nil, "X-Access-Key", "KEYANN", "X-Secret-Key", "secret of ann").want(t, 200)
	on.do("", "PUT", "/more", nil, "X-Access-Key", "KEYANN", "X-Secret-Key", "secret of bob").want(t, 403, "SignatureDoesNotMatch")
	on.do("", "PUT", "/more", nil, "X-Access-Key", "KEYANN").want(t, 403)
	on.do("", "PUT", "/more", nil, "X-Access-Key", "NOBODY", "X-Secret-Key", "x").want(t, 403, "InvalidAccessKeyId")
	off := newWorld(t)
	off.do("", "PUT", "/data", nil, "X-Access-Key", "KEYANN", "X-Secret-Key", "secret of ann").want(t, 403, "AccessDenied")
}

// Chunks are for data only, and signatures by ECDSA for nobody.
func TestPayloadsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "x")
	doc := []byte("<Delete><Object><Key>k</Key></Object></Delete>")
	for _, form := range []string{sigv4.Streaming, sigv4.StreamingTrailer, sigv4.StreamingUnsigned} {
		w.do("ann", "POST", "/data?delete", doc, "X-Amz-Content-Sha256", form).want(t, 400, "InvalidArgument")
		w.do("ann", "PUT", "/data?tagging", doc, "X-Amz-Content-Sha256", form).want(t, 400, "InvalidArgument")
	}
	for _, form := range []string{sigv4.StreamingECDSA, sigv4.StreamingECDSATrailer} {
		w.do("ann", "PUT", "/data/k", []byte("y"), "X-Amz-Content-Sha256", form).want(t, 501, "NotImplemented")
	}
	w.do("ann", "PUT", "/data/k", []byte("y"), "X-Amz-Content-Sha256", "STREAMING-SOMETHING").want(t, 400, "InvalidArgument")
	if r := w.get("data", "k").want(t, 200); string(r.body) != "x" {
		t.Errorf("%s", r.body)
	}
}
