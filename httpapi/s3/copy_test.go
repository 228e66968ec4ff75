package s3_test

import (
	"bytes"
	"crypto/md5" // S3's check of a key that was sent
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
)

func TestCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("from")
	w.bucket("dest")
	data := string(randomBytes(600 << 10))
	etag := w.put("from", "a b+ü?", data, "Content-Type", "text/x-test", "X-Amz-Meta-A", "b", "X-Amz-Tagging", "t=1").Header.Get("ETag")
	source := "/from/" + escape("a b+ü?")
	cp := func(target, source string, header ...string) reply {
		return w.do("ann", "PUT", target, nil, append(header, "X-Amz-Copy-Source", source)...)
	}
	// Also as s5cmd, Java's URLEncoder and Go's url.QueryEscape encode a space.
	for _, from := range []string{source, source[1:], url.QueryEscape("from/a b+ü?"), "from/a+b%2B%C3%BC%3F"} {
		r := cp("/dest/k", from).want(t, 200)
		if !bytes.Contains(r.body, []byte(strings.Trim(etag, `"`))) {
			t.Errorf("copied: %s", r.body)
		}
	}
	r := w.get("dest", "k").want(t, 200)
	if string(r.body) != data || r.Header.Get("Content-Type") != "text/x-test" || r.Header.Get("X-Amz-Meta-A") != "b" || r.Header.Get("ETag") != etag || r.Header.Get("X-Amz-Tagging-Count") != "1" {
		t.Errorf("%d bytes, %v", len(r.body), r.Header)
	}
	cp("/dest/k", source, "X-Amz-Metadata-Directive", "REPLACE", "X-Amz-Meta-C", "d").want(t, 200)
	if r := w.get("dest", "k").want(t, 200); r.Header.Get("X-Amz-Meta-A") != "" || r.Header.Get("X-Amz-Meta-C") != "d" || string(r.body) != data {
		t.Errorf("replaced: %v", r.Header)
	}
	cp("/dest/k", "/dest/k").want(t, 400, "InvalidRequest")
	cp("/dest/k", "/dest/k", "X-Amz-Metadata-Directive", "REPLACE", "X-Amz-Meta-E", "f").want(t, 200)
	if r := w.get("dest", "k").want(t, 200); r.Header.Get("X-Amz-Meta-E") != "f" || string(r.body) != data {
		t.Errorf("in place: %v", r.Header)
	}
	cp("/dest/k", source, "X-Amz-Metadata-Directive", "OTHER").want(t, 400, "InvalidArgument")
	cp("/dest/k", "/from/a%20b+%C3%BC%3F").want(t, 404, "NoSuchKey")
	if r := cp("/dest/k", "/from/none").want(t, 404, "NoSuchKey"); !bytes.Contains(r.body, []byte("<Key>none</Key>")) {
		t.Errorf("the key that isn't there: %s", r.body)
	}
	cp("/dest/k", "/none/k").want(t, 404, "NoSuchBucket")
	cp("/dest/k", "nonsense").want(t, 400, "InvalidArgument")
	cp("/dest/k", source, "X-Amz-Copy-Source-If-Match", `"other"`).want(t, 412, "PreconditionFailed")
	cp("/dest/k", source, "X-Amz-Copy-Source-If-None-Match", etag).want(t, 412, "PreconditionFailed")
	cp("/dest/k", source, "X-Amz-Copy-Source-If-Match", etag).want(t, 200)
	cp("/dest/k", source, "If-None-Match", "*").want(t, 412, "PreconditionFailed")
	w.do("bob", "PUT", "/bobs", nil).want(t, 200)
	w.do("bob", "PUT", "/bobs/k", nil, "X-Amz-Copy-Source", source).want(t, 403, "AccessDenied")
	cp("/bobs/k", source).want(t, 403, "AccessDenied")
	cp("/dest/sum", source, "X-Amz-Checksum-Algorithm", "SHA256").want(t, 200)
	if r := w.get("dest", "sum", "X-Amz-Checksum-Mode", "ENABLED").want(t, 200); r.Header.Get("X-Amz-Checksum-Sha256") != sumOf(checksum.SHA256, data) {
		t.Errorf("no checksum: %v", r.Header)
	}
}

