package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/mask"
)

// request is a call under way.
type request struct {
	ctx    context.Context // bounded
	caller context.Context
	what   string
	store  *Store
	end    func()
}

// begin enters a call; who began it calls end.
func (s *Store) begin(ctx context.Context, op, object string) (*request, error) {
	what := "postgresql: " + op + " " + object
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	return &request{bounded, ctx, what, s, func() { cancel(); leave() }}, nil
}

// failure is an error of a request: its text, without the password, the server's
// code and its kind. It wraps nothing else, so that nobody above depends on the
// library's types, nor digs out a text that isn't masked.
type failure struct {
	text string
	code string // SQLSTATE, "" if the server didn't answer
	kind kind.Kind
}

func (f *failure) Error() string { return f.text + ": " + f.kind.Error() }
func (f *failure) Unwrap() error { return f.kind }

// failed makes an error of the library a failure.
func (r *request) failed(err error) error {
	if err == nil {
		return nil
	}
	if r.caller.Err() != nil {
		return &failure{fmt.Sprintf("%s: %v", r.what, context.Cause(r.caller)), "", kind.Canceled}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return &failure{r.what, "", kind.NotExist}
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		text := fmt.Sprintf("%s: %s (%s)", r.what, mask.Text(pg.Message, r.store.secrets...), pg.Code)
		return &failure{text, pg.Code, kindOf(pg.Code)}
	}
	text := err.Error()
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok { // its own text repeats user, host and every attempt
		text = errors.Unwrap(c).Error()
	}
	return &failure{r.what + ": " + mask.Text(text, r.store.secrets...), "", kind.Unavailable}
}

// kindOf is the kind of a SQLSTATE (PostgreSQL's manual, appendix A).
func kindOf(code string) kind.Kind {
	switch code {
	case "53100": // disk_full
		return kind.NoSpace
	case "42501": // insufficient_privilege
		return kind.Denied
	case "42P01", "3D000", "25006":
		// No table, no database, or a standby that only reads: not there now, and
		// never "the block is absent".
		return kind.Unavailable
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return kind.Corrupt
	}
	switch {
	case strings.HasPrefix(code, "28"): // invalid authorization
		return kind.Denied
	case strings.HasPrefix(code, "42"), strings.HasPrefix(code, "22"), strings.HasPrefix(code, "0A"): // the server speaks another SQL
		return kind.Invalid
	}
	// Connections, resources, serialization, shutdown, I/O and what is new: worth
	// another try.
	return kind.Unavailable
}

// noDatabase reports whether an error says that the database isn't there.
func noDatabase(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.code == "3D000"
}
