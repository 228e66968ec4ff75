package s3

import (
	"crypto/md5" // what S3's ETags and Content-MD5 are
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// payloadForm is how a body comes, as its signature declares it.
type payloadForm struct {
	sha256   []byte       // of the body; nil: not declared
	framed   bool         // in chunks
	chain    *sigv4.Chain // of the chunks' signatures; nil: they have none
	trailing bool         // trailers follow
}

// declare reads x-amz-content-sha256.
func (p *payloadForm) declare(value string, chain *sigv4.Chain) error {
	*p = payloadForm{}
	switch value {
	case "", sigv4.Unsigned:
	case sigv4.StreamingUnsigned:
		p.framed, p.trailing = true, true
	case sigv4.Streaming, sigv4.StreamingTrailer:
		if chain == nil {
			return fail(AccessDenied, "A body that is signed in chunks needs a signed request.")
		}
		p.framed, p.chain, p.trailing = true, chain, value == sigv4.StreamingTrailer
	case sigv4.StreamingECDSA, sigv4.StreamingECDSATrailer:
		return fail(NotImplemented, "Signatures by ECDSA are not supported.")
	default:
		sum, err := hex.DecodeString(value)
		if err != nil || len(sum) != 32 {
			return fail(InvalidArgument, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.").
				with("ArgumentName", "x-amz-content-sha256").with("ArgumentValue", value)
		}
		p.sha256 = sum
	}
	return nil
}

// promises are what a request says of its body: the data must keep all of them.
type promises struct {
	form      payloadForm
	size      int64 // of the data; -1: not said
	md5       []byte
	algorithm checksum.Algorithm // of a checksum beside; empty: none
	checksum  []byte             // its value; nil: it comes in a trailer, or is only to be computed
	trailers  []string
	part      bool // of an upload that declares no checksum: it gets one of the server's
}

// promised reads what the request says of its body.
func (c *call) promised() (*promises, error) {
	p := &promises{form: c.payload, size: c.r.ContentLength}
	if values := c.r.Header["Content-Md5"]; values != nil {
		sum, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil || len(sum) != md5.Size {
			return nil, fail(InvalidDigest, "The Content-MD5 you specified is not valid.").with("Content-MD5", values[0])
		}
		p.md5 = sum
	}
	if p.form.framed {
		if err := p.readFraming(c); err != nil {
			return nil, err
		}
	}
	return p, p.readChecksum(c)
}

// readFraming reads what a body in chunks says beside its chunks.
func (p *promises) readFraming(c *call) error {
	p.size = -1
	if text := c.r.Header.Get("X-Amz-Decoded-Content-Length"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return fail(InvalidArgument, "x-amz-decoded-content-length is no length.").with("ArgumentName", "x-amz-decoded-content-length").with("ArgumentValue", text)
		}
		p.size = n
	}
	if !p.form.trailing {
		return nil
	}
	p.trailers = []string{}
	for _, line := range c.r.Header["X-Amz-Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				p.trailers = append(p.trailers, name)
			}
		}
	}
	return nil
}

// readChecksum reads which checksum comes, and where.
func (p *promises) readChecksum(c *call) error {
	choose := func(a checksum.Algorithm) error {
		if p.algorithm != "" && p.algorithm != a {
			return fail(InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		p.algorithm = a
		return nil
	}
	for name, values := range c.r.Header {
		a, err := algorithmOf(name)
		if err != nil {
			return err
		}
		if a == "" {
			continue
		}
		if err := choose(a); err != nil {
			return err
		}
		sum, ok := a.Decode(values[0])
		if !ok || len(values) > 1 {
			return fail(BadDigest, "Value for %s header is invalid.", a.Header())
		}
		p.checksum = sum
	}
	for _, name := range p.trailers {
		a, err := algorithmOf(http.CanonicalHeaderKey(name))
		if err != nil {
			return err
		}
		if a == "" {
			continue
		}
		if p.checksum != nil {
			return fail(InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		if err := choose(a); err != nil {
			return err
		}
	}
	name := c.r.Header.Get("X-Amz-Sdk-Checksum-Algorithm")
	if name == "" || strings.EqualFold(name, "MD5") {
		return nil
	}
	a, ok := checksum.Parse(name)
	if !ok || p.algorithm != "" && p.algorithm != a {
		return fail(InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	p.algorithm = a
	return nil
}

// algorithmOf tells of which algorithm the header of this canonical name has a value;
// none if it is another header. A checksum that isn't known is refused: the client
// relies on its being compared.
func algorithmOf(name string) (checksum.Algorithm, error) {
	if !strings.HasPrefix(name, "X-Amz-Checksum-") {
		return "", nil
	}
	switch name {
	case "X-Amz-Checksum-Algorithm", "X-Amz-Checksum-Type", "X-Amz-Checksum-Mode":
		return "", nil
	}
	a, ok := checksum.OfHeader(strings.ToLower(name))
	if !ok {
		return "", fail(NotImplemented, "A header you provided implies functionality that is not implemented").with("Header", strings.ToLower(name))
	}
	return a, nil
}
