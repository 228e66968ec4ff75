package sqlite

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/truckee-fs/truckee/internal/kind"
)

// The writer's virtual file system: SQLite's own "unix-excl", but for the
// write-ahead log, and for the end of the database file (databaseTruncate). SQLite writes a log in pieces, 24 bytes and a page in turn,
// two system calls a page; here they are gathered and written with one call
// when SQLite syncs, which it does before it lets anybody read them
// (synchronous=FULL). The log file grows by whole mebibytes of zeros, and sync
// is fdatasync: so most commits change no metadata of the file, and the sync
// needs no journal of the file system's. A log's zeros are no valid frames, so
// that recovery ends before them.
//
// "unix-excl" itself locks the database against other processes once, keeps the
// log's index in memory, and shares both among the connections of this process.

const (
	exclusiveVFS = "unix-excl"
	gatherVFS    = "truckee-gather"

	// gatherMax bounds the gathered bytes; a transaction that writes more
	// writes them in several calls.
	gatherMax = 4 << 20
	// growBy is the unit in which the log file grows.
	growBy = 1 << 20
)

// walFile lies behind SQLite's own unixFile, in the library's memory; a database
// file uses the first two fields alone. Its
// fields are addresses and numbers only: the Go collector does not look here.
type walFile struct {
	methods uintptr // our io_methods; zero: neither a log nor a database
	inner   uintptr // SQLite's
	buf     uintptr // gathered bytes, all of them to be written at off
	cap     int64
	len     int64
	off     int64
	end     int64 // of the newest write
	size    int64 // of the file, as far as known
	synced  int64 // syncs that worked so far
	frugal  bool  // the file doesn't grow ahead: room is scarce
}

func walFileOf(file uintptr) *walFile {
	return (*walFile)(pointer(file + uintptr(inner().FszOsFile)))
}

// inner finds the VFS below. It is registered with the library's start and stays.
func inner() *sqlite3.Tsqlite3_vfs { return (*sqlite3.Tsqlite3_vfs)(pointer(innerVFS())) }

var innerVFS = sync.OnceValue(func() uintptr {
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString(exclusiveVFS)
	if err != nil {
		return 0
	}
	defer libc.Xfree(tls, name)
	return sqlite3.Xsqlite3_vfs_find(tls, name)
})

// registerGather makes the VFS known to the library, once a process.
var registerGather = sync.OnceValue(func() error {
	if innerVFS() == 0 {
		return fmt.Errorf("sqlite: no vfs %s: %w", exclusiveVFS, kind.Unsupported)
	}
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString(gatherVFS)
	if err != nil {
		return fmt.Errorf("sqlite: %w: %w", kind.Unavailable, err)
	}
	p := libc.Xcalloc(tls, 1, types.Size_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	if p == 0 {
		return fmt.Errorf("sqlite: out of memory: %w", kind.Unavailable)
	}
	vfs := (*sqlite3.Tsqlite3_vfs)(pointer(p))
	*vfs = *inner()
	vfs.FpNext = 0
	vfs.FzName = name
	vfs.FszOsFile += int32(unsafe.Sizeof(walFile{}))
	vfs.FxOpen = funcOf(gatherOpen)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, p, 0); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("sqlite: register vfs (code %d): %w", rc, kind.Unavailable)
	}
	return nil
})

