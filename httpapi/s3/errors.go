package s3

import (
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// failure is an error as S3 says it: a code, which has a status, a sentence for
// people, and elements and headers that belong to the code. What went wrong below
// is its cause: for the log, never for the client.
type failure struct {
	code    code
	message string
	fields  [][2]string // further elements of the answer, in their order
	headers [][2]string // of the answer
	cause   error
}

// fail makes a failure; with an empty format the sentence is the code's own.
func fail(c code, format string, args ...any) *failure {
	f := &failure{code: c, message: codes[c].text}
	if format != "" {
		f.message = fmt.Sprintf(format, args...)
	}
	return f
}

// with adds an element of the answer.
func (f *failure) with(name, value string) *failure {
	f.fields = append(f.fields, [2]string{name, value})
	return f
}

// header adds a header of the answer.
func (f *failure) header(name, value string) *failure {
	f.headers = append(f.headers, [2]string{name, value})
	return f
}

// because adds what the log says.
func (f *failure) because(cause error) *failure {
	f.cause = cause
	return f
}

// Error implements error. It is for the log.
func (f *failure) Error() string {
	if f.cause != nil {
		return string(f.code) + ": " + f.cause.Error()
	}
	return string(f.code) + ": " + f.message
}

// Unwrap gives the kind, for what judges outcomes in general, and the cause.
func (f *failure) Unwrap() []error {
	k := kindOfStatus(codes[f.code].status)
	if f.cause != nil {
		return []error{k, f.cause}
	}
	return []error{k}
}

// kindOfStatus is the kind that a refusal by the frontend itself counts as.
func kindOfStatus(status int) kind.Kind {
	switch {
	case status == 403:
		return kind.Denied
	case status == 404:
		return kind.NotExist
	case status == 409:
		return kind.Conflict
	case status == 412:
		return kind.Precondition
	case status == 501:
		return kind.Unsupported
	case status == 503:
		return kind.Unavailable
	case status >= 500:
		return kind.Other
	}
	return kind.Invalid
}

// codeOf maps every kind to the code that an error of it has where nothing more
// is known; handlers that know more say it themselves (NoSuchBucket, BucketNotEmpty).
var codeOf = map[kind.Kind]code{
	kind.Other:       InternalError,
	kind.Invalid:     InvalidArgument,
	kind.NameInvalid: InvalidArgument,
	kind.Denied:      AccessDenied,
	kind.ReadOnly:    AccessDenied,
	kind.NotExist:    NoSuchKey,
	kind.NotDir:      NoSuchKey,
	kind.Exist:       PreconditionFailed,
	kind.IsDir:       NoSuchKey,
	kind.NotEmpty:    BucketNotEmpty,
	kind.Conflict:    OperationAborted,
	kind.TooLarge:    EntityTooLarge,
	kind.NoSpace:     QuotaExceeded,
	kind.Corrupt:     InternalError,
	kind.Unavailable: SlowDown,
	kind.Unsupported: NotImplemented,
	kind.Canceled:    RequestTimeout,
	kind.Closed:      ServiceUnavailable,
	kind.Loop:        InvalidRequest,

	kind.Precondition: PreconditionFailed,
}
