package sqlite

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/truckee-fs/truckee/internal/kind"
)

// The thin layer over the SQLite library. It calls the library itself rather
// than database/sql or its driver: a prepared statement costs no allocation and
// no copy but that of the bytes bound, which is half of what a small commit
// takes outside its fsync.
//
// A conn and its statements belong to one goroutine at a time.

// patchPageSize makes the library ask for the real page size on systems where
// its translation does not (linux/arm64); nothing elsewhere.
var patchPageSize = sync.OnceFunc(sqlite3.PatchIssue199)

// pointer makes a pointer of an address in the library's memory, which lies
// outside of Go's heap and does not move.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// conn is one connection.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts []*stmt
	// failed is the first error of a statement since the owner cleared it:
	// what tells a failing database from a condition that does not hold.
	failed error
}

// openConn opens the database file, which must exist, through a VFS.
func openConn(path, vfs string) (*conn, error) {
	patchPageSize()
	c := &conn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("sqlite: open: %w: %w", kind.Unavailable, err)
	}
	defer libc.Xfree(c.tls, name)
	through, err := libc.CString(vfs)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("sqlite: open: %w: %w", kind.Unavailable, err)
	}
	defer libc.Xfree(c.tls, through)
	slot := c.tls.Alloc(int(unsafe.Sizeof(c.db)))
	defer c.tls.Free(int(unsafe.Sizeof(c.db)))
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_EXRESCODE
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, slot, flags, through)
	c.db = *(*uintptr)(pointer(slot))
	if rc != sqlite3.SQLITE_OK {
		err := c.errorOf("open", rc)
		c.close()
		return nil, err
	}
	// Nobody else should hold a lock; whoever does (an operator's sqlite3
	// shell) is waited for.
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, busyTimeoutMillis)
	return c, nil
}

const busyTimeoutMillis = 10_000

func (c *conn) close() {
	for _, s := range c.stmts {
		s.finalize()
	}
	c.stmts = nil
	if c.db != 0 {
		sqlite3.Xsqlite3_close_v2(c.tls, c.db)
		c.db = 0
	}
	c.tls.Close()
}

// exec runs statements that need no parameters, and drops their rows.
func (c *conn) exec(sql string) error {
	text, err := libc.CString(sql)
	if err != nil {
		return fmt.Errorf("sqlite: %w: %w", kind.Unavailable, err)
	}
	defer libc.Xfree(c.tls, text)
	if rc := sqlite3.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0); rc != sqlite3.SQLITE_OK {
		return c.errorOf("exec", rc)
	}
	return nil
}

// queryInt runs a statement without parameters and gives the first column of its first row.
func (c *conn) queryInt(sql string) (int64, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	defer c.drop(s)
	if row, err := s.step(); err != nil || !row {
		return 0, err
	}
	return s.int(0), nil
}

// errorOf makes an error that carries a kind from a result code.
func (c *conn) errorOf(op string, rc int32) error {
	text := libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	var errno int32
	if c.db != 0 {
		text = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
		errno = sqlite3.Xsqlite3_system_errno(c.tls, c.db)
	}
	return fmt.Errorf("sqlite: %s: %s (code %d): %w", op, text, rc, kindOf(rc, syscall.Errno(errno)))
}

// kindOf maps SQLite's result codes. The errno counts only for I/O errors: it
// is left over from earlier calls otherwise.
func kindOf(rc int32, errno syscall.Errno) kind.Kind {
	switch rc {
	case sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA:
		return kind.Corrupt
	case sqlite3.SQLITE_IOERR_FSYNC:
		return kind.Unavailable // nobody knows what is durable
	}
	switch rc & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT:
		return kind.Corrupt
	case sqlite3.SQLITE_FULL:
		return kind.NoSpace
	case sqlite3.SQLITE_IOERR:
		if errno == syscall.ENOSPC || errno == syscall.EDQUOT {
			return kind.NoSpace
		}
		return kind.Unavailable
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN:
		return kind.Unavailable
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return kind.Denied
	case sqlite3.SQLITE_INTERRUPT:
		return kind.Canceled
	case sqlite3.SQLITE_TOOBIG:
		return kind.TooLarge
	}
	return kind.Other
}

// The set methods bind parameters, counted from 1. What goes wrong there is
// reported by step.

// changes tells how many rows the last insert, update or delete changed.
func (c *conn) changes() int64 { return sqlite3.Xsqlite3_changes64(c.tls, c.db) }

// wal gives the log file of a connection opened through gatherVFS, nil while it has none.
func (c *conn) wal() *walFile {
	if file := c.file(sqlite3.SQLITE_FCNTL_JOURNAL_POINTER); file != 0 {
		return walFileOf(file)
	}
	return nil
}

// pages tells how many the database has within the running transaction: what PRAGMA
// page_count gives, without a statement for every commit.
func (c *conn) pages() int64 {
	main := (*sqlite3.TDb)(pointer((*sqlite3.Tsqlite3)(pointer(c.db)).FaDb)) // the first one
	tree := (*sqlite3.TBtree)(pointer(main.FpBt))
	return int64((*sqlite3.TBtShared)(pointer(tree.FpBt)).FnPage)
}

// file asks the library for one of the connection's files; 0: it isn't open.
func (c *conn) file(which int32) uintptr {
	slot := c.tls.Alloc(int(unsafe.Sizeof(uintptr(0))))
	defer c.tls.Free(int(unsafe.Sizeof(uintptr(0))))
	rc := sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, which, slot)
	file := *(*uintptr)(pointer(slot))
	if rc != sqlite3.SQLITE_OK || file == 0 || (*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods == 0 {
		return 0
	}
	return file
}

// keepWAL makes closing the connection leave database and log as they are.
func (c *conn) keepWAL() {
	on := c.tls.Alloc(2 * int(unsafe.Sizeof(uintptr(0))))
	defer c.tls.Free(2 * int(unsafe.Sizeof(uintptr(0))))
	sqlite3.Xsqlite3_db_config(c.tls, c.db, sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, libc.VaList(on, int32(1), uintptr(0)))
}

// The modes of a checkpoint: what can be done beside others, or all of it, and then
// no reader keeps the log from beginning anew, or it is cut to nothing; these two need
// the writer.
const (
	checkpointPassive  = sqlite3.SQLITE_CHECKPOINT_PASSIVE
	checkpointRestart  = sqlite3.SQLITE_CHECKPOINT_RESTART
	checkpointTruncate = sqlite3.SQLITE_CHECKPOINT_TRUNCATE
)

// checkpoint copies pages from the log into the database file. A passive one
// that meets a commit in the act of publishing itself does nothing.
func (c *conn) checkpoint(mode int32) error {
	rc := sqlite3.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, mode, 0, 0)
	if rc == sqlite3.SQLITE_OK || rc&0xff == sqlite3.SQLITE_BUSY && mode == checkpointPassive {
		return nil
	}
	return c.errorOf("checkpoint", rc)
}
