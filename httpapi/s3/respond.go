package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// xml answers with a document.
func (c *call) xml(status int, root string, fill func(*document)) error {
	d := newDocument(root)
	fill(d)
	return c.send(status, "application/xml", d.end(root))
}

// empty answers without a body.
func (c *call) empty(status int) error { return c.send(status, "", nil) }

// send answers with a body that is at hand.
func (c *call) send(status int, contentType string, body []byte) error {
	if err := c.settle(nil); err != nil {
		return err
	}
	h := c.w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead && len(body) > 0 {
		_, _ = c.w.Write(body) // if the client is gone there is nobody to tell
	}
	return nil
}

// refuse answers with an error. If the answer has begun the connection is cut, so
// that nobody takes a part for the whole.
func (c *call) refuse(ctx context.Context, err error) {
	f := failureOf(err)
	recorded := err
	if errors.Is(err, errBroken) {
		recorded = audit.Dropped
	}
	if e := c.settle(recorded); e != nil {
		f = failureOf(e)
	}
	status := codes[f.code].status
	c.logFailure(ctx, status, err)
	if c.w.status != 0 {
		c.end(ctx)
		panic(http.ErrAbortHandler)
	}
	c.keepHeaders(f)
	h := c.w.Header()
	for _, header := range f.headers {
		h.Set(header[0], header[1])
	}
	if status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	if status == http.StatusNotModified || c.r.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return
	}
	body := c.errorDocument(f)
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	defer c.linger()()
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
}

// passedOver is how much of a body net/http reads for the sake of the connection
// before it lets an answer go.
const passedOver = 256 << 10

// linger is called before a refusal, and what it gives after it: a client that sends
// a large body before it looks for an answer would find the connection reset, and
// never learn why. So the answer goes out at once, and what comes of the body is
// passed over for a while (RFC 9112, section 9.6). Who waits for leave to send hears
// the refusal instead.
func (c *call) linger() func() {
	none := func() {}
	waits := c.bytes.n == 0 && c.r.Header["Expect"] != nil
	if c.bytes.ended || waits || c.r.ContentLength >= 0 && c.r.ContentLength-c.bytes.n <= passedOver {
		return none
	}
	control := http.NewResponseController(c.w)
	if c.r.ContentLength < 0 {
		_ = control.SetReadDeadline(time.Now().Add(unwantedTimeout))
		if _, err := io.CopyN(io.Discard, c.bytes, passedOver); err != nil {
			return none
		}
	}
	if control.EnableFullDuplex() != nil {
		return none
	}
	c.w.Header().Set("Connection", "close")
	return func() {
		if control.Flush() == nil {
			_, _ = io.Copy(io.Discard, c.bytes) // until the deadline of answer.bound
		}
	}
}

// caught makes of a panic an answer and a line of the log; net/http would close the
// connection and hardly tell.
func (c *call) caught(ctx context.Context) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	c.log(ctx, slog.LevelError, "s3 bug: panic", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	c.refuse(ctx, fmt.Errorf("panic: %w", kind.Other))
	c.end(ctx)
}

func (c *call) errorDocument(f *failure) []byte {
	d := &document{}
	d.raw(xmlHeader)
	d.open("Error")
	d.text("Code", string(f.code))
	d.text("Message", f.message)
	named := false
	for _, field := range f.fields {
		d.text(field[0], field[1])
		named = named || field[0] == "Key"
	}
	if f.code == NoSuchKey && !named {
		d.text("Key", c.key)
	}
	d.text("Resource", c.path)
	d.text("RequestId", c.id)
	d.text("HostId", c.w.Header().Get("X-Amz-Id-2"))
	d.close("Error")
	return d.b
}

func (c *call) logFailure(ctx context.Context, status int, err error) {
	k := kind.Of(err)
	var f *failure
	told := errors.As(err, &f) && f.code == SlowDown && f.cause == nil // by us, and nothing has failed
	switch {
	case told:
		c.log(ctx, slog.LevelDebug, "S3 request refused", "error", err)
	case k == kind.Canceled || errors.Is(err, errBroken):
		c.log(ctx, slog.LevelDebug, "S3 request broke off", "error", err)
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		c.log(ctx, slog.LevelError, "S3 request failed", "error", err)
	default:
		c.log(ctx, slog.LevelDebug, "S3 request refused", "error", err)
	}
}

// failureOf tells what the client hears of an error.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	if c, ok := codeOf[kind.Of(err)]; ok {
		return fail(c, "")
	}
	return fail(InternalError, "")
}

// httpTime is t as headers have it.
func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// xmlTime is t as documents have it.
func xmlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
