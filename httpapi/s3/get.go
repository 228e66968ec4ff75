package s3

import (
	"context"
	"errors"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (c *call) getObject(ctx context.Context) error {
	r, err := c.openObject(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	o := r.Object()
	key, part, err := c.prepareRead(ctx, r, &o)
	if err != nil {
		return err
	}
	src, err := openSealed(ctx, r, key)
	if err != nil {
		return err
	}
	return c.sendObject(ctx, src, &o, part)
}

func (c *call) headObject(ctx context.Context) error {
	r, err := c.openObject(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	o := r.Object()
	_, part, err := c.prepareRead(ctx, r, &o)
	if err != nil {
		return err
	}
	if err := c.settle(nil); err != nil {
		return err
	}
	c.w.WriteHeader(c.setRange(&o, part))
	return nil
}

// openObject opens the object, or the version of it, that the request names.
func (c *call) openObject(ctx context.Context) (*filestore.ObjectReader, error) {
	v, err := c.requestedVersion()
	if err != nil {
		return nil, err
	}
	r, err := c.bucket.Open(ctx, c.key, v)
	if err != nil {
		return nil, c.absent(err, c.key, v)
	}
	return r, nil
}

// absent says what is missing: the object of a key, a version of it, or what a delete
// marker stands for.
func (c *call) absent(err error, key string, v filestore.VersionID) error {
	var marker *filestore.DeleteMarkerError
	switch {
	case errors.As(err, &marker) && v.IsLatest():
		f := fail(NoSuchKey, "").with("Key", key).because(err).header("X-Amz-Delete-Marker", "true")
		return f.header("X-Amz-Version-Id", marker.Version.String())
	case errors.As(err, &marker):
		f := fail(MethodNotAllowed, "").because(err).with("Method", c.r.Method).with("ResourceType", "DeleteMarker")
		return f.header("X-Amz-Delete-Marker", "true").header("X-Amz-Version-Id", marker.Version.String()).
			header("Allow", "DELETE").header("Last-Modified", httpTime(marker.Mtime))
	case errors.Is(err, kind.NotExist) && !v.IsLatest():
		return fail(NoSuchVersion, "").with("Key", key).with("VersionId", v.String()).because(err)
	case errors.Is(err, kind.NotExist), errors.Is(err, kind.NameInvalid):
		return fail(NoSuchKey, "").with("Key", key).because(err).header("X-Amz-Delete-Marker", "false")
	}
	return err
}

// prepareRead judges what a GET or HEAD demands, and sets the headers that
// describe the object.
func (c *call) prepareRead(ctx context.Context, r *filestore.ObjectReader, o *filestore.Object) (*clientKey, span, error) {
	part, err := c.partSpan(ctx, r, o)
	if err != nil {
		return nil, part, err
	}
	key, err := c.clientKey(ofRequest)
	if err == nil {
		err = openSeal(key, o.Meta.Client)
	}
	if err == nil && c.r.Header["X-Amz-Server-Side-Encryption"] != nil {
		err = fail(InvalidArgument, "x-amz-server-side-encryption header is not supported for this operation.")
	}
	if err != nil {
		return nil, part, err
	}
	c.describe(c.bucket, o)
	if err := c.readConditions(o); err != nil {
		return nil, part, err
	}
	if part.number == 0 {
		if part, err = c.rangeSpan(o); err != nil {
			return nil, part, err
		}
	}
	if err := c.override(); err != nil {
		return nil, part, err
	}
	whole := !part.partial || part.n == o.Size
	if strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		switch {
		case part.sums != nil:
			c.setPartChecksums(part.sums, &o.Meta)
		case whole:
			c.setChecksums(&o.Meta)
		}
	}
	return key, part, nil
}

// keepHeaders takes back the headers of the object that an answer without it must
// not have.
func (c *call) keepHeaders(err error) {
	h := c.w.Header()
	if failureOf(err).code == NotModified {
		h.Del("Content-Type")
		return
	}
	for name := range h {
		if name != "X-Amz-Request-Id" && name != "X-Amz-Id-2" && name != "Server" && !strings.HasPrefix(name, "Access-Control-") && name != "Vary" {
			delete(h, name)
		}
	}
}

// overrides are the parameters that change headers of the answer.
var overrides = map[string]string{
	"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition", "response-content-encoding": "Content-Encoding",
	"response-content-language": "Content-Language", "response-content-type": "Content-Type", "response-expires": "Expires",
}

// override changes headers as the request's parameters say. Only who signed may:
// anybody else could make a link to another's object that a browser takes for
// something that it isn't.
func (c *call) override() error {
	for _, p := range c.query {
		name, ok := overrides[p.name]
		if !ok {
			continue
		}
		if !c.who.signed {
			return fail(InvalidRequest, "Request specific response headers cannot be used for anonymous GET requests.")
		}
		if err := checkHeaderValue(p.name, p.value); err != nil {
			return err
		}
		c.w.Header().Set(name, p.value)
	}
	return nil
}
