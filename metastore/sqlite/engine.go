package sqlite

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
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

// stmt is a prepared statement with a buffer for the bytes bound to it.
type stmt struct {
	c   *conn
	p   uintptr
	buf uintptr // in the library's memory, which does not move
	cap int
	len int
	rc  int32 // of the first bind that did not work
}

// minBuffer is the least that a statement can bind without need.
const minBuffer = 512

func (c *conn) prepare(sql string) (*stmt, error) {
	text, err := libc.CString(sql)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w: %w", kind.Unavailable, err)
	}
	defer libc.Xfree(c.tls, text)
	s := &stmt{c: c}
	slot := c.tls.Alloc(int(unsafe.Sizeof(s.p)))
	defer c.tls.Free(int(unsafe.Sizeof(s.p)))
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, slot, 0)
	if rc != sqlite3.SQLITE_OK {
		return nil, c.errorOf("prepare", rc)
	}
	s.p = *(*uintptr)(pointer(slot))
	c.stmts = append(c.stmts, s)
	s.need(minBuffer)
	return s, nil
}

// drop finalizes a statement before its connection is closed.
func (c *conn) drop(s *stmt) {
	for i, o := range c.stmts {
		if o == s {
			c.stmts = append(c.stmts[:i], c.stmts[i+1:]...)
			break
		}
	}
	s.finalize()
}

func (s *stmt) finalize() {
	sqlite3.Xsqlite3_finalize(s.c.tls, s.p)
	libc.Xfree(s.c.tls, s.buf)
	s.p, s.buf = 0, 0
}

// need makes room for n bytes in all; it must come before the binds, since
// growing moves the buffer. minBuffer bytes are always there.
func (s *stmt) need(n int) {
	if n <= s.cap {
		return
	}
	n += n / 4
	p := libc.Xmalloc(s.c.tls, types.Size_t(n))
	if p == 0 {
		s.rc = sqlite3.SQLITE_NOMEM
		return
	}
	libc.Xfree(s.c.tls, s.buf)
	s.buf, s.cap = p, n
}

// The set methods bind parameters, counted from 1. What goes wrong there is
// reported by step.

func (s *stmt) setInt(i int, v int64) {
	if rc := sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i), v); rc != sqlite3.SQLITE_OK {
		s.rc = rc
	}
}

func (s *stmt) setNull(i int) {
	if rc := sqlite3.Xsqlite3_bind_null(s.c.tls, s.p, int32(i)); rc != sqlite3.SQLITE_OK {
		s.rc = rc
	}
}

// setBlob binds a copy of b, for which there must be room.
func (s *stmt) setBlob(i int, b []byte) {
	if s.len+len(b) > s.cap {
		s.rc = sqlite3.SQLITE_NOMEM
		return
	}
	at := s.buf + uintptr(s.len)
	copy(unsafe.Slice((*byte)(pointer(at)), len(b)), b)
	s.len += len(b)
	if rc := sqlite3.Xsqlite3_bind_blob(s.c.tls, s.p, int32(i), at, int32(len(b)), sqlite3.SQLITE_STATIC); rc != sqlite3.SQLITE_OK {
		s.rc = rc
	}
}

// setBlobOrNull binds NULL for no bytes.
func (s *stmt) setBlobOrNull(i int, b []byte) {
	if len(b) == 0 {
		s.setNull(i)
		return
	}
	s.setBlob(i, b)
}

// setIDOrNull binds NULL for an id of zeros.
func (s *stmt) setIDOrNull(i int, id []byte) {
	for _, b := range id {
		if b != 0 {
			s.setBlob(i, id)
			return
		}
	}
	s.setNull(i)
}

func (s *stmt) setBool(i int, v bool) {
	n := int64(0)
	if v {
		n = 1
	}
	s.setInt(i, n)
}

// setText binds a copy of t, for which there must be room.
func (s *stmt) setText(i int, t string) {
	if s.len+len(t) > s.cap {
		s.rc = sqlite3.SQLITE_NOMEM
		return
	}
	at := s.buf + uintptr(s.len)
	copy(unsafe.Slice((*byte)(pointer(at)), len(t)), t)
	s.len += len(t)
	if rc := sqlite3.Xsqlite3_bind_text(s.c.tls, s.p, int32(i), at, int32(len(t)), sqlite3.SQLITE_STATIC); rc != sqlite3.SQLITE_OK {
		s.rc = rc
	}
}

// step runs the statement to its next row. After the last row, and after an
// error, the statement is reset and ready for new parameters.
func (s *stmt) step() (row bool, err error) {
	rc := s.rc
	if rc == sqlite3.SQLITE_OK {
		rc = sqlite3.Xsqlite3_step(s.c.tls, s.p)
	}
	if rc == sqlite3.SQLITE_ROW {
		return true, nil
	}
	if rc != sqlite3.SQLITE_DONE {
		err = s.c.errorOf("step", rc)
		if s.c.failed == nil {
			s.c.failed = err
		}
	}
	s.reset()
	return false, err
}

// run steps a statement that gives no rows.
func (s *stmt) run() error {
	_, err := s.step()
	return err
}

// reset abandons the rows that are left; it must follow the last use of a row's columns.
func (s *stmt) reset() {
	sqlite3.Xsqlite3_reset(s.c.tls, s.p)
	s.len, s.rc = 0, sqlite3.SQLITE_OK
}

// each runs the statement, and fn on each of its rows.
func (s *stmt) each(fn func() error) error {
	for {
		row, err := s.step()
		if err != nil || !row {
			return err
		}
		if err := fn(); err != nil {
			s.reset()
			return err
		}
	}
}

func (s *stmt) int(col int) int64 { return sqlite3.Xsqlite3_column_int64(s.c.tls, s.p, int32(col)) }

// lent gives a column's bytes as they lie in the library, until the next step or reset.
func (s *stmt) lent(col int) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.p, int32(col))
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, int32(col))
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), int(n))
}

// changes tells how many rows the last insert, update or delete changed.
func (c *conn) changes() int64 { return sqlite3.Xsqlite3_changes64(c.tls, c.db) }

// wal gives the log file of a connection opened through gatherVFS, nil while it has none.
func (c *conn) wal() *walFile {
	slot := c.tls.Alloc(int(unsafe.Sizeof(uintptr(0))))
	defer c.tls.Free(int(unsafe.Sizeof(uintptr(0))))
	rc := sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_JOURNAL_POINTER, slot)
	file := *(*uintptr)(pointer(slot))
	if rc != sqlite3.SQLITE_OK || file == 0 || (*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods == 0 {
		return nil
	}
	return walFileOf(file)
}

// keepWAL makes closing the connection leave database and log as they are.
func (c *conn) keepWAL() {
	on := c.tls.Alloc(2 * int(unsafe.Sizeof(uintptr(0))))
	defer c.tls.Free(2 * int(unsafe.Sizeof(uintptr(0))))
	sqlite3.Xsqlite3_db_config(c.tls, c.db, sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, libc.VaList(on, int32(1), uintptr(0)))
}

// The modes of a checkpoint: what can be done beside others, or all of it and
// the log cut to nothing, which needs the writer.
const (
	checkpointPassive  = sqlite3.SQLITE_CHECKPOINT_PASSIVE
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
