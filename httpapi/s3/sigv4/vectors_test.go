package sigv4_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// The access key of AWS's documents.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleScope  = exampleKey + "/20130524/us-east-1/s3/aws4_request"
	emptyHash     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

func header(fields ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Set(fields[i], fields[i+1])
	}
	return h
}

func authorization(signed, signature string) string {
	return "AWS4-HMAC-SHA256 Credential=" + exampleScope + ",SignedHeaders=" + signed + ",Signature=" + signature
}

// vectors are the examples of the S3 API Reference: "Signature Calculations for
// the Authorization Header" and "Authenticating Requests: Using Query Parameters".
var vectors = map[string]sigv4.Request{
	"get object": {Method: "GET", Path: "/test.txt", Host: "examplebucket.s3.amazonaws.com", Header: header("Range", "bytes=0-9", "x-amz-content-sha256", emptyHash, "x-amz-date", "20130524T000000Z",
		"Authorization", authorization("host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"))},
	"put object": {Method: "PUT", Path: "/test$file.text", Host: "examplebucket.s3.amazonaws.com", ContentLength: 21, Header: header("Date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-date", "20130524T000000Z",
		"x-amz-storage-class", "REDUCED_REDUNDANCY", "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
		"Authorization", authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))},
	"get bucket lifecycle": {Method: "GET", Path: "/", RawQuery: "lifecycle", Host: "examplebucket.s3.amazonaws.com", Header: header("x-amz-date", "20130524T000000Z", "x-amz-content-sha256", emptyHash,
		"Authorization", authorization("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"))},
	"list objects": {Method: "GET", Path: "/", RawQuery: "max-keys=2&prefix=J", Host: "examplebucket.s3.amazonaws.com", Header: header("x-amz-date", "20130524T000000Z", "x-amz-content-sha256", emptyHash,
		"Authorization", authorization("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"))},
	"presigned": {
		Method: "GET", Path: "/test.txt", Host: "examplebucket.s3.amazonaws.com", Header: http.Header{},
		RawQuery: "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400" +
			"&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
	},
}

func signedAt() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }

func verify(r sigv4.Request, secret string) (*sigv4.Chain, error) {
	claim, err := sigv4.Find(&r, false)
	if err != nil {
		return nil, err
	}
	if claim == nil {
		return nil, errors.New("no claim")
	}
	if err := claim.Fresh(signedAt()); err != nil {
		return nil, err
	}
	if claim.AccessKey != exampleKey {
		return nil, fmt.Errorf("access key %q", claim.AccessKey)
	}
	return claim.Verify(&r, []byte(secret))
}

func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	for name, r := range vectors {
		t.Run(name, func(t *testing.T) {
			if _, err := verify(r, exampleSecret); err != nil {
				t.Error(err)
			}
			if _, err := verify(r, exampleSecret+"x"); codeOf(err) != "SignatureDoesNotMatch" {
				t.Errorf("with another secret: %v", err)
			}
			r.Method = "DELETE"
			if _, err := verify(r, exampleSecret); codeOf(err) != "SignatureDoesNotMatch" {
				t.Errorf("with another method: %v", err)
			}
		})
	}
}

func codeOf(err error) string {
	var e *sigv4.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// streams are the examples of "Transferring Payload in Multiple Chunks", without
// and with a trailer.
type stream struct {
	request  sigv4.Request
	trailers []string
	parts    [4]string // signatures: three chunks, and the trailers
}

func streams() map[string]stream {
	common := []string{
		"x-amz-date", "20130524T000000Z", "x-amz-storage-class", "REDUCED_REDUNDANCY", "Content-Encoding", "aws-chunked", "x-amz-decoded-content-length", "66560",
	}
	put := sigv4.Request{Method: "PUT", Path: "/examplebucket/chunkObject.txt", Host: "s3.amazonaws.com", ContentLength: 66824}
	plain, trailer := put, put
	plain.Header = header(append(common, "x-amz-content-sha256", sigv4.Streaming, "Content-Length", "66824", "Authorization", authorization(
		"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class", "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"))...)
	trailer.Header = header(append(common, "x-amz-content-sha256", sigv4.StreamingTrailer, "x-amz-trailer", "x-amz-checksum-crc32c", "Authorization", authorization(
		"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer", "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"))...)
	return map[string]stream{
		"chunks": {plain, nil, [4]string{
			"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
			"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", "",
		}},
		"chunks and a trailer": {trailer, []string{"x-amz-checksum-crc32c"}, [4]string{
			"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
			"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992", "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
		}},
	}
}

// body frames the 65 KiB of "a" of the examples.
func (s stream) body() string {
	b := "10000;chunk-signature=" + s.parts[0] + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + s.parts[1] + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + s.parts[2] + "\r\n"
	if s.trailers != nil {
		b += "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:" + s.parts[3] + "\r\n"
	}
	return b + "\r\n"
}

func (s stream) read(body string) (string, *sigv4.Reader, error) {
	chain, err := verify(s.request, exampleSecret)
	if err != nil {
		return "", nil, err
	}
	r := sigv4.NewReader(strings.NewReader(body), sigv4.Form{Chain: chain, Trailers: s.trailers})
	data, err := io.ReadAll(r)
	return string(data), r, err
}

func TestPublishedStreams(t *testing.T) {
	t.Parallel()
	for name, s := range streams() {
		t.Run(name, func(t *testing.T) {
			data, r, err := s.read(s.body())
			if err != nil || data != strings.Repeat("a", 66560) {
				t.Fatalf("%d bytes, %v", len(data), err)
			}
			if s.trailers != nil && r.Trailer("x-amz-checksum-crc32c") != "sOO8/Q==" {
				t.Errorf("trailer %q", r.Trailer("x-amz-checksum-crc32c"))
			}
			changed := map[string]string{
				"a byte of the data":       strings.Replace(s.body(), "aaaa", "aaba", 1),
				"the order of the chunks":  "400;chunk-signature=" + s.parts[1] + "\r\n" + strings.Repeat("a", 1024) + "\r\n" + s.body(),
				"the last chunk is gone":   s.body()[:strings.Index(s.body(), "0;chunk-signature="+s.parts[2])],
				"the end of the data":      s.body()[:40000],
				"a signature":              strings.Replace(s.body(), "chunk-signature="+s.parts[1][:1], "chunk-signature=f", 1),
				"no signature":             strings.Replace(s.body(), ";chunk-signature="+s.parts[1], "", 1),
				"something behind the end": s.body() + "x",
			}
			if s.trailers != nil {
				changed["a trailer"] = strings.Replace(s.body(), "sOO8", "sOO9", 1)
				changed["another trailer"] = strings.Replace(s.body(), "x-amz-trailer-s", "x-amz-meta-a:b\r\nx-amz-trailer-s", 1)
				changed["no trailer"] = strings.Replace(s.body(), "x-amz-checksum-crc32c:sOO8/Q==\r\n", "", 1)
				changed["no signature of the trailer"] = s.body()[:strings.Index(s.body(), "x-amz-trailer-signature")] + "\r\n"
			}
			for what, body := range changed {
				if _, _, err := s.read(body); codeOf(err) == "" {
					t.Errorf("changed %s: error %v", what, err)
				}
			}
		})
	}
}
