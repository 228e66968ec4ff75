package s3

import (
	"context"
	"net/http"
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

// minimumHeader names the least size of what is moved to another storage class. Nothing
// is moved here, but Terraform waits until it reads what it has written.
const (
	minimumHeader  = "X-Amz-Transition-Default-Minimum-Object-Size"
	defaultMinimum = "all_storage_classes_128K"
	otherMinimum   = "varies_by_storage_class"
)

func (c *call) getLifecycle(ctx context.Context) error {
	documents := c.bucket.Info().Documents
	if _, there := documents[docLifecycle]; there {
		minimum := string(documents[docMinimum])
		if minimum == "" {
			minimum = defaultMinimum
		}
		c.w.Header().Set(minimumHeader, minimum)
	}
	return show(docLifecycle, NoSuchLifecycleConfiguration)(c, ctx)
}

func (c *call) putLifecycle(ctx context.Context) error {
	minimum := c.r.Header.Get(minimumHeader)
	switch minimum {
	case "":
		minimum = defaultMinimum
	case defaultMinimum, otherMinimum:
	default:
		return fail(InvalidArgument, "").with("ArgumentName", minimumHeader).with("ArgumentValue", minimum)
	}
	body, err := c.document(ctx, maxLifecycle)
	if err != nil {
		return err
	}
	rules, err := settings.ParseLifecycle(body)
	if err == nil {
		err = rules.CheckNew()
	}
	if err != nil {
		return said(err)
	}
	err = c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		keep(info, docLifecycle, settings.Write(rules))
		keep(info, docMinimum, []byte(minimum))
		return nil
	})
	if err == nil {
		c.w.Header().Set(minimumHeader, minimum)
	}
	return c.emptyAfter(http.StatusOK, err)
}

func (c *call) deleteLifecycle(ctx context.Context) error {
	return c.emptyAfter(http.StatusNoContent, c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		keep(info, docLifecycle, nil)
		keep(info, docMinimum, nil)
		return nil
	}))
}
