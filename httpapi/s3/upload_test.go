package s3_test

import (
	"bytes"
	"crypto/md5" // what ETags are
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
)

// begin begins an upload, and gives its id.
func (w *world) begin(target string, header ...string) string {
	w.t.Helper()
	r := w.do("ann", "POST", target+"?uploads", nil, header...).want(w.t, 200)
	var doc struct{ UploadId string }
	if err := xml.Unmarshal(r.body, &doc); err != nil || doc.UploadId == "" {
		w.t.Fatalf("%s: %v", r.body, err)
	}
	return doc.UploadId
}

func (w *world) part(target, id string, number int, data string, header ...string) reply {
	w.t.Helper()
	return w.do("ann", "PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", target, number, id), []byte(data), header...)
}

// completion is the body of CompleteMultipartUpload: numbers and ETags.
func completion(parts ...any) []byte {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i := 0; i < len(parts); i += 2 {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", parts[i], parts[i+1])
	}
	return []byte(b.String() + "</CompleteMultipartUpload>")
}

func (w *world) complete(target, id string, body []byte, header ...string) reply {
	w.t.Helper()
	return w.do("ann", "POST", target+"?uploadId="+id, body, header...)
}

// etagOfParts is what S3 makes of parts.
func etagOfParts(parts ...string) string {
	all := md5.New()
	for _, p := range parts {
		sum := md5.Sum([]byte(p))
		all.Write(sum[:])
	}
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(all.Sum(nil)), len(parts))
}

func TestUploadInParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	id := w.begin("/data/k", "Content-Type", "text/x-test", "X-Amz-Meta-A", "b", "Content-Encoding", "aws-chunked")
	one, two, ten := string(randomBytes(300<<10)), string(randomBytes(5)), string(randomBytes(70<<10))
	e10 := w.part("/data/k", id, 10, ten).want(t, 200).Header.Get("ETag")
	w.part("/data/k", id, 2, "replaced").want(t, 200)
	e2 := w.part("/data/k", id, 2, two).want(t, 200).Header.Get("ETag")
	e1 := w.part("/data/k", id, 1, one).want(t, 200).Header.Get("ETag")
	w.part("/data/k", id, 5, "not used").want(t, 200)
	w.part("/data/k", id, 0, "x").want(t, 400, "InvalidArgument")
	w.part("/data/k", id, 10001, "x").want(t, 400, "InvalidArgument")
	w.part("/data/k", "none", 1, "x").want(t, 404, "NoSuchUpload")
	w.part("/data/other", id, 1, "x").want(t, 404, "NoSuchUpload")
	w.get("data", "k").want(t, 404, "NoSuchKey")

	var parts struct {
		Part []struct {
			PartNumber int
			Size       int
			ETag       string
		}
		IsTruncated          bool
		NextPartNumberMarker int
	}
	r := w.do("ann", "GET", "/data/k?max-parts=2&part-number-marker=1&uploadId="+id, nil).want(t, 200)
	if err := xml.Unmarshal(r.body, &parts); err != nil || len(parts.Part) != 2 || parts.Part[0].PartNumber != 2 || parts.Part[0].ETag != e2 || !parts.IsTruncated || parts.NextPartNumberMarker != 5 {
		t.Errorf("parts %+v, %v", parts, err)
	}

	w.complete("/data/k", id, completion(2, e2, 1, e1)).want(t, 400, "InvalidPartOrder")
	w.complete("/data/k", id, completion(1, e2)).want(t, 400, "InvalidPart")
	w.complete("/data/k", id, completion(3, e2)).want(t, 400, "InvalidPart")
	w.complete("/data/k", id, completion()).want(t, 400, "MalformedXML")
	w.complete("/data/k", id, []byte("<Complete")).want(t, 400, "MalformedXML")
	done := w.complete("/data/k", id, completion(1, e1, 2, strings.Trim(e2, `"`), 10, e10)).want(t, 200)
	etag := etagOfParts(one, two, ten)
	if !bytes.Contains(done.body, []byte(strings.Trim(etag, `"`))) {
		t.Errorf("completed: %s, want %s", done.body, etag)
	}
	again := w.complete("/data/k", id, completion(1, e1, 2, e2, 10, e10)).want(t, 200)
	if !bytes.Equal(again.body, done.body) {
		t.Errorf("completed again: %s", again.body)
	}
	r = w.get("data", "k").want(t, 200)
	if string(r.body) != one+two+ten || r.Header.Get("ETag") != etag || r.Header.Get("X-Amz-Meta-A") != "b" || r.Header.Get("Content-Type") != "text/x-test" || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d bytes, %v", len(r.body), r.Header)
	}
	r = w.do("ann", "GET", "/data/k?partNumber=2", nil).want(t, 206)
	if string(r.body) != two || r.Header.Get("X-Amz-Mp-Parts-Count") != "3" {
		t.Errorf("part 2: %q, %v", r.body, r.Header)
	}
	w.do("ann", "GET", "/data/k?partNumber=3", nil).want(t, 400, "InvalidPart")
	w.part("/data/k", id, 1, "late").want(t, 404, "NoSuchUpload")
	w.do("ann", "DELETE", "/data/k?uploadId="+id, nil).want(t, 404, "NoSuchUpload")
}

func TestSmallParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *s3.Server) { s.MinPart = 0 })
	w.bucket("data")
	id := w.begin("/data/k")
	a := w.part("/data/k", id, 1, strings.Repeat("x", 5<<20-1)).want(t, 200).Header.Get("ETag")
	b := w.part("/data/k", id, 2, "end").want(t, 200).Header.Get("ETag")
	w.complete("/data/k", id, completion(1, a, 2, b)).want(t, 400, "EntityTooSmall")
	w.complete("/data/k", id, completion(2, b)).want(t, 200)
}

// The lifecycle that ends an upload is told to who begins it, and who looks at it.
func TestUploadsTellTheirEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.do("ann", "PUT", "/data?lifecycle", []byte(`<LifecycleConfiguration><Rule><ID>soon</ID><Status>Enabled</Status><Filter><Prefix>k</Prefix></Filter>`+
		`<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`)).want(t, 200)
	for key, rule := range map[string]string{"k": "soon", "other": ""} {
		r := w.do("ann", "POST", "/data/"+key+"?uploads", nil).want(t, 200)
		end, err := http.ParseTime(r.Header.Get("X-Amz-Abort-Date"))
		if r.Header.Get("X-Amz-Abort-Rule-Id") != rule || rule != "" && (err != nil || time.Until(end) < 24*time.Hour || time.Until(end) > 4*24*time.Hour) {
			t.Errorf("%s: %v", key, r.Header)
		}
		r = w.do("ann", "GET", "/data/"+key+"?uploadId="+w.begin("/data/"+key), nil).want(t, 200)
		if r.Header.Get("X-Amz-Abort-Rule-Id") != rule {
			t.Errorf("parts of %s: %v", key, r.Header)
		}
	}
}

// A part that was put twice may be named twice: the last counts.
func TestPartsNamedTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	id := w.begin("/data/k")
	first := w.part("/data/k", id, 1, "first").want(t, 200).Header.Get("ETag")
	second := w.part("/data/k", id, 1, "second").want(t, 200).Header.Get("ETag")
	w.complete("/data/k", id, completion(1, second, 1, first)).want(t, 400, "InvalidPart")
	for range 2 {
		w.complete("/data/k", id, completion(1, first, 1, second)).want(t, 200)
	}
	if r := w.get("data", "k").want(t, 200); string(r.body) != "second" {
		t.Errorf("it is %q", r.body)
	}
}

func TestAbortedUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	var ids []string
	for _, key := range []string{"a", "b", "b", "dir/c"} {
		ids = append(ids, w.begin("/data/"+key))
	}
	uploads := func(query string) (all []string) {
		var doc struct {
			Upload         []struct{ Key, UploadId string }
			CommonPrefixes []struct{ Prefix string }
		}
		r := w.do("ann", "GET", "/data?uploads"+query, nil).want(t, 200)
		if err := xml.Unmarshal(r.body, &doc); err != nil {
			t.Fatal(err)
		}
		for _, u := range doc.Upload {
			all = append(all, u.Key+" "+u.UploadId)
		}
		for _, p := range doc.CommonPrefixes {
			all = append(all, p.Prefix)
		}
		return all
	}
	want := []string{"a " + ids[0], "b " + ids[1], "b " + ids[2], "dir/c " + ids[3]}
	if got := uploads(""); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("uploads %q, want %q", got, want)
	}
	if got := uploads("&delimiter=%2F&prefix=d"); len(got) != 1 || got[0] != "dir/" {
		t.Errorf("by delimiter: %q", got)
	}
	if got := uploads("&key-marker=b&upload-id-marker=" + ids[1]); fmt.Sprint(got) != fmt.Sprint(want[2:]) {
		t.Errorf("after the first of two: %q", got)
	}
	for i, key := range []string{"a", "b", "b", "dir/c"} {
		w.do("ann", "DELETE", "/data/"+key+"?uploadId="+ids[i], nil).want(t, 204)
	}
	if got := uploads(""); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	w.do("ann", "DELETE", "/data", nil).want(t, 204)
}

func TestChecksumsOfParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	one, two := string(randomBytes(300<<10)), string(randomBytes(1000))
	for _, a := range checksum.All() {
		for _, kind := range []string{"COMPOSITE", "FULL_OBJECT"} {
			if kind == "FULL_OBJECT" && !a.IsCRC() || kind == "COMPOSITE" && a == checksum.CRC64NVME {
				w.do("ann", "POST", "/data/k?uploads", nil, "X-Amz-Checksum-Algorithm", string(a), "X-Amz-Checksum-Type", kind).want(t, 400, "InvalidRequest")
				continue
			}
			id := w.begin("/data/k", "X-Amz-Checksum-Algorithm", string(a), "X-Amz-Checksum-Type", kind)
			e1 := w.part("/data/k", id, 1, one, a.Header(), sumOf(a, one)).want(t, 200)
			e2 := w.part("/data/k", id, 2, two).want(t, 200) // the server computes it
			if e1.Header.Get(a.Header()) != sumOf(a, one) || e2.Header.Get(a.Header()) != sumOf(a, two) {
				t.Errorf("%s %s: parts have %q and %q", a, kind, e1.Header.Get(a.Header()), e2.Header.Get(a.Header()))
			}
			want := sumOf(a, one+two)
			if kind == "COMPOSITE" {
				h := a.New()
				for _, p := range []string{one, two} {
					sum, _ := a.Decode(sumOf(a, p))
					h.Write(sum)
				}
				want = checksum.Encode(h.Sum(nil)) + "-2"
			}
			body := completion(1, e1.Header.Get("ETag"), 2, e2.Header.Get("ETag"))
			w.complete("/data/k", id, body, a.Header(), "bad").want(t, 400, "BadDigest")
			w.complete("/data/k", id, body, a.Header(), sumOf(a, "other")).want(t, 400, "BadDigest")
			w.complete("/data/k", id, body, "X-Amz-Mp-Object-Size", "5").want(t, 400, "InvalidRequest")
			w.complete("/data/k", id, body, a.Header(), want).want(t, 200)
			r := w.do("ann", "HEAD", "/data/k", nil, "X-Amz-Checksum-Mode", "ENABLED").want(t, 200)
			if r.Header.Get(a.Header()) != want || r.Header.Get("X-Amz-Checksum-Type") != kind {
				t.Errorf("%s %s: %q %q, want %q", a, kind, r.Header.Get(a.Header()), r.Header.Get("X-Amz-Checksum-Type"), want)
			}
		}
	}
	id := w.begin("/data/k", "X-Amz-Checksum-Algorithm", "SHA256")
	w.part("/data/k", id, 1, one, "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, one)).want(t, 400, "InvalidRequest")
}

