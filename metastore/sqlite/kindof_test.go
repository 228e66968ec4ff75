package sqlite

import (
	"syscall"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/truckee-fs/truckee/internal/kind"
)

// A sync that failed leaves the outcome of its commit unknown, whatever the
// reason: the frames were written before. A write that failed doesn't.
func TestKindsOfFailedWritesAndSyncs(t *testing.T) {
	tests := []struct {
		rc    int32
		errno syscall.Errno
		want  kind.Kind
	}{
		{sqlite3.SQLITE_FULL, 0, kind.NoSpace},
		{sqlite3.SQLITE_IOERR_WRITE, syscall.ENOSPC, kind.NoSpace},
		{sqlite3.SQLITE_IOERR_WRITE, syscall.EIO, kind.Unavailable},
		{sqlite3.SQLITE_IOERR_FSYNC, syscall.ENOSPC, kind.Unavailable},
		{sqlite3.SQLITE_IOERR_FSYNC, syscall.EIO, kind.Unavailable},
		{sqlite3.SQLITE_IOERR_SHORT_READ, 0, kind.Corrupt},
		{sqlite3.SQLITE_CORRUPT, 0, kind.Corrupt},
	}
	for _, tt := range tests {
		if got := kindOf(tt.rc, tt.errno); got != tt.want {
			t.Errorf("code %d, errno %v: %v, want %v", tt.rc, tt.errno, got, tt.want)
		}
	}
}
