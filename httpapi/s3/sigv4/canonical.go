package sigv4

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// unreserved tells the characters that are never encoded (RFC 3986, section 2.3).
func unreserved(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// Escape percent-encodes all but the unreserved characters, and "/" where slash
// is set.
func Escape(s string, slash bool) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case unreserved(c), c == '/' && slash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// decode undoes percent-encoding; what is no valid escape stays as it is.
func decode(s string, plus bool) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+' && plus:
			c = ' '
		case c == '%' && i+2 < len(s):
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				c = byte(n)
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// parametersOf gives the decoded names and values of a query.
func parametersOf(rawQuery string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for part := range strings.SplitSeq(rawQuery, "&") {
			name, value, _ := strings.Cut(part, "=")
			if part != "" && !yield(decode(name, true), decode(value, true)) {
				return
			}
		}
	}
}

func hasParameter(rawQuery, name string) bool {
	for n := range parametersOf(rawQuery) {
		if n == name {
			return true
		}
	}
	return false
}

// canonicalQuery is the query sorted and encoded anew, without the signature.
func canonicalQuery(rawQuery string) string {
	var pairs []string
	for name, value := range parametersOf(rawQuery) {
		if name != "X-Amz-Signature" {
			pairs = append(pairs, Escape(name, false)+"="+Escape(value, false))
		}
	}
	// By name, then by value: "=" sorts above some characters that an encoded name
	// may have behind it.
	slices.SortFunc(pairs, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(pairs, "&")
}

// variant is one reading of what a client may have signed, where proxies change
// requests on their way.
type variant struct{ path, host, acceptEncoding string }

// variants are the readings that are tried: the path encoded anew, and as it was
// sent; the host that the proxy forwards for; a host without its port, as git-annex
// signs it; Accept-Encoding as SDKs send it.
// Each denotes the same request, so that accepting any gives nothing away.
func (c *Claim) variants(r *Request) []variant {
	paths := []string{Escape(decode(r.Path, false), true)}
	if paths[0] != r.Path {
		paths = append(paths, r.Path)
	}
	hosts := append([]string{r.Host}, r.Hosts...)
	for _, host := range hosts {
		if name := withoutPort(host); name != host {
			hosts = append(hosts, name)
		}
	}
	codings := []string{strings.Join(r.Header["Accept-Encoding"], ",")}
	if c.Signed("accept-encoding") && codings[0] != "identity" {
		codings = append(codings, "identity")
	}
	var all []variant
	for _, path := range paths {
		for _, host := range hosts {
			for _, coding := range codings {
				all = append(all, variant{path, host, coding})
			}
		}
	}
	return all
}

// withoutPort is the name in a Host header; the brackets of an IPv6 address belong to it.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host
}

func (c *Claim) canonicalRequest(r *Request, v variant, payload string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + v.path + "\n" + canonicalQuery(r.RawQuery) + "\n")
	for _, name := range c.headers {
		b.WriteString(name + ":" + headerValue(r, v, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(c.headers, ";") + "\n" + payload)
	return b.String()
}

// headerValue is a header as it is signed. Some never reach a handler of net/http
// as they came.
func headerValue(r *Request, v variant, name string) string {
	switch name {
	case "host":
		return v.host
	case "accept-encoding":
		return trimAll(v.acceptEncoding)
	}
	values := r.Header[canonicalName(name)]
	if len(values) == 0 {
		switch {
		case name == "expect":
			return "100-continue"
		case name == "content-length" && r.ContentLength >= 0:
			return strconv.FormatInt(r.ContentLength, 10)
		case name == "transfer-encoding" && r.ContentLength < 0:
			return "chunked"
		}
	}
	trimmed := make([]string, len(values))
	for i, value := range values {
		trimmed[i] = trimAll(value)
	}
	return strings.Join(trimmed, ",")
}

// trimAll trims s, and makes one space of each run of them.
func trimAll(s string) string {
	s = strings.Trim(s, " \t")
	if !strings.Contains(s, "  ") {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] != ' ' || s[i-1] != ' ' {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
