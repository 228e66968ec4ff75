package sigv4

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Request is what a signature covers of an HTTP request.
type Request struct {
	Method   string
	Path     string // as sent, percent-encoded
	RawQuery string // as sent, without "?"
	Host     string // as sent
	// Hosts are further names that the client may have signed instead, because a
	// proxy that is trusted to tell has changed Host.
	Hosts         []string
	Header        http.Header
	ContentLength int64 // -1: unknown

	// Bucket and Virtual are for version 2, which signs the bucket of a host name.
	Bucket  string
	Virtual bool

	// Keys remembers signing keys. Nil: each is derived anew.
	Keys *Keys
}

// Place is where a claim was found.
type Place uint8

// The places.
const (
	InHeader Place = iota
	InQuery        // a presigned URL
	InForm
)

// Claim is what a request says of who signed it, and nothing is proved of it but
// its form, until Verify.
type Claim struct {
	Place     Place
	Version   int // 4 or 2
	AccessKey string
	Region    string    // empty in version 2
	Time      time.Time // when it was signed; zero for a presigned URL of version 2
	Expires   time.Duration
	Until     time.Time // of a presigned URL: its end
	Token     string    // of a session
	// Payload is x-amz-content-sha256 as it was signed; "" if there is none.
	Payload string

	date      string // of the scope
	stamp     string // the time as signed
	headers   []string
	signature []byte
}

// Signed reports whether a header, by its lower-case name, is covered.
func (c *Claim) Signed(name string) bool { return slices.Contains(c.headers, name) }

const (
	algorithm  = "AWS4-HMAC-SHA256"
	asymmetric = "AWS4-ECDSA-P256-SHA256"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
	terminator = "aws4_request"
	service    = "s3"
	week       = 7 * 24 * time.Hour
	maxSkew    = 15 * time.Minute
	maxHeaders = 100
)

// Find gives the claim that a request makes, nil if it makes none. Of version 2
// it makes one only where version2 is set; otherwise it is refused.
func Find(r *Request, version2 bool) (*Claim, error) {
	values := r.Header["Authorization"]
	inQuery := hasParameter(r.RawQuery, "X-Amz-Algorithm") || hasParameter(r.RawQuery, "X-Amz-Signature")
	inQuery2 := hasParameter(r.RawQuery, "AWSAccessKeyId") || hasParameter(r.RawQuery, "Signature")
	switch {
	case len(values) > 1, len(values) == 1 && (inQuery || inQuery2):
		return nil, refuse(invalidArgument, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case len(values) == 1:
		return fromHeader(r, values[0], version2)
	case inQuery:
		return fromQuery(r)
	case inQuery2 && !version2:
		return nil, refuse(invalidRequest, unsupportedMessage)
	case inQuery2:
		return fromQuery2(r)
	}
	return nil, nil
}

func fromHeader(r *Request, value string, version2 bool) (*Claim, error) {
	scheme, rest, _ := strings.Cut(value, " ")
	switch scheme {
	case algorithm:
	case asymmetric:
		return nil, refuse(notImplemented, "Signatures by %s are not supported. Please use %s.", asymmetric, algorithm)
	case "AWS":
		if !version2 {
			return nil, refuse(invalidRequest, unsupportedMessage)
		}
		return fromHeader2(r, rest)
	case "":
		return nil, refuse(accessDenied, "Access Denied")
	default:
		return nil, refuse(invalidArgument, "Unsupported Authorization Type")
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return nil, refuse(headerMalformed, "The authorization header is malformed; it must have one Credential, one SignedHeaders and one Signature.")
		}
		fields[name] = value
	}
	c := &Claim{Place: InHeader, Version: 4, Token: r.Header.Get("X-Amz-Security-Token"), Payload: r.Header.Get("X-Amz-Content-Sha256")}
	if err := c.setTime(r); err != nil {
		return nil, err
	}
	if err := c.setFields(headerMalformed, fields["Credential"], fields["SignedHeaders"], fields["Signature"]); err != nil {
		return nil, err
	}
	return c, nil
}

