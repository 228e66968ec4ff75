package metastore

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Wrapper is implemented by Stores that wrap one other Store, so that As finds
// its optional interfaces.
type Wrapper interface{ Unwrap() Store }

// As finds an optional interface in a Store or in what it wraps.
func As[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		w, ok := s.(Wrapper)
		if !ok {
			break
		}
		s = w.Unwrap()
	}
	var none T
	return none, false
}

// Exclusive is an optional interface: a Store that nobody else can write to
// while it is open says so, and its callers may trust what they cached.
type Exclusive interface{ Exclusive() bool }

// IsExclusive reports whether a Store says that nobody else can write to it.
func IsExclusive(s Store) bool {
	e, ok := As[Exclusive](s)
	return ok && e.Exclusive()
}

// Repairer is an optional interface: a durable queue of the copies that a
// redundant blockstore owes to its members, in the order of their ids. A member
// is named by 1 to 255 bytes of UTF-8 without NUL; another name is Invalid.
type Repairer interface {
	// AddRepairs queues ids for a member, durable on return. One that is
	// queued already stays queued once.
	AddRepairs(ctx context.Context, member string, ids []ID) error

	// Repairs returns up to limit of the ids above after that are queued for a
	// member, ascending, and whose block row is in state live or new. Those that
	// it meets whose row is absent or in another state leave the queue: what
	// was collected never comes back. Fewer than limit (which is above zero,
	// else Invalid) mean that there are no more.
	Repairs(ctx context.Context, member string, after ID, limit int) ([]ID, error)

	// EndRepairs takes ids out of a member's queue. Those not there are passed over.
	EndRepairs(ctx context.Context, member string, ids []ID) error

	// CountRepairs tells how many ids are queued for each member that has any.
	CountRepairs(ctx context.Context) (map[string]int64, error)
}

// AsRepairer finds a Store's repair queue, or says Unsupported.
func AsRepairer(s Store) (Repairer, error) {
	if r, ok := As[Repairer](s); ok {
		return r, nil
	}
	return nil, fmt.Errorf("metastore: it keeps no repair queue: %w", kind.Unsupported)
}

// CheckMember refuses names that Repairer does not allow. Its error is Invalid.
func CheckMember(member string) error {
	if member == "" || len(member) > 255 || !utf8.ValidString(member) || strings.ContainsRune(member, 0) {
		return fmt.Errorf("metastore: %q names no member: %w", member, kind.Invalid)
	}
	return nil
}

// Exporter is an optional interface: the whole metastore as rows, for backup,
// restore and for moving from one engine to another.
type Exporter interface {
	// Export yields every row in the order that Row's types are listed, all as of
	// one commit, while others go on writing. It may be used once. While it
	// runs, an engine with a write-ahead log can't shorten it.
	Export(ctx context.Context) iter.Seq2[Row, error]

	// Import fills an empty metastore (else Conflict) with rows in the order
	// that Export gives them, durable when it returns. Any error, one that rows
	// yields (which is returned) or a row that does not fit (Invalid), leaves
	// it as empty as it was. Other calls on the Store may have to wait
	// meanwhile, so rows must not make any.
	Import(ctx context.Context, rows iter.Seq2[Row, error]) error
}

// AsExporter finds a Store's Exporter, or says Unsupported.
func AsExporter(s Store) (Exporter, error) {
	if e, ok := As[Exporter](s); ok {
		return e, nil
	}
	return nil, fmt.Errorf("metastore: it can't be exported: %w", kind.Unsupported)
}

// Notifier is an optional interface of Stores that other gateways write to.
type Notifier interface {
	// Notify hints that other gateways changed slots. A nil slice says that
	// anything may have changed. Hints may be lost, doubled or late: they save
	// time, and nothing relies on them. The channel is closed when ctx ends or
	// the Store is closed.
	Notify(ctx context.Context) (<-chan []SlotID, error)
}

// Notify gives the hints of a Store: none, ever, from one that nobody else
// writes to; Unsupported from one that can't tell.
func Notify(ctx context.Context, s Store) (<-chan []SlotID, error) {
	if n, ok := As[Notifier](s); ok {
		return n.Notify(ctx)
	}
	if !IsExclusive(s) {
		return nil, fmt.Errorf("metastore: it does not tell of others' changes: %w", kind.Unsupported)
	}
	silent := make(chan []SlotID)
	context.AfterFunc(ctx, func() { close(silent) })
	return silent, nil
}
