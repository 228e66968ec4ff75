package s3

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// span is the part of an object that an answer has.
type span struct {
	off, n  int64
	partial bool
	number  int                  // of a part that was asked for
	sums    []filestore.Checksum // of that part
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
