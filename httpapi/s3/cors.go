package s3

import (
	"context"
	"net/http"
	"strings"

	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// preflight answers OPTIONS, by which a browser asks whether a page of another
// site may send a request.
func (c *call) preflight(ctx context.Context) error {
	h := c.r.Header
	origin, method := h.Get("Origin"), h.Get("Access-Control-Request-Method")
	if origin == "" {
		return fail(BadRequest, "Insufficient information. Origin request header needed.")
	}
	if !corsMethod(method) {
		return fail(BadRequest, "Invalid Access-Control-Request-Method: %s", method)
	}
	cors, err := c.cors(ctx)
	if err != nil {
		return err
	}
	if cors == nil {
		return fail(AccessForbidden, "CORSResponse: CORS is not enabled for this bucket.")
	}
	headers := strings.Split(strings.Join(h.Values("Access-Control-Request-Headers"), ","), ",")
	rule := cors.Match(origin, method, headers)
	if rule == nil {
		return fail(AccessForbidden, "").with("Method", method).with("ResourceType", resourceTypes[c.scope()])
	}
	c.allow(rule, origin, headers, true)
	return c.empty(http.StatusOK)
}

func corsMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodHead:
		return true
	}
	return false
}

// cors is the configuration of the target's bucket, nil if there is none, or no
// bucket.
func (c *call) cors(ctx context.Context) (*settings.CORS, error) {
	if c.target.bucket == "" {
		return nil, nil
	}
	b, err := c.lookup(ctx, c.target.bucket)
	if err != nil {
		return nil, err
	}
	return c.server.corsOf(b.Info())
}

// crossOrigin puts the headers on an answer that let a page of another site read
// it. Without a rule for it there are none, and the browser keeps it from the
// page; the request itself isn't judged by them.
func (c *call) crossOrigin(ctx context.Context) {
	origin := c.r.Header.Get("Origin")
	if origin == "" {
		return
	}
	cors, err := c.cors(ctx)
	if err != nil || cors == nil {
		return
	}
	method := c.r.Header.Get("Access-Control-Request-Method")
	if !corsMethod(method) {
		method = c.r.Method
	}
	if rule := cors.Match(origin, method, nil); rule != nil {
		c.allow(rule, origin, nil, false)
	}
}

func (c *call) allow(rule *settings.CORSRule, origin string, headers []string, preflight bool) {
	h := c.w.Header()
	for _, pair := range rule.Headers(origin, headers, preflight) {
		h.Set(pair[0], pair[1])
	}
	h.Add("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
}
