package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// The values of x-amz-content-sha256 that are no hash.
const (
	Unsigned               = "UNSIGNED-PAYLOAD"
	StreamingUnsigned      = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	Streaming              = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingTrailer       = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingECDSA         = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
	StreamingECDSATrailer  = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
	emptyHash              = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	chunkAlgorithm         = "AWS4-HMAC-SHA256-PAYLOAD"
	trailerAlgorithm       = "AWS4-HMAC-SHA256-TRAILER"
	maxCanonical           = 16 << 10
	signatureMismatchText  = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	headersNotSignedText   = "There were headers present in the request which were not signed"
	contentHashMissingText = "Missing required header for this request: x-amz-content-sha256"
)

func canonicalName(name string) string { return http.CanonicalHeaderKey(name) }

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (c *Claim) key(secret []byte) []byte {
	k := append([]byte("AWS4"), secret...)
	return mac(mac(mac(mac(k, c.date), c.Region), service), terminator)
}

func (c *Claim) scope() string {
	return c.date + "/" + c.Region + "/" + service + "/" + terminator
}

// Verify confirms that a secret made the claim's signature over the request, and
// that nothing of the request which S3 would act upon is left unsigned. Its error
// is an *Error. The Chain is for a body that is signed chunk by chunk.
func (c *Claim) Verify(r *Request, secret []byte) (*Chain, error) {
	if c.Version == 2 {
		return nil, c.verify2(r, secret)
	}
	payload := c.Payload
	switch {
	case payload != "":
	case c.Place == InQuery:
		payload = Unsigned
	case r.ContentLength == 0:
		payload = emptyHash
	default:
		return nil, refuse(invalidRequest, contentHashMissingText)
	}
	key := r.Keys.key(c, secret)
	var first string
	for i, v := range c.variants(r) {
		canonical := c.canonicalRequest(r, v, payload)
		toSign := algorithm + "\n" + c.stamp + "\n" + c.scope() + "\n" + sumOf(canonical)
		if hmac.Equal(mac(key, toSign), c.signature) {
			if err := c.allSigned(r); err != nil {
				return nil, err
			}
			return &Chain{key: key, stamp: c.stamp, scope: c.scope(), previous: hex.EncodeToString(c.signature)}, nil
		}
		if i == 0 {
			first = canonical + "\n--\n" + toSign
		}
	}
	return nil, &Error{Code: doesNotMatch, Message: signatureMismatchText, Canonical: first[:min(len(first), maxCanonical)]}
}

// allSigned refuses headers that S3 acts upon and that the signature doesn't
// cover: somebody on the way may have added them.
func (c *Claim) allSigned(r *Request) error {
	var unsigned []string
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !c.Signed(lower) && !harmless(lower, c.Place) {
			unsigned = append(unsigned, lower)
		}
	}
	if len(unsigned) == 0 {
		return nil
	}
	slices.Sort(unsigned)
	return refuse(accessDenied, headersNotSignedText).with("HeadersNotSigned", strings.Join(unsigned, ", "))
}

// harmless tells the headers that nothing follows from: those that proxies add,
// and those that only tighten what is checked of a presigned request's body.
func harmless(name string, place Place) bool {
	switch name {
	case "x-amz-cf-id", "x-amz-user-agent", "x-amz-date":
		return true
	case "x-amz-content-sha256":
		return place == InQuery
	}
	return place == InQuery && strings.HasPrefix(name, "x-amz-checksum-") || place == InQuery && name == "x-amz-sdk-checksum-algorithm"
}

// VerifyPolicy confirms that a secret signed the policy of an HTML form, which is
// given in base64 as it came.
func (c *Claim) VerifyPolicy(policy string, secret []byte) error {
	sum := mac(c.key(secret), policy)
	if c.Version == 2 {
		sum = mac1(secret, policy)
	}
	if !hmac.Equal(sum, c.signature) {
		return &Error{Code: doesNotMatch, Message: signatureMismatchText}
	}
	return nil
}

// Chain is the chain of signatures over the chunks of a body: each covers the one
// before it, the first that of the request.
type Chain struct {
	key          []byte
	stamp, scope string
	previous     string
}

// next confirms the signature of the next chunk, or of the trailers, whose hash
// is given.
func (c *Chain) next(what, sum string, signature []byte) bool {
	return hmac.Equal([]byte(c.sign(what, sum)), signature)
}

// sign makes the next signature.
func (c *Chain) sign(what, sum string) string {
	toSign := what + "\n" + c.stamp + "\n" + c.scope + "\n" + c.previous + "\n"
	if what == chunkAlgorithm {
		toSign += emptyHash + "\n"
	}
	c.previous = hex.EncodeToString(mac(c.key, toSign+sum))
	return c.previous
}
