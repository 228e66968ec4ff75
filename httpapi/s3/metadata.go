package s3

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
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