// The copy of what was uploaded in parts has an MD5 of its own.
func TestCopyOfParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	id := w.begin("/data/k")
	one, two := string(randomBytes(300<<10)), "end"
	e1, e2 := w.part("/data/k", id, 1, one).Header.Get("ETag"), w.part("/data/k", id, 2, two).Header.Get("ETag")
	w.complete("/data/k", id, completion(1, e1, 2, e2)).want(t, 200)
	w.do("ann", "PUT", "/data/copy", nil, "X-Amz-Copy-Source", "/data/k").want(t, 200)
	r := w.get("data", "copy").want(t, 200)
	sum := md5.Sum([]byte(one + two))
	if want := base64.StdEncoding.EncodeToString(sum[:]); string(r.body) != one+two || hexToBase64(r.Header.Get("ETag")) != want {
		t.Errorf("%d bytes, %v", len(r.body), r.Header)
	}
}

func TestPartsAreCopied(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{nil, {"X-Amz-Checksum-Algorithm", "CRC32"}} {
		w := newWorld(t)
		w.bucket("data")
		data := string(randomBytes(2<<20 + 5))
		w.put("data", "from", data)
		id := w.begin("/data/k", header...)
		cp := func(number, bytes string) reply {
			h := []string{"X-Amz-Copy-Source", "/data/from"}
			if bytes != "" {
				h = append(h, "X-Amz-Copy-Source-Range", bytes)
			}
			return w.do("ann", "PUT", "/data/k?partNumber="+number+"&uploadId="+id, nil, h...)
		}
		etag := func(r reply) string {
			_, rest, _ := strings.Cut(string(r.want(t, 200).body), "<ETag>&quot;")
			tag, _, _ := strings.Cut(rest, "&quot;")
			return tag
		}
		a := etag(cp("1", "bytes=3-1048580"))
		b := etag(cp("2", ""))
		c := w.part("/data/k", id, 3, "end").want(t, 200).Header.Get("ETag")
		cp("4", "bytes=0-9999999").want(t, 416, "InvalidRange")
		cp("4", "0-2").want(t, 400, "InvalidArgument")
		cp("4", "bytes=5-2").want(t, 400, "InvalidArgument")
		w.complete("/data/k", id, completion(1, a, 2, b, 3, c)).want(t, 200)
		if r := w.get("data", "k").want(t, 200); string(r.body) != data[3:1048581]+data+"end" {
			t.Errorf("%d bytes", len(r.body))
		}
	}
}

