package s3

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// serveSite answers a request to a bucket's host below a website domain: the
// bucket as a site, read by whoever may read its objects without a name.
func (c *call) serveSite(ctx context.Context) error {
	c.op = &operation{name: "GetWebsite", action: "s3:GetObject", audit: audit.Read, streams: true}
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return fail(MethodNotAllowed, "").header("Allow", "GET, HEAD")
	}
	key := c.key
	c.query = nil // no sub-resource, no version
	if err := c.findBucket(ctx); err != nil {
		return c.sitePage(err)
	}
	site, _, err := parsed(c.server, c.bucket.Info(), docWebsite, settings.ParseWebsite)
	if err != nil {
		return c.sitePage(err)
	}
	if site == nil {
		return c.sitePage(fail(NoSuchWebsiteConfiguration, "").with("BucketName", c.target.bucket))
	}
	if to, ok := site.Route(c.scheme(), c.host, key, 0); ok {
		return c.redirect(to.Location, to.Status)
	}
	err = c.siteObject(ctx, site.Document(key))
	if err == nil || c.w.status != 0 {
		return err
	}
	return c.siteFailure(ctx, site, key, err)
}

// siteObject answers with an object of the site, or sends on to where it says.
func (c *call) siteObject(ctx context.Context, key string) error {
	if err := c.authorise(ctx, access{action: "s3:GetObject", bucket: c.bucket, key: key}); err != nil {
		return err
	}
	c.key = key
	o, err := c.bucket.Stat(ctx, key, filestore.VersionID{})
	if err != nil {
		return c.absent(err, key, filestore.VersionID{})
	}
	if to := valueOf(o.Meta.Headers, redirectHeader); to != "" {
		return c.redirect(to, http.StatusMovedPermanently)
	}
	return c.getObject(ctx)
}

// siteFailure answers where key could not be shown: by a rule for that, by the
// folder of that name, by the site's own page.
func (c *call) siteFailure(ctx context.Context, site *settings.Website, key string, err error) error {
	status := codes[failureOf(err).code].status
	if status == http.StatusNotModified || status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable {
		return err
	}
	if key != "" && !strings.HasSuffix(key, "/") && (status == http.StatusNotFound || status == http.StatusForbidden) {
		index := access{action: "s3:GetObject", bucket: c.bucket, key: site.Document(key + "/")}
		if ok, denied := c.may(ctx, index); ok && denied == nil {
			if _, err := c.bucket.Stat(ctx, index.key, filestore.VersionID{}); err == nil {
				return c.redirect(c.path+"/", http.StatusFound)
			}
		}
	}
	if to, ok := site.Route(c.scheme(), c.host, key, status); ok {
		return c.redirect(to.Location, to.Status)
	}
	if site.Error != nil && status < http.StatusInternalServerError {
		c.instead = status
		for _, name := range []string{"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"} {
			c.r.Header.Del(name)
		}
		if shown := c.siteObject(ctx, site.Error.Key); shown == nil || c.w.status != 0 {
			return shown
		}
		c.instead = 0
	}
	return c.sitePage(err)
}

// redirect sends on to a place: a URL, or a path of this site.
func (c *call) redirect(location string, status int) error {
	if strings.HasPrefix(location, "//") {
		location = "/" + strings.TrimLeft(location, "/") // a path, and no other host
	}
	c.w.Header().Set("Location", location)
	return c.empty(status)
}

// sitePage is an error for people.
func (c *call) sitePage(err error) error {
	f := failureOf(err)
	status := codes[f.code].status
	if kind.Of(err) == kind.Canceled || errors.Is(err, errBroken) || status == http.StatusNotModified || status >= http.StatusInternalServerError {
		return err
	}
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	page := "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1><ul><li>Code: " + html.EscapeString(string(f.code)) +
		"</li><li>Message: " + html.EscapeString(f.message) + "</li><li>RequestId: " + c.id + "</li></ul></body></html>\n"
	c.keepHeaders(err)
	return c.send(status, "text/html; charset=utf-8", []byte(page))
}

func (c *call) scheme() string {
	if c.secure {
		return "https"
	}
	return "http"
}
