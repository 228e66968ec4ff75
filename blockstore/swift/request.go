package swift

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/ncw/swift/v2"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
	"github.com/truckee-fs/truckee/internal/transport"
)

// call names what is done, for messages.
type call struct{ op, object string }

// request is a call under way.
type request struct {
	ctx    context.Context // bounded
	caller context.Context
	call   call
	store  *Store
	end    func()
}

// begin enters a call; who began it calls end.
func (s *Store) begin(ctx context.Context, c call) (*request, error) {
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("swift: %s %s: %w", c.op, c.object, err)
	}
	bounded, cancel := transport.Bound(ctx, s.stall)
	return &request{bounded, ctx, c, s, func() { cancel(); leave() }}, nil
}

// do sends a request to the storage address, logging in before if need be. Its
// errors are for failed and absentOr; an answer is of status 2xx.
func (r *request) do(o swift.RequestOpts) (*http.Response, error) {
	conn := r.store.conn
	address, err := conn.GetStorageUrl(r.ctx)
	if err != nil {
		return nil, err
	}
	o.OnReAuth = func() (string, error) { return conn.StorageUrl, nil } // called with its lock held
	resp, _, err := conn.Call(r.ctx, address, o)
	return resp, err
}

// sending is the same request, which sends that body.
func (r *request) sending(b *transport.Body) *request {
	s := *r
	s.ctx = transport.WithBody(r.ctx, b)
	return &s
}

// failure is an error of a request: its text, without credentials, its status
// (0: no answer) and its kind. It wraps nothing else, so that nobody above
// depends on the library's types, nor digs out a text that isn't masked.
type failure struct {
	text   string
	status int
	kind   kind.Kind
}

func (f *failure) Error() string { return f.text + ": " + f.kind.Error() }
func (f *failure) Unwrap() error { return f.kind }

// fail makes a failure of what an answer lacks.
func (r *request) fail(k kind.Kind, text string) error {
	return &failure{fmt.Sprintf("swift: %s %s: %s", r.call.op, r.call.object, text), 0, k}
}

// failed makes an error of the library a failure.
func (r *request) failed(err error) error {
	what := "swift: " + r.call.op + " " + r.call.object
	if r.caller.Err() != nil {
		return &failure{fmt.Sprintf("%s: %v", what, context.Cause(r.caller)), 0, kind.Canceled}
	}
	k, text := classify(err)
	return &failure{what + ": " + mask.Text(text, r.store.secrets...), statusOf(err), k}
}

// absentOr is failed where status 404 may say that the block is absent, or that
// the container is: only that one is asked for knows. The difference is all
// blocks, to a collector or a rebuild.
func (r *request) absentOr(err error) error {
	failed := r.failed(err)
	if statusOf(err) != http.StatusNotFound || kind.Of(failed) != kind.NotExist {
		return failed
	}
	cerr := r.ask()
	switch {
	case cerr == nil || statusOf(cerr) == http.StatusForbidden: // who may not ask must believe
		return failed
	case statusOf(cerr) == http.StatusNotFound:
		return r.gone()
	}
	return r.failed(cerr)
}

// ask asks for the container, by a listing of one object: some versions of
// Swift answer HEAD with bytes too many, which break the request that comes next.
func (r *request) ask() error {
	_, err := r.do(swift.RequestOpts{
		Operation: http.MethodGet, Container: r.store.container, NoResponse: true,
		Parameters: url.Values{"format": {"json"}, "limit": {"1"}},
	})
	return err
}

// gone says that the container isn't there, which is never "the block is absent".
func (r *request) gone() error {
	return r.fail(kind.Unavailable, fmt.Sprintf("container %q isn't there", r.store.container))
}

// statusOf is the HTTP status that an error came with, 0 if there was no answer.
func statusOf(err error) int {
	if e, ok := errors.AsType[*swift.Error](err); ok {
		return e.StatusCode
	}
	return 0
}

// isPastEnd reports whether a range began at or past the end of a block.
func isPastEnd(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.status == http.StatusRequestedRangeNotSatisfiable
}

// classify tells the kind of an error, and says it in a line.
func classify(err error) (kind.Kind, string) {
	if k, ok := errors.AsType[kind.Kind](err); ok { // of package transport
		return k, err.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return kind.Unavailable, u.Err.Error()
	}
	n := statusOf(err)
	if n == 0 {
		return kind.Unavailable, err.Error()
	}
	return kindOfStatus(n), fmt.Sprintf("status %d %s", n, http.StatusText(n))
}

func kindOfStatus(n int) kind.Kind {
	switch {
	case n == 404:
		return kind.NotExist
	case n == 401 || n == 403:
		return kind.Denied
	case n == 413 || n == 507: // a quota: blocks are far below the largest object
		return kind.NoSpace
	case n == 405 || n == 501:
		return kind.Unsupported
	case n == 408 || n == 409 || n == 422 || n == 429 || n == 498 || n >= 500: // 422: damaged on the way
		return kind.Unavailable
	}
	return kind.Invalid
}
