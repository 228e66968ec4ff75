package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// contentHeaders are those of HTTP that are kept beside an object and given back.
var contentHeaders = []string{"cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"}

const (
	metaPrefix         = "x-amz-meta-"
	storageClassHeader = "x-amz-storage-class"
	redirectHeader     = "x-amz-website-redirect-location"
	defaultType        = "binary/octet-stream"
	standard           = "STANDARD"
	maxUserMetadata    = 2 << 10 // bytes of names and values
)

var storageClasses = []string{
	standard, "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE",
}

// headersOf takes from a request what is kept beside an object, ascending by name.
func headersOf(h http.Header) ([]filestore.Pair, error) {
	var pairs []filestore.Pair
	size := 0
	for name, values := range h {
		lower := strings.ToLower(name)
		value := strings.Join(values, ",")
		switch {
		case strings.HasPrefix(lower, metaPrefix):
			size += len(lower) - len(metaPrefix) + len(value)
		case lower == "content-encoding":
			if value = withoutChunked(value); value == "" {
				continue
			}
		case lower == storageClassHeader:
			if !slices.Contains(storageClasses, value) {
				return nil, fail(InvalidStorageClass, "").with("StorageClassRequested", value)
			}
		case lower == redirectHeader:
			if !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") {
				return nil, fail(InvalidRequest, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
			}
		case !slices.Contains(contentHeaders, lower):
			continue
		}
		pairs = append(pairs, filestore.Pair{Name: lower, Value: value})
	}
	if size > maxUserMetadata {
		return nil, fail(MetadataTooLarge, "").with("Size", itoa(int64(size))).with("MaxSizeAllowed", itoa(maxUserMetadata))
	}
	slices.SortFunc(pairs, func(a, b filestore.Pair) int { return strings.Compare(a.Name, b.Name) })
	return pairs, nil
}

// withoutChunked takes the framing out of a Content-Encoding: it is how the body
// came, and nothing of the object's.
func withoutChunked(value string) string {
	if !strings.Contains(strings.ToLower(value), "aws-chunked") {
		return value
	}
	var kept []string
	for coding := range strings.SplitSeq(value, ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "aws-chunked") {
			kept = append(kept, coding)
		}
	}
	return strings.Join(kept, ", ")
}

