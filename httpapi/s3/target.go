package s3

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

// target is what a request addresses, read from its raw request target, so that
// "a//b", "a/../b" and "a%2Fb" are the keys that the client meant, and a signature
// is checked over what was sent.
type target struct {
	path     string // as sent: percent-encoded, from its first "/" on
	rawQuery string // as sent, without "?"
	host     string // that the client addressed, as sent
	bucket   string // decoded; empty: the service itself
	key      string // decoded; empty: the bucket itself
	virtual  bool   // the bucket came from the host's name
	query    query
}

// maxKey is the longest key in bytes.
const maxKey = 1024

// parseTarget reads the target of r. Domains are those that hold a name per
// bucket, as s3.example.org in bucket.s3.example.org.
func parseTarget(r *http.Request, host string, domains []string) (target, error) {
	raw := r.RequestURI
	if _, rest, absolute := strings.Cut(raw, "://"); absolute && !strings.HasPrefix(raw, "/") {
		at := strings.IndexAny(rest, "/?")
		if at < 0 {
			at, rest = len(rest), rest+"/"
		}
		raw = rest[at:]
	}
	t := target{host: host}
	t.path, t.rawQuery, _ = strings.Cut(raw, "?")
	if t.path == "" || t.path == "*" {
		t.path = "/"
	}
	if t.path[0] != '/' {
		return t, fail(InvalidURI, "")
	}
	var err error
	if t.query, err = parseQuery(t.rawQuery); err != nil {
		return t, err
	}
	rest := t.path[1:]
	if t.bucket, t.virtual = bucketOfHost(host, domains); !t.virtual {
		name, key, _ := strings.Cut(rest, "/")
		if t.bucket, err = unescape(name); err != nil {
			return t, err
		}
		rest = key
	}
	if t.key, err = unescape(rest); err != nil {
		return t, err
	}
	if t.bucket == "" && t.key != "" { // "//key"
		return t, fail(InvalidBucketName, "").with("BucketName", "")
	}
	return t, checkKey(t.key)
}

// checkKey refuses what can't be a key. The empty key is the bucket.
func checkKey(key string) error {
	switch {
	case len(key) > maxKey:
		return fail(KeyTooLongError, "").with("Size", itoa(int64(len(key)))).with("MaxSizeAllowed", itoa(maxKey))
	case !utf8.ValidString(key):
		return fail(InvalidURI, "The key is no valid UTF-8.")
	case strings.IndexByte(key, 0) >= 0:
		return fail(InvalidArgument, "A key can't hold the character NUL.")
	}
	return nil
}

// bucketOfHost tells the bucket that a host's name begins with.
func bucketOfHost(host string, domains []string) (string, bool) {
	name := strings.ToLower(hostname(host))
	if _, err := netip.ParseAddr(name); err == nil {
		return "", false
	}
	for _, domain := range domains {
		if bucket, ok := strings.CutSuffix(name, "."+strings.ToLower(domain)); ok && bucket != "" {
			return bucket, true
		}
	}
	return "", false
}

// hostname is host without a port and without the brackets of an IPv6 address.
func hostname(host string) string {
	if rest, ok := strings.CutPrefix(host, "["); ok {
		name, _, _ := strings.Cut(rest, "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// unescape decodes percent escapes, once. A plus sign is a plus sign.
func unescape(s string) (string, error) { return unescaped(url.PathUnescape(s)) }

// unescapeQuery is unescape for what is encoded as in a query, where a plus sign is a
// space.
func unescapeQuery(s string) (string, error) { return unescaped(url.QueryUnescape(s)) }

func unescaped(s string, err error) (string, error) {
	if err != nil {
		return "", fail(InvalidURI, "")
	}
	return s, nil
}
