package s3

import (
	"net/url"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// expiration tells, in a header of the answer, when the lifecycle of b ends o. It
// counts days as AWS does, whatever the length of a lifecycle's day is set to:
// that is for those who test the pass.
func (c *call) expiration(b *filestore.Bucket, o *filestore.Object) {
	l, err := c.server.lifecycleOf(b.Info())
	if err != nil || l == nil || !o.Latest && !o.Version.IsLatest() {
		return
	}
	when, rule, ok := l.Expires(aged(o), settings.Clock{})
	if ok {
		c.w.Header().Set("X-Amz-Expiration", `expiry-date="`+httpTime(when)+`", rule-id="`+url.QueryEscape(rule)+`"`)
	}
}

// aged is the latest version of a key as a lifecycle sees it.
func aged(o *filestore.Object) settings.Aged {
	return settings.Aged{Key: o.Key, Size: o.Size, Tags: tagList(o.Meta.Tags), Mtime: o.Mtime, Current: true, Marker: o.DeleteMarker}
}