func valueOf(pairs []filestore.Pair, name string) string {
	for _, p := range pairs {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// storageClass is that of an object.
func storageClass(m *filestore.ObjectMeta) string {
	if class := valueOf(m.Headers, storageClassHeader); class != "" {
		return class
	}
	return standard
}

// newMeta is what the headers of a request say of the object that it makes, but
// for what follows from its data.
func (c *call) newMeta(b *filestore.Bucket) (filestore.ObjectMeta, error) {
	var m filestore.ObjectMeta
	err := c.implemented()
	if err != nil {
		return m, err
	}
	if m.Headers, err = headersOf(c.r.Header); err != nil {
		return m, err
	}
	if m.Tags, err = tagsOf(c.r.Header); err != nil {
		return m, err
	}
	if m.Lock, err = c.lockOf(b); err != nil {
		return m, err
	}
	m.ACL, err = c.objectACL(b)
	return m, err
}

func tagsOf(h http.Header) ([]filestore.Pair, error) {
	tags, err := settings.ParseTagHeader(h.Get("X-Amz-Tagging"))
	if err != nil {
		return nil, settingsFailure(err)
	}
	pairs := make([]filestore.Pair, len(tags))
	for i, t := range tags {
		pairs[i] = filestore.Pair{Name: t.Key, Value: t.Value}
	}
	return pairs, nil
}

// settingsFailure says in this server's terms what package settings refuses.
func settingsFailure(err error) error {
	var e *settings.Error
	if errors.As(err, &e) {
		return fail(code(e.Code), "%s", e.Message)
	}
	return err
}

// lockOf reads the headers of object lock.
func (c *call) lockOf(b *filestore.Bucket) (filestore.Lock, error) {
	var l filestore.Lock
	h := c.r.Header
	mode, until, hold := h.Get("X-Amz-Object-Lock-Mode"), h.Get("X-Amz-Object-Lock-Retain-Until-Date"), h.Get("X-Amz-Object-Lock-Legal-Hold")
	if mode == "" && until == "" && hold == "" {
		return l, nil
	}
	if !b.Info().Lock {
		return l, fail(InvalidRequest, "Bucket is missing Object Lock Configuration")
	}
	if (mode == "") != (until == "") {
		return l, fail(InvalidArgument, "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	}
	switch mode {
	case "":
	case "GOVERNANCE":
		l.Mode = filestore.LockGovernance
	case "COMPLIANCE":
		l.Mode = filestore.LockCompliance
	default:
		return l, fail(InvalidArgument, "Unknown wormMode directive.")
	}
	if until != "" {
		t, err := time.Parse(time.RFC3339, until)
		if err != nil {
			return l, fail(InvalidArgument, "The retain until date must be provided in ISO 8601 format")
		}
		if !t.After(c.server.now()) {
			return l, fail(InvalidArgument, "The retain until date must be in the future!")
		}
		l.Until = t
	}
	switch hold {
	case "", "OFF":
	case "ON":
		l.Hold = true
	default:
		return l, fail(InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'")
	}
	return l, nil
}

// describe sets the headers that tell of an object, but for its length.
func (c *call) describe(b *filestore.Bucket, o *filestore.Object) {
	h := c.w.Header()
	c.identifyObject(b, o)
	h.Set("Last-Modified", httpTime(o.Mtime))
	h.Set("Content-Type", defaultType)
	for _, p := range o.Meta.Headers {
		if p.Name == storageClassHeader && p.Value == standard {
			continue
		}
		if strings.HasPrefix(p.Name, metaPrefix) {
			p.Value = mailSafe(p.Value)
		}
		h[headerKey(p.Name)] = []string{p.Value}
	}
	if n := len(o.Meta.Tags); n > 0 {
		h.Set("X-Amz-Tagging-Count", itoa(int64(n)))
	}
	c.describeLock(o.Meta.Lock)
	describeSeal(h, o.Meta.Client, c.r.Header)
	c.expiration(b, o)
}

// mailSafe is a value of user metadata as S3 sends it: beyond ASCII as an encoded word
// (RFC 2047), since clients disagree about other bytes in headers, and some read none
// of the answer then. It takes the bytes for UTF-8, or for Latin-1 if they are none;
// S3 always takes them for Latin-1, and so encodes twice what most clients send.
func mailSafe(value string) string {
	if !strings.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return value
	}
	if !utf8.ValidString(value) {
		latin := make([]rune, len(value))
		for i := range len(value) {
			latin[i] = rune(value[i])
		}
		value = string(latin)
	}
	return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(value)) + "?="
}

// headerKey is the form in which a header's name is sent. SDKs take the name of
// user metadata as it is spelled behind its prefix: as S3 does, in lower case.
func headerKey(name string) string {
	if strings.HasPrefix(name, metaPrefix) {
		return name
	}
	return http.CanonicalHeaderKey(name)
}

// identifyObject sets the headers that say which object it is.
func (c *call) identifyObject(b *filestore.Bucket, o *filestore.Object) {
	c.setETag(o.ETag)
	c.setVersion(b, o.Version)
}

// setETag spells the header's name as S3 does: some clients know no other.
func (c *call) setETag(etag string) { c.w.Header()["ETag"] = []string{quoted(etag)} }

// setNewVersion tells the version that a request has made: none where versioning
// is suspended, since the null version is what there always is.
func (c *call) setNewVersion(b *filestore.Bucket, v filestore.VersionID) {
	if b.Info().Versioning == filestore.VersioningEnabled {
		c.setVersion(b, v)
	}
}

// setVersion tells the version, in a bucket that has versions.
func (c *call) setVersion(b *filestore.Bucket, v filestore.VersionID) {
	if text := v.String(); text != "" && b.Info().Versioning != filestore.VersioningNever {
		c.w.Header().Set("X-Amz-Version-Id", text)
	}
}

func (c *call) describeLock(l filestore.Lock) {
	h := c.w.Header()
	switch l.Mode {
	case filestore.LockGovernance:
		h.Set("X-Amz-Object-Lock-Mode", "GOVERNANCE")
	case filestore.LockCompliance:
		h.Set("X-Amz-Object-Lock-Mode", "COMPLIANCE")
	case filestore.LockNone:
	}
	if l.Mode != filestore.LockNone {
		h.Set("X-Amz-Object-Lock-Retain-Until-Date", xmlTime(l.Until))
	}
	if l.Hold {
		h.Set("X-Amz-Object-Lock-Legal-Hold", "ON")
	} else if !l.IsZero() {
		h.Set("X-Amz-Object-Lock-Legal-Hold", "OFF")
	}
}

// checksumText is a value as S3 writes it; that of a multipart upload's parts has
// their number behind it.
func checksumText(sum filestore.Checksum, parts int) string {
	text := base64.StdEncoding.EncodeToString(sum.Value)
	if sum.Composite {
		text += "-" + itoa(int64(parts))
	}
	return text
}

func checksumType(sum filestore.Checksum) string {
	if sum.Composite {
		return composite
	}
	return fullObject
}

// The types of a checksum.
const (
	composite  = "COMPOSITE"
	fullObject = "FULL_OBJECT"
)

// setChecksums tells the checksums of an object.
func (c *call) setChecksums(m *filestore.ObjectMeta) {
	for _, sum := range m.Checksums {
		h := c.w.Header()
		h.Set(checksum.Algorithm(sum.Algorithm).Header(), checksumText(sum, m.Parts))
		h.Set("X-Amz-Checksum-Type", checksumType(sum))
	}
}

// setPartChecksums tells those of one part of an object, of whose checksum they
// say the type.
func (c *call) setPartChecksums(sums []filestore.Checksum, m *filestore.ObjectMeta) {
	h := c.w.Header()
	sums = ofObject(sums, m)
	for _, sum := range sums {
		h.Set(checksum.Algorithm(sum.Algorithm).Header(), checksumText(sum, 0))
	}
	if len(sums) > 0 && len(m.Checksums) > 0 {
		h.Set("X-Amz-Checksum-Type", checksumType(m.Checksums[0]))
	}
}

// ofObject is the one of a part's checksums that the object's was made of; the first
// if the object has none.
func ofObject(sums []filestore.Checksum, m *filestore.ObjectMeta) []filestore.Checksum {
	for i, sum := range sums {
		if len(m.Checksums) == 0 || sum.Algorithm == m.Checksums[0].Algorithm {
			return sums[i : i+1]
		}
	}
	return nil
}

// checksums writes the elements that have the values of checksums.
func (d *document) checksums(sums []filestore.Checksum, parts int, withType bool) {
	for _, sum := range sums {
		d.text(checksum.Algorithm(sum.Algorithm).Element(), checksumText(sum, parts))
	}
	if withType && len(sums) > 0 {
		d.text("ChecksumType", checksumType(sums[0]))
	}
}

func quoted(etag string) string { return `"` + etag + `"` }

// requestedVersion reads versionId.
func (c *call) requestedVersion(context.Context) (filestore.VersionID, error) {
	text, ok := c.query.lookup("versionId")
	if !ok {
		return filestore.VersionID{}, nil
	}
	return parseVersion(text)
}

func parseVersion(text string) (filestore.VersionID, error) {
	if text == "" {
		return filestore.VersionID{}, fail(InvalidArgument, "Version id cannot be the empty string").with("ArgumentName", "versionId")
	}
	v, err := filestore.ParseVersionID(text)
	if err != nil {
		return v, fail(InvalidArgument, "Invalid version id specified").with("ArgumentName", "versionId").with("ArgumentValue", text).because(err)
	}
	return v, nil
}