// funcOf gives a top-level function the form in which the translated library
// keeps function pointers.
func funcOf[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// as is the way back.
func as[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

type (
	openFunc  = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	closeFunc = func(tls *libc.TLS, file uintptr) int32
	ioFunc    = func(tls *libc.TLS, file, buf uintptr, n int32, off int64) int32
	sizeFunc  = func(tls *libc.TLS, file uintptr, size int64) int32
	statFunc  = func(tls *libc.TLS, file, size uintptr) int32
	syncFunc  = func(tls *libc.TLS, file uintptr, flags int32) int32
)

func gatherOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	w := walFileOf(file)
	*w = walFile{}
	rc := as[openFunc](inner().FxOpen)(tls, innerVFS(), name, file, flags, outFlags)
	if rc != sqlite3.SQLITE_OK || flags&(sqlite3.SQLITE_OPEN_WAL|sqlite3.SQLITE_OPEN_MAIN_DB) == 0 {
		return rc
	}
	own := libc.Xmalloc(tls, types.Size_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	if own == 0 {
		return rc // works as well without gathering
	}
	f := (*sqlite3.Tsqlite3_file)(pointer(file))
	w.inner, w.methods = f.FpMethods, own
	m := (*sqlite3.Tsqlite3_io_methods)(pointer(own))
	*m = *w.io()
	m.FxClose = funcOf(gatherClose)
	f.FpMethods = own
	if flags&sqlite3.SQLITE_OPEN_MAIN_DB != 0 {
		m.FxTruncate = funcOf(databaseTruncate)
		return rc
	}
	m.FxRead = funcOf(gatherRead)
	m.FxWrite = funcOf(gatherWrite)
	m.FxTruncate = funcOf(gatherTruncate)
	m.FxSync = funcOf(gatherSync)
	m.FxFileSize = funcOf(gatherFileSize)
	return rc
}

// io gives SQLite's own methods for the file.
func (w *walFile) io() *sqlite3.Tsqlite3_io_methods {
	return (*sqlite3.Tsqlite3_io_methods)(pointer(w.inner))
}

func gatherClose(tls *libc.TLS, file uintptr) int32 {
	w := walFileOf(file)
	// What was not synced was not committed.
	libc.Xfree(tls, w.buf)
	libc.Xfree(tls, w.methods)
	(*sqlite3.Tsqlite3_file)(pointer(file)).FpMethods = w.inner
	rc := as[closeFunc](w.io().FxClose)(tls, file)
	*w = walFile{}
	return rc
}

func gatherRead(tls *libc.TLS, file, buf uintptr, n int32, off int64) int32 {
	w := walFileOf(file)
	if rc := w.flush(file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return as[ioFunc](w.io().FxRead)(tls, file, buf, n, off)
}

func gatherWrite(tls *libc.TLS, file, buf uintptr, n int32, off int64) int32 {
	w := walFileOf(file)
	if w.len > 0 && (off != w.off+w.len || w.len+int64(n) > gatherMax) {
		if rc := w.flush(file); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	if w.len == 0 {
		w.off = off
	}
	if !w.reserve(tls, w.len+int64(n)) {
		if rc := w.flush(file); rc != sqlite3.SQLITE_OK {
			return rc
		}
		return as[ioFunc](w.io().FxWrite)(tls, file, buf, n, off)
	}
	copy(unsafe.Slice((*byte)(pointer(w.buf+uintptr(w.len))), n), unsafe.Slice((*byte)(pointer(buf)), n))
	w.len += int64(n)
	return sqlite3.SQLITE_OK
}

func (w *walFile) reserve(tls *libc.TLS, n int64) bool {
	if n <= w.cap {
		return true
	}
	want := max(n, 2*w.cap, 128<<10)
	p := libc.Xrealloc(tls, w.buf, types.Size_t(want))
	if p == 0 {
		return false
	}
	w.buf, w.cap = p, want
	return true
}

// flush writes what was gathered, and lets the file grow ahead of the next commits.
func (w *walFile) flush(file uintptr) int32 {
	if w.len == 0 {
		return sqlite3.SQLITE_OK
	}
	gathered := unsafe.Slice((*byte)(pointer(w.buf)), w.len)
	fd := int((*sqlite3.TunixFile)(pointer(file)).Fh)
	w.len = 0
	if err := writeAt(fd, gathered, w.off); err != nil {
		if isFull(err) {
			return sqlite3.SQLITE_FULL
		}
		return sqlite3.SQLITE_IOERR_WRITE
	}
	w.end = w.off + int64(len(gathered))
	if w.end <= w.size {
		return sqlite3.SQLITE_OK
	}
	w.size = w.end
	if grown := (w.end + growBy - 1) / growBy * growBy; grown > w.end && !w.frugal {
		// Only speed is lost where this does not work.
		if writeAt(fd, make([]byte, grown-w.end), w.end) == nil {
			w.size = grown
		}
	}
	return sqlite3.SQLITE_OK
}

// writeAt writes all of b. SQLite's own write takes less than 128 KiB at a time.
func writeAt(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = unix.ENOSPC
		}
		if err != nil {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// databaseTruncate lets a checkpoint make the database file longer, not shorter: it
// would cut off the blocks that a commit beside it got (room.go). The file is never too
// long, since the database's pages don't become fewer. Only that of a new database
// becomes empty, when its rollback journal undoes what a crash left of its first page.
func databaseTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	var st unix.Stat_t
	if size > 0 && unix.Fstat(int((*sqlite3.TunixFile)(pointer(file)).Fh), &st) == nil && st.Size >= size {
		return sqlite3.SQLITE_OK
	}
	return as[sizeFunc](walFileOf(file).io().FxTruncate)(tls, file, size)
}

func gatherTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	w := walFileOf(file)
	if rc := w.flush(file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	w.size = min(w.size, size)
	return as[sizeFunc](w.io().FxTruncate)(tls, file, size)
}

// gatherSync leaves the first sync that works to SQLite, which also syncs the folder.
func gatherSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	w := walFileOf(file)
	if rc := w.flush(file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	done, rc := false, int32(sqlite3.SQLITE_OK)
	if w.synced > 0 {
		done, rc = dataSync((*sqlite3.TunixFile)(pointer(file)))
	}
	if !done {
		rc = as[syncFunc](w.io().FxSync)(tls, file, flags)
	}
	if rc == sqlite3.SQLITE_OK {
		w.synced++
	}
	return rc
}

func gatherFileSize(tls *libc.TLS, file, size uintptr) int32 {
	w := walFileOf(file)
	if rc := w.flush(file); rc != sqlite3.SQLITE_OK {
		return rc
	}
	rc := as[statFunc](w.io().FxFileSize)(tls, file, size)
	if rc == sqlite3.SQLITE_OK {
		w.size = max(w.size, *(*int64)(pointer(size)))
	}
	return rc
}