func hexToBase64(etag string) string {
	var b []byte
	for i := 1; i+1 < len(etag)-1; i += 2 {
		b = append(b, byte(strings.IndexByte("0123456789abcdef", etag[i])<<4|strings.IndexByte("0123456789abcdef", etag[i+1])))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// sealed gives the headers of a client's key.
func sealed(prefix, key string) []string {
	sum := md5.Sum([]byte(key))
	prefix += "Server-Side-Encryption-Customer-"
	return []string{prefix + "Algorithm", "AES256", prefix + "Key", base64.StdEncoding.EncodeToString([]byte(key)), prefix + "Key-Md5", base64.StdEncoding.EncodeToString(sum[:])}
}

const (
	sealPrefix   = "X-Amz-"
	sourcePrefix = "X-Amz-Copy-Source-"
)

func plainKeys(s *s3.Server) { s.PlainClientKeys = true }

func TestClientKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainKeys)
	w.bucket("data")
	right, wrong := strings.Repeat("k", 32), strings.Repeat("w", 32)
	data := string(randomBytes(700<<10 + 13))
	r := w.put("data", "k", data, append(sealed(sealPrefix, right), "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, data), "Content-Md5", md5Of(data))...)
	if hexToBase64(r.Header.Get("ETag")) == md5Of(data) || r.Header.Get("X-Amz-Server-Side-Encryption") != "" {
		t.Errorf("PUT: %v", r.Header)
	}
	w.get("data", "k").want(t, 400, "InvalidRequest")
	w.do("ann", "HEAD", "/data/k", nil).want(t, 400)
	w.get("data", "k", sealed(sealPrefix, wrong)...).want(t, 400, "InvalidRequest")
	r = w.get("data", "k", sealed(sealPrefix, right)...).want(t, 200)
	if string(r.body) != data || r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "AES256" {
		t.Errorf("%d bytes, %v", len(r.body), r.Header)
	}
	for _, off := range []int{0, 1, 15, 16, 17, 300 << 10} {
		r := w.get("data", "k", append(sealed(sealPrefix, right), "Range", "bytes="+itoa(off)+"-"+itoa(off+1000))...).want(t, 206)
		if string(r.body) != data[off:off+1001] {
			t.Errorf("from %d: other bytes", off)
		}
	}
	w.put("data", "plain", "x")
	w.get("data", "plain", sealed(sealPrefix, right)...).want(t, 400, "InvalidRequest")

	info, err := w.tree("ann").Stat(t.Context(), []string{"data", "k"})
	if err != nil || info.Size != int64(len(data)) {
		t.Errorf("SFTP lists it as %+v, %v", info, err)
	}
	bad := sealed(sealPrefix, right)
	bad[5] = "AAAAAAAAAAAAAAAAAAAAAA=="
	w.do("ann", "PUT", "/data/k", nil, bad...).want(t, 400, "InvalidArgument")
	w.do("ann", "PUT", "/data/k", nil, bad[:4]...).want(t, 400, "InvalidArgument")
	w.do("ann", "PUT", "/data/k", nil, bad[:2]...).want(t, 400, "InvalidArgument")
	w.do("ann", "PUT", "/data/k", nil, bad[2:]...).want(t, 400, "InvalidArgument")
	w.do("ann", "PUT", "/data/k", nil, sealed(sealPrefix, "short")...).want(t, 400, "InvalidArgument")

	plain := newWorld(t)
	plain.bucket("data")
	plain.do("ann", "PUT", "/data/k", nil, sealed(sealPrefix, right)...).want(t, 400, "InvalidRequest")
	if strings.Contains(w.log.String(), sealed(sealPrefix, right)[3]) {
		t.Error("the log has a key")
	}
}

func TestClientKeysInCopiesAndParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainKeys)
	w.bucket("data")
	one, two := strings.Repeat("1", 32), strings.Repeat("2", 32)
	data := string(randomBytes(400 << 10))
	w.put("data", "k", data, sealed(sealPrefix, one)...)
	w.put("data", "plain", data)
	cp := func(target, source string, header ...[]string) reply {
		h := []string{"X-Amz-Copy-Source", source}
		for _, more := range header {
			h = append(h, more...)
		}
		return w.do("ann", "PUT", target, nil, h...)
	}
	cp("/data/c", "/data/k").want(t, 400, "InvalidRequest")
	cp("/data/c", "/data/k", sealed(sourcePrefix, two)).want(t, 400, "InvalidRequest")
	cp("/data/opened", "/data/k", sealed(sourcePrefix, one)).want(t, 200)
	cp("/data/other", "/data/k", sealed(sourcePrefix, one), sealed(sealPrefix, two)).want(t, 200)
	cp("/data/closed", "/data/plain", sealed(sealPrefix, two)).want(t, 200)
	if r := w.get("data", "opened", "X-Amz-Checksum-Mode", "ENABLED").want(t, 200); string(r.body) != data || r.Header.Get("X-Amz-Checksum-Crc64nvme") != sumOf(checksum.CRC64NVME, data) {
		t.Errorf("opened: %d bytes, %v", len(r.body), r.Header)
	}
	for _, key := range []string{"other", "closed"} {
		if r := w.get("data", key, sealed(sealPrefix, two)...).want(t, 200); string(r.body) != data {
			t.Errorf("%s: %d bytes", key, len(r.body))
		}
	}

	id := w.begin("/data/parts", sealed(sealPrefix, one)...)
	w.part("/data/parts", id, 1, data).want(t, 400, "InvalidRequest")
	w.part("/data/parts", id, 1, data, sealed(sealPrefix, two)...).want(t, 400, "InvalidRequest")
	a := w.part("/data/parts", id, 1, data[:100001], sealed(sealPrefix, one)...).want(t, 200).Header.Get("ETag")
	r := cp("/data/parts?partNumber=2&uploadId="+id, "/data/k", sealed(sourcePrefix, one), sealed(sealPrefix, one), []string{"X-Amz-Copy-Source-Range", "bytes=7-200000"}).want(t, 200)
	_, rest, _ := strings.Cut(string(r.body), "<ETag>&quot;")
	b, _, _ := strings.Cut(rest, "&quot;")
	w.complete("/data/parts", id, completion(1, a, 2, b), sealed(sealPrefix, one)...).want(t, 200)
	want := data[:100001] + data[7:200001]
	if r := w.get("data", "parts", sealed(sealPrefix, one)...).want(t, 200); string(r.body) != want {
		t.Errorf("parts: %d bytes of %d", len(r.body), len(want))
	}
	for _, off := range []int{0, 99990, 100001, 100017, 200000} {
		r := w.get("data", "parts", append(sealed(sealPrefix, one), "Range", "bytes="+itoa(off)+"-"+itoa(off+99))...).want(t, 206)
		if string(r.body) != want[off:off+100] {
			t.Errorf("from %d: other bytes", off)
		}
	}
}

func TestBucketsBlockClientKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainKeys)
	w.bucket("data")
	key := sealed(sealPrefix, strings.Repeat("k", 32))
	w.put("data", "old", "x", key...)
	w.do("ann", "PUT", "/data?encryption", []byte("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"+
		"<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>")).want(t, 200)
	w.do("ann", "PUT", "/data/new", []byte("x"), key...).want(t, 403, "AccessDenied")
	w.do("ann", "POST", "/data/new?uploads", nil, key...).want(t, 403, "AccessDenied")
	w.put("data", "new", "x")
	w.get("data", "old", key...).want(t, 200)
}

func TestEncryptionHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	if r := w.put("data", "k", "x", "X-Amz-Server-Side-Encryption", "AES256"); r.Header.Get("X-Amz-Server-Side-Encryption") != "AES256" {
		t.Errorf("PUT: %v", r.Header)
	}
	w.do("ann", "PUT", "/data/k", nil, "X-Amz-Server-Side-Encryption", "aws:kms").want(t, 501, "NotImplemented")
	w.do("ann", "PUT", "/data/k", nil, "X-Amz-Server-Side-Encryption", "ROT13").want(t, 400, "InvalidArgument")
	w.do("ann", "PUT", "/data/k", nil, "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "k").want(t, 400, "InvalidArgument")
}

func TestDeleteObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	for _, key := range []string{"a", "b/c", "<&>", "stays"} {
		w.put("data", key, "x")
	}
	body := []byte(`<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>b/c</Key></Object>` +
		`<Object><Key>&lt;&amp;&gt;</Key></Object><Object><Key>none</Key></Object><Object><Key>stays</Key><ETag>other</ETag></Object></Delete>`)
	r := w.do("ann", "POST", "/data?delete", body, "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, string(body))).want(t, 200)
	if strings.Count(string(r.body), "<Deleted>") != 4 || strings.Count(string(r.body), "<Code>PreconditionFailed</Code>") != 1 {
		t.Errorf("%s", r.body)
	}
	if got := w.list("data").names(); len(got) != 1 || got[0] != "stays" {
		t.Errorf("left: %q", got)
	}
	quiet := []byte(`<Delete><Quiet>true</Quiet><Object><Key>stays</Key></Object></Delete>`)
	if r := w.do("ann", "POST", "/data?delete", quiet, "Content-Md5", md5Of(string(quiet))).want(t, 200); strings.Contains(string(r.body), "stays") {
		t.Errorf("quiet: %s", r.body)
	}
	w.do("ann", "POST", "/data?delete", quiet, "Content-Md5", md5Of("other")).want(t, 400, "BadDigest")
	w.do("ann", "POST", "/data?delete", []byte("<Delete></Delete>")).want(t, 400, "MalformedXML")
	w.do("ann", "POST", "/data?delete", []byte("no XML")).want(t, 400, "MalformedXML")
	many := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"
	w.do("ann", "POST", "/data?delete", []byte(many)).want(t, 400, "MalformedXML")
	r = w.do("bob", "POST", "/data?delete", quiet)
	if r.StatusCode == 200 && !strings.Contains(string(r.body), "AccessDenied") {
		t.Errorf("a stranger: %s", r.body)
	}
}
