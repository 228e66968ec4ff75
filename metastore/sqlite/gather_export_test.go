package sqlite

import (
	"unsafe"

	"golang.org/x/sys/unix"
	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// The result codes that tests of the gathering file meet.
const (
	GatherOK        = sqlite3.SQLITE_OK
	GatherShortRead = sqlite3.SQLITE_IOERR_SHORT_READ
	GatherFull      = sqlite3.SQLITE_FULL
	GatherNoWrite   = sqlite3.SQLITE_IOERR_WRITE
	GatherNoSync    = sqlite3.SQLITE_IOERR_FSYNC
)

// GatherFile is a log file opened through the gathering VFS, as SQLite opens it.
type GatherFile struct {
	tls  *libc.TLS
	file uintptr
	name uintptr
	buf  uintptr
}

// GatherBuffer is the most that one call may read or write.
const GatherBuffer = 1 << 20

// OpenGather opens path, the name of a database, with "-wal".
func OpenGather(path string) (*GatherFile, error) {
	if err := registerGather(); err != nil {
		return nil, err
	}
	tls := libc.NewTLS()
	g := &GatherFile{tls: tls}
	var err error
	if g.name, err = libc.CString(path + "-wal"); err != nil {
		return nil, err
	}
	g.file = libc.Xcalloc(tls, 1, types.Size_t(int(inner().FszOsFile)+int(unsafe.Sizeof(walFile{}))))
	g.buf = libc.Xmalloc(tls, GatherBuffer)
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE | sqlite3.SQLITE_OPEN_WAL
	if rc := gatherOpen(tls, 0, g.name, g.file, flags, 0); rc != sqlite3.SQLITE_OK {
		return nil, unix.EIO
	}
	return g, nil
}

func (g *GatherFile) methods() *sqlite3.Tsqlite3_io_methods {
	return (*sqlite3.Tsqlite3_io_methods)(pointer((*sqlite3.Tsqlite3_file)(pointer(g.file)).FpMethods))
}

func (g *GatherFile) lent(n int) []byte { return unsafe.Slice((*byte)(pointer(g.buf)), n) }

// Write writes b.
func (g *GatherFile) Write(b []byte, off int64) int32 {
	copy(g.lent(len(b)), b)
	return as[ioFunc](g.methods().FxWrite)(g.tls, g.file, g.buf, int32(len(b)), off)
}

// Read reads n bytes.
func (g *GatherFile) Read(n int, off int64) ([]byte, int32) {
	for i := range g.lent(n) {
		g.lent(n)[i] = 0xee
	}
	rc := as[ioFunc](g.methods().FxRead)(g.tls, g.file, g.buf, int32(n), off)
	return append([]byte{}, g.lent(n)...), rc
}

// Truncate cuts the file.
func (g *GatherFile) Truncate(size int64) int32 {
	return as[sizeFunc](g.methods().FxTruncate)(g.tls, g.file, size)
}

// Sync makes it durable.
func (g *GatherFile) Sync() int32 {
	return as[syncFunc](g.methods().FxSync)(g.tls, g.file, sqlite3.SQLITE_SYNC_NORMAL)
}

// Size tells its size.
func (g *GatherFile) Size() (int64, int32) {
	rc := as[statFunc](g.methods().FxFileSize)(g.tls, g.file, g.buf)
	return *(*int64)(pointer(g.buf)), rc
}

// Synced tells how many syncs worked.
func (g *GatherFile) Synced() int64 { return walFileOf(g.file).synced }

// Fd is its file descriptor.
func (g *GatherFile) Fd() int { return int((*sqlite3.TunixFile)(pointer(g.file)).Fh) }

// Close closes it and gives its memory back.
func (g *GatherFile) Close() int32 {
	rc := as[closeFunc](g.methods().FxClose)(g.tls, g.file)
	for _, p := range []uintptr{g.file, g.name, g.buf} {
		libc.Xfree(g.tls, p)
	}
	g.tls.Close()
	return rc
}

// LogFd is the file descriptor through which the writer writes its log.
func (s *Store) LogFd() int {
	s.writing.Lock()
	defer s.writing.Unlock()
	slot := s.w.c.tls.Alloc(8)
	defer s.w.c.tls.Free(8)
	sqlite3.Xsqlite3_file_control(s.w.c.tls, s.w.c.db, 0, sqlite3.SQLITE_FCNTL_JOURNAL_POINTER, slot)
	return int((*sqlite3.TunixFile)(pointer(*(*uintptr)(pointer(slot)))).Fh)
}
