package s3

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/filestore"
)

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

func quoted(etag string) string { return `"` + etag + `"` }