// setTime takes the time from X-Amz-Date, or else from Date.
func (c *Claim) setTime(r *Request) error {
	if text := r.Header.Get("X-Amz-Date"); r.Header["X-Amz-Date"] != nil {
		return c.parseTime(accessDenied, "AWS authentication requires a valid Date or x-amz-date header", text)
	}
	t, err := parseDate(r.Header.Get("Date"))
	if err != nil {
		return refuse(accessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	c.Time, c.stamp = t, t.UTC().Format(timeFormat)
	return nil
}

func (c *Claim) parseTime(code, message, text string) error {
	t, err := time.Parse(timeFormat, text)
	if err != nil {
		return refuse(code, "%s", message)
	}
	c.Time, c.stamp = t, text
	return nil
}

// setFields takes the three fields that both places have.
func (c *Claim) setFields(code, credential, headers, signature string) error {
	what := "The authorization header is malformed; "
	if code == queryMalformed {
		what = "Error parsing the X-Amz-Credential parameter; "
	}
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return refuse(code, "%sthe Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".", what)
	}
	// An access key of ours has no slash; what is before the scope is the key.
	at := len(parts) - 4
	c.AccessKey, c.date, c.Region = strings.Join(parts[:at], "/"), parts[at], parts[at+1]
	switch {
	case c.AccessKey == "" || c.Region == "":
		return refuse(code, "%sthe Credential is mal-formed.", what)
	case parts[at+2] != service:
		return refuse(code, "%sincorrect service %q. This endpoint belongs to \"s3\".", what, parts[at+2])
	case parts[at+3] != terminator:
		return refuse(code, "%sincorrect terminal %q. This endpoint uses \"aws4_request\".", what, parts[at+3])
	case c.date != c.Time.UTC().Format(dateFormat):
		return refuse(code, "%sInvalid credential date %q. This date is not the same as X-Amz-Date: %q.", what, c.date, c.stamp)
	}
	c.headers = strings.Split(headers, ";")
	if headers == "" || len(c.headers) > maxHeaders || !slices.Contains(c.headers, "host") || !slices.IsSorted(c.headers) ||
		headers != strings.ToLower(headers) || len(slices.Compact(slices.Clone(c.headers))) != len(c.headers) {
		return refuse(code, "%sSignedHeaders must be the lower-case names of headers in ascending order, with host among them.", what)
	}
	var err error
	if c.signature, err = hex.DecodeString(signature); err != nil || len(c.signature) != 32 {
		return refuse(code, "%sthe Signature must be 64 hexadecimal digits.", what)
	}
	return nil
}

func fromQuery(r *Request) (*Claim, error) {
	missing := refuse(queryMalformed, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	fields := map[string]string{}
	for name, value := range parametersOf(r.RawQuery) {
		if !isAuthParameter(name) {
			continue
		}
		if _, twice := fields[name]; twice {
			return nil, missing
		}
		fields[name] = value
	}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires"} {
		if fields[name] == "" {
			return nil, missing
		}
	}
	if fields["X-Amz-Algorithm"] == asymmetric {
		return nil, refuse(notImplemented, "Signatures by %s are not supported. Please use %s.", asymmetric, algorithm)
	}
	if fields["X-Amz-Algorithm"] != algorithm {
		return nil, refuse(queryMalformed, "X-Amz-Algorithm only supports %q", algorithm)
	}
	c := &Claim{Place: InQuery, Version: 4, Token: fields["X-Amz-Security-Token"], Payload: fields["X-Amz-Content-Sha256"]}
	if err := c.parseTime(queryMalformed, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"", fields["X-Amz-Date"]); err != nil {
		return nil, err
	}
	if err := c.setFields(queryMalformed, fields["X-Amz-Credential"], fields["X-Amz-SignedHeaders"], fields["X-Amz-Signature"]); err != nil {
		return nil, err
	}
	if c.Payload == "" && c.Signed("x-amz-content-sha256") {
		c.Payload = r.Header.Get("X-Amz-Content-Sha256")
	}
	seconds, err := strconv.ParseInt(fields["X-Amz-Expires"], 10, 64)
	switch {
	case err != nil:
		return nil, refuse(queryMalformed, "X-Amz-Expires should be a number")
	case seconds < 0:
		return nil, refuse(accessDenied, "X-Amz-Expires must be non-negative")
	case seconds > int64(week/time.Second):
		return nil, refuse(accessDenied, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	c.Expires = time.Duration(seconds) * time.Second
	c.Until = c.Time.Add(c.Expires)
	return c, nil
}

// isAuthParameter tells the parameters that belong to the signature itself.
func isAuthParameter(name string) bool {
	switch name {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Content-Sha256":
		return true
	}
	return false
}

// FromForm gives the claim of an HTML form, nil if it makes none. Field gives the
// value of a field by its lower-case name.
func FromForm(field func(string) string, version2 bool) (*Claim, error) {
	switch {
	case field("x-amz-signature") != "" || field("x-amz-algorithm") != "" || field("x-amz-credential") != "":
	case field("signature") == "" && field("awsaccesskeyid") == "":
		return nil, nil
	case !version2:
		return nil, refuse(invalidRequest, unsupportedMessage)
	default:
		return fromForm2(field)
	}
	if field("x-amz-algorithm") != algorithm {
		return nil, refuse(invalidArgument, "X-Amz-Algorithm only supports %q", algorithm)
	}
	c := &Claim{Place: InForm, Version: 4, Token: field("x-amz-security-token")}
	if err := c.parseTime(accessDenied, "Invalid x-amz-date", field("x-amz-date")); err != nil {
		return nil, err
	}
	if err := c.setFields(invalidArgument, field("x-amz-credential"), "host", field("x-amz-signature")); err != nil {
		return nil, err
	}
	return c, nil
}

// Fresh refuses a claim whose time is not now: more than 15 minutes away, or
// beyond the end of a presigned URL.
func (c *Claim) Fresh(now time.Time) error {
	switch {
	case c.Place == InForm: // its policy has an end of its own
		return nil
	case c.Version == 2 && c.Place == InHeader && c.Time.Unix() < 0: // no time that a clock shows
		return refuse(accessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	case c.Place == InHeader && now.Sub(c.Time).Abs() > maxSkew:
		return refuse(tooSkewed, "The difference between the request time and the current time is too large.").
			with("RequestTime", c.stamp).with("ServerTime", now.UTC().Format(time.RFC3339)).with("MaxAllowedSkewMilliseconds", maxSkewMilliText)
	case c.Place == InQuery && c.Time.Sub(now) > maxSkew:
		return refuse(accessDenied, "Request is not yet valid").with("ServerTime", now.UTC().Format(time.RFC3339))
	case c.Place == InQuery && !now.Before(c.Until):
		return refuse(accessDenied, "Request has expired").
			with("Expires", c.Until.UTC().Format(time.RFC3339)).with("ServerTime", now.UTC().Format(time.RFC3339))
	}
	return nil
}

// InRegion refuses a claim for another region than one of those given. None
// given: any will do.
func (c *Claim) InRegion(home string, others ...string) error {
	if c.Version == 2 || c.Region == home || len(others) == 0 || slices.Contains(others, c.Region) || slices.Contains(others, "*") {
		return nil
	}
	code := headerMalformed
	if c.Place == InQuery {
		code = queryMalformed
	}
	return refuse(code, "The authorization header is malformed; the region '%s' is wrong; expecting '%s'", c.Region, home).with("Region", home)
}
