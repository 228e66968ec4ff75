package s3

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// sendBuffer is how much of an object is read and sent at a time.
const sendBuffer = 256 << 10

var sendBuffers = sync.Pool{New: func() any { return new([sendBuffer]byte) }}

func (c *call) getObject(ctx context.Context) error {
	v, err := c.requestedVersion(ctx)
	if err != nil {
		return err
	}
	r, err := c.bucket.Open(ctx, c.key, v)
	if err != nil {
		return c.absent(err, v)
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
	v, err := c.requestedVersion(ctx)
	if err != nil {
		return err
	}
	r, err := c.bucket.Open(ctx, c.key, v)
	if err != nil {
		return c.absent(err, v)
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

// absent says what is missing: an object, a version of it, or what a delete marker
// stands for.
func (c *call) absent(err error, v filestore.VersionID) error {
	var marker *filestore.DeleteMarkerError
	switch {
	case errors.As(err, &marker) && v.IsLatest():
		f := fail(NoSuchKey, "").because(err).header("X-Amz-Delete-Marker", "true")
		return f.header("X-Amz-Version-Id", marker.Version.String())
	case errors.As(err, &marker):
		f := fail(MethodNotAllowed, "").because(err).with("Method", c.r.Method).with("ResourceType", "DeleteMarker")
		return f.header("X-Amz-Delete-Marker", "true").header("X-Amz-Version-Id", marker.Version.String()).
			header("Allow", "DELETE").header("Last-Modified", httpTime(marker.Mtime))
	case errors.Is(err, kind.NotExist) && !v.IsLatest():
		return fail(NoSuchVersion, "").with("Key", c.key).with("VersionId", v.String()).because(err)
	case errors.Is(err, kind.NotExist), errors.Is(err, kind.NameInvalid):
		return fail(NoSuchKey, "").because(err).header("X-Amz-Delete-Marker", "false")
	}
	return err
}

// span is the part of an object that an answer has.
type span struct {
	off, n  int64
	partial bool
	number  int                  // of a part that was asked for
	sums    []filestore.Checksum // of that part
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

// partSpan reads partNumber.
func (c *call) partSpan(ctx context.Context, r *filestore.ObjectReader, o *filestore.Object) (span, error) {
	text, ok := c.query.lookup("partNumber")
	if !ok {
		return span{}, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > filestore.MaxParts {
		return span{}, fail(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive").with("ArgumentName", "partNumber").with("ArgumentValue", text)
	}
	if c.r.Header["Range"] != nil {
		return span{}, fail(InvalidRequest, "Cannot specify both Range header and partNumber query parameter.")
	}
	s := span{number: number}
	parts, err := r.Parts(ctx)
	if err != nil {
		return s, err
	}
	if len(parts) == 0 {
		if number > 1 {
			return s, fail(InvalidPart, "The requested part is not there.").with("PartNumberRequested", text)
		}
		s.n, s.partial = o.Size, o.Size > 0
		return s, nil
	}
	c.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(parts)))
	for _, p := range parts {
		if p.Number == number {
			s.n, s.partial, s.sums = p.Size, true, p.Checksums
			return s, nil
		}
		s.off += p.Size
	}
	return s, fail(InvalidPart, "The requested part is not there.").with("PartNumberRequested", text)
}

// rangeSpan reads Range. One that is malformed, or of several ranges, is passed
// over, as RFC 9110 allows.
func (c *call) rangeSpan(o *filestore.Object) (span, error) {
	whole := span{n: o.Size}
	text := c.r.Header.Get("Range")
	if text == "" || !c.ifRange(o) {
		return whole, nil
	}
	off, n, ok := parseRange(text, o.Size)
	switch {
	case !ok:
		return whole, nil
	case n <= 0:
		return whole, fail(InvalidRange, "").with("RangeRequested", text).with("ActualObjectSize", itoa(o.Size)).
			header("Content-Range", "bytes */"+itoa(o.Size))
	}
	return span{off: off, n: n, partial: true}, nil
}

// ifRange judges If-Range (RFC 9110, section 13.1.5).
func (c *call) ifRange(o *filestore.Object) bool {
	text := c.r.Header.Get("If-Range")
	if text == "" {
		return true
	}
	if t, err := parseAnyTime(text); err == nil {
		return o.Mtime.Truncate(time.Second).Equal(t)
	}
	return strings.Trim(text, `"`) == o.ETag
}

// parseRange reads one range of bytes. What begins beyond the end has no bytes.
func parseRange(text string, size int64) (off, n int64, ok bool) {
	spec, found := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash {
		return 0, 0, false
	}
	a, hasFirst := offset(first)
	b, hasLast := offset(last)
	switch {
	case first == "" && hasLast:
		b = min(b, size)
		return size - b, b, true
	case !hasFirst || !hasLast && last != "" || hasLast && b < a:
		return 0, 0, false
	case hasLast && b < size:
		return a, b - a + 1, true
	}
	return a, size - min(a, size), true
}

// offset reads a number of digits, which may be larger than any object.
func offset(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, true
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
		c.w.Header().Set(name, p.value)
	}
	return nil
}

// setRange sets the headers of the length, and gives the status.
func (c *call) setRange(o *filestore.Object, s span) int {
	h := c.w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Length", itoa(s.n))
	if c.instead != 0 {
		return c.instead
	}
	if !s.partial {
		return http.StatusOK
	}
	h.Set("Content-Range", "bytes "+itoa(s.off)+"-"+itoa(s.off+s.n-1)+"/"+itoa(o.Size))
	return http.StatusPartialContent
}

// sendObject sends a part of an object. The first bytes are read before the answer
// begins, so that what can't be read is mostly told by a status.
func (c *call) sendObject(ctx context.Context, src *sealedReader, o *filestore.Object, s span) error {
	status := c.setRange(o, s)
	if s.n == 0 {
		c.w.WriteHeader(status)
		return nil
	}
	defer src.stream(ctx, s.off, s.n)()
	buffer := sendBuffers.Get().(*[sendBuffer]byte)
	defer sendBuffers.Put(buffer)
	out := &patientWriter{c: c}
	defer out.done()
	c.record.From, c.record.Size = s.off, o.Size
	for sent := int64(0); sent < s.n; {
		p := buffer[:min(sendBuffer, s.n-sent)]
		n, err := src.read(ctx, p, s.off+sent)
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return firstOf(err, io.ErrUnexpectedEOF)
		}
		if sent == 0 {
			c.w.WriteHeader(status)
		}
		if _, err := out.Write(p[:n]); err != nil {
			return errors.Join(errBroken, err)
		}
		sent += int64(n)
		c.record.Read, c.record.To = sent, s.off+sent
	}
	return nil
}

// patientWriter waits for a client that takes what is sent, and no longer.
type patientWriter struct {
	c       *call
	renewed time.Time
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.renewed) > bodyTimeout/4 {
		p.renewed = now
		_ = http.NewResponseController(p.c.w).SetWriteDeadline(now.Add(2 * bodyTimeout))
	}
	n, err := p.c.w.Write(b)
	if !p.c.w.body.ended {
		// What there was of a body has been passed over: its end must not end this.
		_ = http.NewResponseController(p.c.w).SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *patientWriter) done() {
	if !p.renewed.IsZero() {
		p.c.w.bound() // for what is still to be sent
	}
}
