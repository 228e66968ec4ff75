package s3_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
)

// signer signs as clients do, by AWS's description of Signature Version 4 and by
// nothing of what the server verifies with.
type signer struct {
	key          []byte
	stamp, scope string
	previous     string // the signature that the next one covers
}

const signingAlgorithm = "AWS4-HMAC-SHA256"

// signed makes the Authorization header of a request over all headers that it has,
// X-Amz-Date and X-Amz-Content-Sha256 among them.
func signed(u user, method, target, host string, header http.Header) (authorization string, s *signer) {
	stamp := header.Get("X-Amz-Date")
	if stamp == "" {
		stamp = header.Get("Date")
		if t, err := mail.ParseDate(stamp); err == nil {
			stamp = t.UTC().Format("20060102T150405Z")
		}
	}
	s = &signer{key: []byte("AWS4" + u.secret), stamp: stamp, scope: stamp[:8] + "/us-east-1/s3/aws4_request"}
	for part := range strings.SplitSeq(s.scope, "/") {
		s.key = hmacOf(s.key, part)
	}
	path, query, _ := strings.Cut(target, "?")
	names := []string{"host"}
	for name := range header {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	canonical := method + "\n" + sigv4.Escape(unescaped(url.PathUnescape, path), true) + "\n" + canonicalQuery(query) + "\n"
	for _, name := range names {
		value := host
		if name != "host" {
			value = canonicalValue(header.Values(name))
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += "\n" + strings.Join(names, ";") + "\n" + header.Get("X-Amz-Content-Sha256")
	s.previous = hex.EncodeToString(hmacOf(s.key, signingAlgorithm+"\n"+stamp+"\n"+s.scope+"\n"+sha256Of(canonical)))
	return signingAlgorithm + " Credential=" + u.key + "/" + s.scope + ",SignedHeaders=" + strings.Join(names, ";") + ",Signature=" + s.previous, s
}

// chunk signs the next chunk of a body; the last one is empty.
func (s *signer) chunk(data string) string {
	return s.next("AWS4-HMAC-SHA256-PAYLOAD", sha256Of("")+"\n"+sha256Of(data))
}

// trailers signs what follows the last chunk, lines of name:value.
func (s *signer) trailers(lines string) string {
	return s.next("AWS4-HMAC-SHA256-TRAILER", sha256Of(lines))
}

func (s *signer) next(algorithm, sums string) string {
	s.previous = hex.EncodeToString(hmacOf(s.key, algorithm+"\n"+s.stamp+"\n"+s.scope+"\n"+s.previous+"\n"+sums))
	return s.previous
}

func canonicalQuery(query string) string {
	var pairs [][2]string
	for part := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(part, "="); part != "" {
			pairs = append(pairs, [2]string{sigv4.Escape(unescaped(url.QueryUnescape, name), false), sigv4.Escape(unescaped(url.QueryUnescape, value), false)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + p[1])
	}
	return b.String()
}

// unescaped is text without percent-encoding; text that isn't encoded properly is
// signed as it is.
func unescaped(by func(string) (string, error), text string) string {
	if s, err := by(text); err == nil {
		return s
	}
	return text
}

var spaces = regexp.MustCompile(` +`)

func canonicalValue(values []string) string {
	var all []string
	for _, v := range values {
		all = append(all, spaces.ReplaceAllString(strings.Trim(v, " \t"), " "))
	}
	return strings.Join(all, ",")
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
