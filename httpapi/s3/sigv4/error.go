package sigv4

import "fmt"

// Error is why a claim is refused.
type Error struct {
	Code    string // S3's error code
	Message string // for the client
	// Fields are further elements of S3's answer, as names and values.
	Fields [][2]string
	// Canonical is the canonical request and the string to sign that were expected,
	// where the signature was wrong: what the client should compare its own with. No
	// secret can be computed from it, but it has the request's headers in it.
	Canonical string
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) with(name, value string) *Error {
	e.Fields = append(e.Fields, [2]string{name, value})
	return e
}

// The codes in use (S3 API Reference, Error responses).
const (
	accessDenied       = "AccessDenied"
	headerMalformed    = "AuthorizationHeaderMalformed"
	queryMalformed     = "AuthorizationQueryParametersError"
	invalidArgument    = "InvalidArgument"
	invalidRequest     = "InvalidRequest"
	notImplemented     = "NotImplemented"
	tooSkewed          = "RequestTimeTooSkewed"
	doesNotMatch       = "SignatureDoesNotMatch"
	incompleteBody     = "IncompleteBody"
	malformedTrailer   = "MalformedTrailerError"
	maxSkewMilliText   = "900000"
	unsupportedMessage = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
)
