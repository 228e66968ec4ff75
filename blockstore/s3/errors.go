package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

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
		return nil, fmt.Errorf("s3: %s %s: %w", c.op, c.object, err)
	}
	bounded, cancel := transport.Bound(ctx, s.stall)
	return &request{bounded, ctx, c, s, func() { cancel(); leave() }}, nil
}

// failure is an error of a request: its text, without credentials, and its
// kind. It wraps nothing else, so that nobody above depends on the SDK's types,
// nor digs out a text that isn't masked.
type failure struct {
	text string
	code string // that the server gave, "" if none
	kind kind.Kind
}

func (f *failure) Error() string { return f.text + ": " + f.kind.Error() }
func (f *failure) Unwrap() error { return f.kind }

// failed makes an error of the SDK a failure.
func (r *request) failed(err error) error {
	if err == nil {
		return nil
	}
	what := "s3: " + r.call.op + " " + r.call.object
	if r.caller.Err() != nil {
		return &failure{fmt.Sprintf("%s: %v", what, context.Cause(r.caller)), "", kind.Canceled}
	}
	k, code, text := classify(err)
	return &failure{what + ": " + mask.Text(text, r.store.secrets...), code, k}
}

// noBucket reports whether an error says that the bucket isn't there.
func noBucket(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.code == "NoSuchBucket"
}

// clockCode is the answer to a signature from another time.
const clockCode = "RequestTimeTooSkewed"

// wrongClock reports whether an error says that this machine's clock and the
// server's differ too much.
func wrongClock(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.code == clockCode
}

// kinds by the code in the answer's body, for codes that the status doesn't
// tell well enough.
var kinds = map[string]kind.Kind{
	"NoSuchKey":     kind.NotExist,
	"NoSuchVersion": kind.NotExist,

	// Not there now, but never "the block is absent": that would be said of all
	// blocks at once, to a collector or a rebuild.
	"NoSuchBucket": kind.Unavailable,

	"QuotaExceeded":                  kind.NoSpace,
	"ServiceQuotaExceeded":           kind.NoSpace,
	"InsufficientStorage":            kind.NoSpace,
	"XMinioStorageFull":              kind.NoSpace,
	"XMinioAdminBucketQuotaExceeded": kind.NoSpace,
	"XAmzContentSHA256Mismatch":      kind.Unavailable, // damaged on the way: worth another try
	"XAmzContentChecksumMismatch":    kind.Unavailable,
	"BadDigest":                      kind.Unavailable,
	"InvalidDigest":                  kind.Unavailable,
	"IncompleteBody":                 kind.Unavailable,
	"RequestTimeout":                 kind.Unavailable,
	clockCode:                        kind.Unavailable, // nothing is wrong with the credentials
	"OperationAborted":               kind.Unavailable,
	"SlowDown":                       kind.Unavailable,
	"TooManyRequests":                kind.Unavailable,
	"RequestLimitExceeded":           kind.Unavailable,
	"EntityTooLarge":                 kind.TooLarge,
	"ExpiredToken":                   kind.Denied,
	"InvalidToken":                   kind.Denied,
	"TokenRefreshRequired":           kind.Denied,
	"AuthorizationHeaderMalformed":   kind.Invalid,
	"NotImplemented":                 kind.Unsupported,
	"MethodNotAllowed":               kind.Unsupported,
}

// kindOfCode is the kind of a code that came without a status of its own.
func kindOfCode(code string) kind.Kind {
	if k, ok := kinds[code]; ok {
		return k
	}
	if code == "AccessDenied" {
		return kind.Denied
	}
	return kind.Unavailable
}

// classify tells the kind of an error, the server's code, and says it in a line.
func classify(err error) (k kind.Kind, code, text string) {
	if k, ok := errors.AsType[kind.Kind](err); ok { // of package transport
		return k, "", err.Error()
	}
	n := status(err)
	if n == 0 {
		return kind.Unavailable, "", cause(err)
	}
	message := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code, message = api.ErrorCode(), api.ErrorMessage()
	} else {
		message = cause(err)
	}
	text = strings.TrimSpace(fmt.Sprintf("%s (status %d) %s", code, n, message))
	if k, ok := kinds[code]; ok {
		return k, code, text
	}
	return kindOfStatus(n), code, text
}

func kindOfStatus(n int) kind.Kind {
	switch {
	case n == 404:
		// Without NoSuchKey it is the answer of something in between, or of a server
		// that isn't one of S3 (the SDK makes up a code): it would say so of all
		// blocks, and of the marker.
		return kind.Unavailable
	case n == 401 || n == 403:
		return kind.Denied
	case n == 413:
		return kind.TooLarge
	case n == 507:
		return kind.NoSpace
	case n == 405 || n == 501:
		return kind.Unsupported
	case n == 408 || n == 409 || n == 429 || n >= 500 || n < 300: // below 300: an answer that can't be read
		return kind.Unavailable
	}
	return kind.Invalid
}

// cause is what went wrong below the layers of the SDK, which name it at length.
func cause(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// status is the HTTP status that an error came with, 0 if there was no answer.
func status(err error) int {
	if resp, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return resp.HTTPStatusCode()
	}
	return 0
}

// refusesChecksum reports whether err is what servers say that stop at a header
// which they don't know.
func refusesChecksum(err error) bool { return status(err) == 501 }

// mismatch reports whether a server answered that what it got isn't what its
// checksum says.
func mismatch(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && status(err) == 400 && (api.ErrorCode() == "BadDigest" || api.ErrorCode() == "XAmzContentChecksumMismatch")
}

// refused reports whether a server answered that it doesn't take such a request,
// rather than that it can't now.
func refused(err error) bool {
	if status(err) < 400 {
		return false
	}
	k, _, _ := classify(err)
	return k == kind.Denied || k == kind.Invalid || k == kind.Unsupported
}