// An upload that declares no checksum gets one over the whole object, whatever its
// parts came with.
func TestChecksumOfUploadsThatDeclareNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	one, two := string(randomBytes(300<<10)), string(randomBytes(1000))
	const nvme = "X-Amz-Checksum-Crc64nvme"
	id := w.begin("/data/k")
	e1 := w.part("/data/k", id, 1, one, "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, one)).want(t, 200)
	e2 := w.part("/data/k", id, 2, two).want(t, 200)
	if e1.Header.Get("X-Amz-Checksum-Crc32") == "" || e1.Header.Get(nvme) != "" || e2.Header.Get(nvme) != sumOf(checksum.CRC64NVME, two) {
		t.Errorf("parts answer %v and %v", e1.Header, e2.Header)
	}
	w.part("/data/k", id, 1, one, "X-Amz-Checksum-Crc32", sumOf(checksum.CRC32, two)).want(t, 400, "BadDigest")
	w.put("data", "whole", two)
	e3 := w.do("ann", "PUT", "/data/k?partNumber=3&uploadId="+id, nil, "X-Amz-Copy-Source", "data/whole").want(t, 200)
	body := completion(1, e1.Header.Get("ETag"), 2, e2.Header.Get("ETag"), 3, etagIn(e3))
	want := sumOf(checksum.CRC64NVME, one+two+two)
	w.complete("/data/k", id, body, nvme, sumOf(checksum.CRC64NVME, one)).want(t, 400, "BadDigest")
	w.complete("/data/k", id, body, "X-Amz-Checksum-Sha256", sumOf(checksum.SHA256, one)).want(t, 400, "InvalidRequest")
	w.complete("/data/k", id, body, "X-Amz-Checksum-Type", "COMPOSITE").want(t, 400, "InvalidRequest")
	for range 2 { // the second time it is remembered
		r := w.complete("/data/k", id, body, nvme, want).want(t, 200)
		if !strings.Contains(string(r.body), "<ChecksumCRC64NVME>"+want+"</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT<") {
			t.Errorf("complete answers %s", r.body)
		}
	}
	r := w.do("ann", "HEAD", "/data/k", nil, "X-Amz-Checksum-Mode", "ENABLED").want(t, 200)
	if r.Header.Get(nvme) != want || r.Header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("head answers %v", r.Header)
	}
	r = w.do("ann", "GET", "/data/k?partNumber=1", nil, "X-Amz-Checksum-Mode", "ENABLED").want(t, 206)
	if r.Header.Get(nvme) != sumOf(checksum.CRC64NVME, one) || r.Header.Get("X-Amz-Checksum-Crc32") != "" {
		t.Errorf("a part of it answers %v", r.Header)
	}
	r = w.do("ann", "GET", "/data/k?attributes", nil, "X-Amz-Object-Attributes", "Checksum,ObjectParts").want(t, 200)
	if n := strings.Count(string(r.body), "<ChecksumCRC64NVME>"); n != 4 || strings.Contains(string(r.body), "CRC32>") {
		t.Errorf("attributes are %s", r.body)
	}

	// A range that is copied isn't read: then nobody knows.
	id = w.begin("/data/k")
	e1 = w.part("/data/k", id, 1, one).want(t, 200)
	e2 = w.do("ann", "PUT", "/data/k?partNumber=2&uploadId="+id, nil, "X-Amz-Copy-Source", "data/whole", "X-Amz-Copy-Source-Range", "bytes=0-10").want(t, 200)
	body = completion(1, e1.Header.Get("ETag"), 2, etagIn(e2))
	w.complete("/data/k", id, body, nvme, want).want(t, 400, "InvalidRequest")
	w.complete("/data/k", id, body).want(t, 200)
	if r = w.do("ann", "HEAD", "/data/k", nil, "X-Amz-Checksum-Mode", "ENABLED").want(t, 200); r.Header.Get(nvme) != "" {
		t.Errorf("head answers %v", r.Header)
	}
}

// etagIn is the ETag that an answer's document has.
func etagIn(r reply) string {
	var doc struct{ ETag string }
	_ = xml.Unmarshal(r.body, &doc)
	return doc.ETag
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("data")
	w.put("data", "k", "hello", "X-Amz-Checksum-Sha256", sumOf(checksum.SHA256, "hello"))
	r := w.do("ann", "GET", "/data/k?attributes", nil, "X-Amz-Object-Attributes", "ETag,Checksum,ObjectParts,StorageClass,ObjectSize").want(t, 200)
	for _, want := range []string{"<ETag>5d41402abc4b2a76b9719d911017c592</ETag>", "<ObjectSize>5</ObjectSize>", "<ChecksumSHA256>", "<StorageClass>STANDARD</StorageClass>"} {
		if !bytes.Contains(r.body, []byte(want)) {
			t.Errorf("no %s in %s", want, r.body)
		}
	}
	if bytes.Contains(r.body, []byte("ObjectParts")) {
		t.Errorf("parts in %s", r.body)
	}
	w.do("ann", "GET", "/data/k?attributes", nil).want(t, 400, "InvalidRequest")
	w.do("ann", "GET", "/data/k?attributes", nil, "X-Amz-Object-Attributes", "Colour").want(t, 400, "InvalidArgument")
	w.do("ann", "GET", "/data/none?attributes", nil, "X-Amz-Object-Attributes", "ETag").want(t, 404, "NoSuchKey")
}
