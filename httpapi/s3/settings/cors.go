package settings

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// MaxCORSRules is how many rules a CORS configuration may have, as on AWS.
const MaxCORSRules = 100

// CORS says to which other sites' pages browsers may give a bucket's answers.
type CORS struct {
	XMLName xml.Name   `xml:"CORSConfiguration"`
	Xmlns   string     `xml:"xmlns,attr,omitempty"`
	Rules   []CORSRule `xml:"CORSRule"`
	Unknown []Unknown  `xml:",any"`
}

// CORSRule is one rule; the first one that fits counts.
type CORSRule struct {
	ID             string    `xml:"ID,omitempty"`
	AllowedHeaders []string  `xml:"AllowedHeader"`
	AllowedMethods []string  `xml:"AllowedMethod"`
	AllowedOrigins []string  `xml:"AllowedOrigin"`
	ExposeHeaders  []string  `xml:"ExposeHeader"`
	MaxAgeSeconds  *int      `xml:"MaxAgeSeconds"`
	Unknown        []Unknown `xml:",any"`
}

// ParseCORS reads a CORSConfiguration.
func ParseCORS(data []byte) (*CORS, error) {
	c := &CORS{}
	if err := Read(data, "CORSConfiguration", c); err != nil {
		return nil, err
	}
	if len(c.Rules) == 0 || len(c.Rules) > MaxCORSRules {
		return nil, malformed("A CORS configuration has 1 to %d rules.", MaxCORSRules)
	}
	for i := range c.Rules {
		if err := c.Rules[i].check(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (r *CORSRule) check() error {
	if len(r.AllowedMethods) == 0 || len(r.AllowedOrigins) == 0 {
		return malformed("A CORS rule has at least one AllowedMethod and one AllowedOrigin.")
	}
	if len(r.ID) > 255 {
		return invalid("The ID of a CORS rule is longer than 255 characters.")
	}
	for _, m := range r.AllowedMethods {
		switch m {
		case "GET", "PUT", "POST", "DELETE", "HEAD":
		default:
			return refuse("InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
		}
	}
	for _, o := range r.AllowedOrigins {
		if strings.Count(o, "*") > 1 || o == "" {
			return refuse("InvalidRequest", "AllowedOrigin %q can not have more than one wildcard.", o)
		}
	}
	for _, h := range r.AllowedHeaders {
		if strings.Count(h, "*") > 1 || h == "" {
			return refuse("InvalidRequest", "AllowedHeader %q can not have more than one wildcard.", h)
		}
	}
	for _, h := range r.ExposeHeaders {
		if h == "" || strings.ContainsFunc(h, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '*' }) {
			return refuse("InvalidRequest", "ExposeHeader %q contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
		}
	}
	if r.MaxAgeSeconds != nil && *r.MaxAgeSeconds < 0 {
		return malformed("MaxAgeSeconds is negative.")
	}
	return nil
}

// Match finds the rule for a request by origin with method, whose script would
// send these headers. Nil if none fits.
func (c *CORS) Match(origin, method string, headers []string) *CORSRule {
	for i := range c.Rules {
		if r := &c.Rules[i]; r.fits(origin, method, headers) {
			return r
		}
	}
	return nil
}

func (r *CORSRule) fits(origin, method string, headers []string) bool {
	if !contains(r.AllowedMethods, func(m string) bool { return m == method }) ||
		!contains(r.AllowedOrigins, func(o string) bool { return oneStar(o, origin) }) {
		return false
	}
	for _, h := range headers {
		h = strings.ToLower(strings.TrimSpace(h))
		if h != "" && !contains(r.AllowedHeaders, func(a string) bool { return oneStar(strings.ToLower(a), h) }) {
			return false
		}
	}
	return true
}

// Headers are those that an answer has when the rule fits a request: pairs of
// name and value. Preflight: the answer is to OPTIONS, which asked for headers.
func (r *CORSRule) Headers(origin string, headers []string, preflight bool) [][2]string {
	var out [][2]string
	add := func(name, value string) {
		if value != "" {
			out = append(out, [2]string{name, value})
		}
	}
	anybody := contains(r.AllowedOrigins, func(o string) bool { return o == "*" })
	if anybody {
		add("Access-Control-Allow-Origin", "*")
	} else {
		add("Access-Control-Allow-Origin", origin)
		add("Access-Control-Allow-Credentials", "true")
	}
	add("Access-Control-Allow-Methods", strings.Join(r.AllowedMethods, ", "))
	if preflight {
		add("Access-Control-Allow-Headers", strings.ToLower(strings.Join(trimmed(headers), ", ")))
	}
	add("Access-Control-Expose-Headers", strings.Join(r.ExposeHeaders, ", "))
	if r.MaxAgeSeconds != nil {
		add("Access-Control-Max-Age", strconv.Itoa(*r.MaxAgeSeconds))
	}
	return out
}

func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func contains(list []string, is func(string) bool) bool {
	for _, s := range list {
		if is(s) {
			return true
		}
	}
	return false
}

// oneStar matches a pattern with at most one "*".
func oneStar(pattern, s string) bool {
	before, after, found := strings.Cut(pattern, "*")
	if !found {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}
