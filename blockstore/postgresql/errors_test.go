package postgresql

import (
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func TestKindOfCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]kind.Kind{
		"53100": kind.NoSpace,     // disk_full
		"53300": kind.Unavailable, // too_many_connections
		"53200": kind.Unavailable, // out_of_memory
		"57P01": kind.Unavailable, // admin_shutdown
		"57P03": kind.Unavailable, // cannot_connect_now
		"57014": kind.Unavailable, // query_canceled: a statement_timeout
		"40001": kind.Unavailable, // serialization_failure
		"40P01": kind.Unavailable, // deadlock_detected
		"58030": kind.Unavailable, // io_error
		"25006": kind.Unavailable, // read_only_sql_transaction: a standby
		"42P01": kind.Unavailable, // undefined_table
		"42501": kind.Denied,      // insufficient_privilege
		"28P01": kind.Denied,      // invalid_password
		"28000": kind.Denied,      // invalid_authorization_specification
		"XX001": kind.Corrupt,     // data_corrupted
		"42883": kind.Invalid,     // undefined_function
		"ZZ999": kind.Unavailable,
	} {
		if got := kindOf(code); got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
}
