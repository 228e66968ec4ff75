package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/primary"
)

// The SQLSTATEs that are met by name (PostgreSQL's manual, appendix A).
const (
	uniqueViolation       = "23505"
	divisionByZero        = "22012"
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	insufficientPrivilege = "42501"
	undefinedTable        = "42P01"
	undefinedSchema       = "3F000"
	undefinedDatabase     = "3D000"
	undefinedFunction     = "42883"
	duplicateTable        = "42P07"
	duplicateFunction     = "42723"
	lockNotAvailable      = "55P03"
	invalidParameter      = "22023"
)

// codeOf gives the SQLSTATE of the server's answer, "" for any other error.
func codeOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// answered tells whether an error is the server's refusal of a statement, after
// which the connection goes on: nothing of the transaction is applied. A session
// that the server ends, and a connection that breaks, are none.
func answered(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.SeverityUnlocalized == "ERROR" || e.SeverityUnlocalized == "")
}

// passing tells whether the same transaction may do better at once: it met
// another one.
func passing(err error) bool {
	switch codeOf(err) {
	case serializationFailure, deadlockDetected:
		return true
	}
	return false
}

// kindOf maps an error of pgx's to a kind. What is no answer of the server comes
// from the connection.
func kindOf(err error) kind.Kind {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok && errors.Is(err, context.Canceled):
		return kind.Canceled
	case !ok && isScan(err):
		return kind.Corrupt
	case !ok:
		return kind.Unavailable
	}
	return kindOfCode(e.Code)
}

func isScan(err error) bool {
	_, ok := errors.AsType[pgx.ScanArgError](err)
	return ok
}

// kindOfCode is about a database that was opened. What an operator has changed since,
// such as a password or a right, makes it unavailable; it is nothing that a user of
// the files may not do.
func kindOfCode(code string) kind.Kind {
	switch code {
	case "53100": // disk_full
		return kind.NoSpace
	case "XX001", "XX002", undefinedTable, undefinedSchema, undefinedFunction:
		return kind.Corrupt // damaged pages, tables that are gone
	case lockNotAvailable, insufficientPrivilege, undefinedDatabase, "57014", "25006", "25P03", "25P04", "58030":
		// A time-out of ours, a server that only reads (a standby), a session idle
		// too long, an I/O error.
		return kind.Unavailable
	case "0A000":
		return kind.Unsupported
	}
	switch code[:min(2, len(code))] {
	case "08", "28", "40", "53", "57":
		return kind.Unavailable
	case "54":
		return kind.TooLarge
	case "22":
		return kind.Invalid
	}
	return kind.Other
}

// failed gives an error its kind and says during what it happened. ctx is the
// caller's: when that has ended, the error is only its echo.
func failed(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if _, has := errors.AsType[kind.Kind](err); has {
		return err
	}
	k := kindOf(err)
	if !answered(err) && ctx.Err() != nil {
		return fmt.Errorf("postgres: %s: %w: %w", op, kind.Canceled, ctx.Err())
	}
	if k == kind.Canceled { // a context of ours
		k = kind.Unavailable
	}
	// The connection's own error has the whole configuration within.
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("postgres: %s: %s: %w", op, plain(e), k)
	}
	return fmt.Errorf("postgres: %s: %w: %w", op, k, err)
}

// plain is the text of a failure to connect: what the server said or, for each
// address that was tried, what the system said.
func plain(err *pgconn.ConnectError) string {
	if e, ok := errors.AsType[*primary.Error](err); ok {
		return e.Error()
	}
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return "the server takes no writes: it is a standby, or default_transaction_read_only is on"
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Error()
	}
	text := err.Unwrap().Error()
	return strings.Join(strings.Fields(text), " ")
}

// connectFailed says what an operator has to do when the first connection does
// not come about.
func (c *config) connectFailed(ctx context.Context, err error) error {
	user := c.pool.ConnConfig.User
	switch code := codeOf(err); code {
	case "28P01":
		return kind.Errorf(kind.Denied, "postgres: %s: the password of user %q is wrong, or there is none", c.where, user)
	case "28000":
		return kind.Errorf(kind.Denied, "postgres: %s: the server does not let user %q in: is there such a user, and a line for it in pg_hba.conf?", c.where, user)
	case undefinedDatabase:
		return kind.Errorf(kind.NotExist, "postgres: %s: the database does not exist; make it with: createdb --owner=%s %s",
			c.where, user, c.pool.ConnConfig.Database)
	case "25006":
		return kind.Errorf(kind.Unavailable, "postgres: %s: the server is a standby and takes no writes", c.where)
	}
	return failed(ctx, "connect to "+c.where, err)
}

// corrupt says that a table holds what it can't hold.
func corrupt(format string, args ...any) error {
	return kind.Errorf(kind.Corrupt, "postgres: "+format, args...)
}
