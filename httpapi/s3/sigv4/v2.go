package sigv4

import (
	"crypto/hmac"
	"crypto/sha1" // version 2 is what it is; it is off by default
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// subresources are the parameters that version 2 signs (S3 User Guide, "Signing and
// authenticating REST requests", CanonicalizedResource), and those sub-resources that
// are younger: what wasn't signed can't make another operation of a request.
var subresources = []string{
	"accelerate", "analytics", "attributes", "intelligent-tiering", "legal-hold", "ownershipControls", "retention",
	"acl", "cors", "delete", "encryption", "inventory", "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "policyStatus",
	"publicAccessBlock", "replication", "requestPayment",
	"response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
	"restore", "select", "select-type", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}

func fromHeader2(r *Request, rest string) (*Claim, error) {
	id, signature, ok := strings.Cut(strings.TrimSpace(rest), ":")
	sum, err := base64.StdEncoding.DecodeString(signature)
	if !ok || id == "" || err != nil {
		return nil, refuse(invalidArgument, "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
	}
	c := &Claim{Place: InHeader, Version: 2, AccessKey: id, Token: r.Header.Get("X-Amz-Security-Token"), Payload: Unsigned, signature: sum}
	text := r.Header.Get("X-Amz-Date")
	if r.Header["X-Amz-Date"] == nil {
		text = r.Header.Get("Date")
	}
	if c.Time, err = parseDate(text); err != nil {
		return nil, refuse(accessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	c.stamp = text
	return c, nil
}

// parseDate knows the forms in which clients write the time of a signature in the
// header Date: botocore, for one, as mail does, with "-0000".
func parseDate(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", timeFormat} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return http.ParseTime(text)
}

func fromQuery2(r *Request) (*Claim, error) {
	fields := map[string]string{}
	for name, value := range parametersOf(r.RawQuery) {
		if _, twice := fields[name]; twice && (name == "AWSAccessKeyId" || name == "Signature" || name == "Expires") {
			return nil, refuse(accessDenied, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
		}
		fields[name] = value
	}
	sum, err := base64.StdEncoding.DecodeString(fields["Signature"])
	if err != nil || len(sum) == 0 || fields["AWSAccessKeyId"] == "" || fields["Expires"] == "" {
		return nil, refuse(accessDenied, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	until, err := strconv.ParseInt(fields["Expires"], 10, 64)
	if err != nil {
		return nil, refuse(accessDenied, "Invalid date (should be seconds since epoch): %s", fields["Expires"])
	}
	return &Claim{
		Place: InQuery, Version: 2, AccessKey: fields["AWSAccessKeyId"], Token: fields["x-amz-security-token"], Payload: Unsigned,
		Until: time.Unix(until, 0), stamp: fields["Expires"], signature: sum,
	}, nil
}

func fromForm2(field func(string) string) (*Claim, error) {
	if field("signature") == "" || field("awsaccesskeyid") == "" {
		return nil, refuse(invalidArgument, "The form has no AWSAccessKeyId or no signature.")
	}
	sum, err := base64.StdEncoding.DecodeString(field("signature"))
	if err != nil {
		return nil, &Error{Code: doesNotMatch, Message: signatureMismatchText}
	}
	return &Claim{Place: InForm, Version: 2, AccessKey: field("awsaccesskeyid"), Token: field("x-amz-security-token"), signature: sum}, nil
}

func mac1(secret []byte, text string) []byte {
	h := hmac.New(sha1.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (c *Claim) verify2(r *Request, secret []byte) error {
	var first string
	paths := []string{r.Path, Escape(decode(r.Path, false), true)}
	if strings.LastIndexByte(r.Path, '/') == 0 && len(r.Path) > 1 && !r.Virtual {
		paths = append(paths, r.Path+"/") // a bucket: boto3 sends /bucket and signs /bucket/
	}
	for i, path := range paths {
		toSign := c.toSign2(r, path)
		if hmac.Equal(mac1(secret, toSign), c.signature) {
			return nil
		}
		if i == 0 {
			first = toSign
		}
	}
	return &Error{Code: doesNotMatch, Message: signatureMismatchText, Canonical: first[:min(len(first), maxCanonical)]}
}

func (c *Claim) toSign2(r *Request, path string) string {
	var b strings.Builder
	date := c.stamp
	if c.Place == InHeader && r.Header["X-Amz-Date"] != nil {
		date = "" // it is among the headers
	}
	b.WriteString(r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" + date + "\n")
	var names []string
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(r.Header[canonicalName(name)])
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	if r.Virtual {
		b.WriteString("/" + r.Bucket)
	}
	b.WriteString(path + resource2(r.RawQuery))
	return b.String()
}

func resource2(rawQuery string) string {
	var parts []string
	for part := range strings.SplitSeq(rawQuery, "&") {
		name, value, has := strings.Cut(part, "=")
		name = decode(name, true) // as it will be understood
		if !slices.Contains(subresources, name) {
			continue
		}
		if has && value != "" {
			name += "=" + decode(value, false)
		}
		parts = append(parts, name)
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "?" + strings.Join(parts, "&")
}
