package sqlite

import (
	"fmt"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/truckee-fs/truckee/internal/kind"
)

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
