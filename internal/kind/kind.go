// Package kind is the one list of error kinds that Truckee's packages branch on.
//
// A Kind is itself an error, so that it wraps and matches as syscall.Errno
// does: the leaf that meets a failure wraps the kind once,
//
//	return nil, fmt.Errorf("local: get %v: %w", id, kind.NotExist)
//
// each layer above adds at most one clause, and callers ask
//
//	switch kind.Of(err) { case kind.Conflict: ... }
//
// never the text. errors.Is(err, fs.ErrNotExist) and its siblings hold too.
// The frontends map kinds to their protocol's own status in one table each.
package kind

import (
	"context"
	"errors"
	"io/fs"
)

// Kind classifies an error for the code that has to decide what to do next.
type Kind uint8

// The kinds. The zero value is not an error kind; Of returns Other for an
// error that carries none.
const (
	Other        Kind = iota + 1 // a bug, or something nobody classified
	Invalid                      // the request makes no sense; the caller must change it
	NameInvalid                  // a name that this tree or protocol can't hold
	Denied                       // the authority at hand does not allow it
	ReadOnly                     // the capability at hand is read-only, or the entry is no-write
	NotExist                     // nothing is there
	NotDir                       // a path goes through something that is no directory
	Exist                        // something is there already
	IsDir                        // a directory where a file is wanted
	NotEmpty                     // a directory that still has entries
	Conflict                     // somebody else changed it first; reload and retry
	TooLarge                     // over a limit of the format or of the configuration
	NoSpace                      // the storage is full, or the quota is
	Corrupt                      // stored bytes are not what the capability says
	Unavailable                  // the storage does not answer; worth a retry
	Unsupported                  // not implemented, or not by this store
	Canceled                     // the caller gave up
	Closed                       // used after Close
	Loop                         // too many symbolic links on the way
	Precondition                 // what the caller demanded of what is there doesn't hold
)

var texts = map[Kind]string{
	Other: "internal error", Invalid: "invalid request", NameInvalid: "invalid name",
	Denied: "permission denied", ReadOnly: "read-only", NotExist: "no such file or directory",
	NotDir: "not a directory", Exist: "already exists", IsDir: "is a directory",
	NotEmpty: "directory not empty", Conflict: "changed by somebody else", TooLarge: "too large",
	NoSpace: "no space left", Corrupt: "stored data is damaged", Unavailable: "storage unavailable",
	Unsupported: "not supported", Canceled: "canceled", Closed: "already closed",
	Loop: "too many symbolic links", Precondition: "a condition of the request does not hold",
}

// All lists every kind, for tables that must be complete.
func All() []Kind {
	all := make([]Kind, 0, len(texts))
	for k := Other; k <= Precondition; k++ {
		all = append(all, k)
	}
	return all
}

// Error gives the kind's own text, which is safe to show to anybody.
func (k Kind) Error() string {
	if s, ok := texts[k]; ok {
		return s
	}
	return "unknown error kind"
}

var words = map[Kind]string{
	Other: "other", Invalid: "invalid", NameInvalid: "name_invalid", Denied: "denied", ReadOnly: "read_only", NotExist: "not_exist",
	NotDir: "not_dir", Exist: "exist", IsDir: "is_dir", NotEmpty: "not_empty", Conflict: "conflict", TooLarge: "too_large",
	NoSpace: "no_space", Corrupt: "corrupt", Unavailable: "unavailable", Unsupported: "unsupported", Canceled: "canceled",
	Closed: "closed", Loop: "loop", Precondition: "precondition",
}

// Word is the kind as one word, for labels and records that programs read.
func (k Kind) Word() string { return words[k] }

// Is makes the standard library's sentinel errors match.
func (k Kind) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return k == NotExist
	case fs.ErrExist:
		return k == Exist
	case fs.ErrPermission:
		return k == Denied || k == ReadOnly
	case fs.ErrInvalid:
		return k == Invalid || k == NameInvalid
	case fs.ErrClosed:
		return k == Closed
	case errors.ErrUnsupported:
		return k == Unsupported
	case context.Canceled:
		return k == Canceled
	}
	return false
}

// Of returns the kind that err carries: the outermost Kind in its chain,
// Canceled for the context's own errors, Other for any other error, and 0 for
// nil.
func Of(err error) Kind {
	if err == nil {
		return 0
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Canceled
	}
	return Other
}
