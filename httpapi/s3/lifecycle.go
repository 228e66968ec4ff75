package s3

import (
	"net/url"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/lifecycle"
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
	when, rule, ok := l.Expires(lifecycle.Aged(o), settings.Clock{})
	if ok {
		c.w.Header().Set("X-Amz-Expiration", `expiry-date="`+httpTime(when)+`", rule-id="`+url.QueryEscape(rule)+`"`)
	}
}

// aborts tells, in headers of the answer, when the lifecycle of the bucket ends an
// upload to the request's key; days are AWS's, as for expiration.
func (c *call) aborts(initiated time.Time) {
	l, err := c.server.lifecycleOf(c.bucket.Info())
	if err != nil || l == nil {
		return
	}
	if when, rule, ok := l.Aborts(c.key, initiated, settings.Clock{}); ok {
		c.w.Header().Set("X-Amz-Abort-Date", httpTime(when))
		c.w.Header().Set("X-Amz-Abort-Rule-Id", rule)
	}
}
