package sqlite

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/truckee-fs/truckee/internal/kind"
)

// What is committed goes from the write-ahead log to the database file sooner or
// later, on a disk that may be full by then. So the file gets blocks for its pages
// before the commit that adds them, behind its end and for good (databaseTruncate): a
// checkpoint takes no room, and the log can always begin anew in the blocks that it
// has. Only a file system that writes elsewhere what is overwritten (btrfs, ZFS) may
// still lack room then.

// blocks are those that the file system gave to the database file.
type blocks struct {
	fd     int
	have   int64 // bytes of the file that have theirs
	unable bool  // the file system gives none ahead
}

// errNoBlocks refuses a transaction that the database has no room for.
var errNoBlocks = kind.Errorf(kind.NoSpace, "sqlite: the disk is full: the database can't grow")

// blocksOf looks at the file of a connection opened through gatherVFS. Copying may have
// left holes in it: they get blocks again, if the disk has some.
func blocksOf(c *conn) blocks {
	file := c.file(sqlite3.SQLITE_FCNTL_FILE_POINTER)
	if file == 0 {
		return blocks{unable: true}
	}
	b := blocks{fd: int((*sqlite3.TunixFile)(pointer(file)).Fh)}
	var st unix.Stat_t
	b.unable = unix.Fstat(b.fd, &st) != nil
	b.have = st.Size
	if !b.unable && st.Blocks*512 < st.Size {
		_ = allocateBehind(b.fd, 0, st.Size)
	}
	return b
}

// cover sees to it that the first n bytes of the file have blocks, and if there is
// room for more and exactly is false, some ahead.
func (b *blocks) cover(n int64, exactly bool) error {
	if n <= b.have || b.unable {
		return nil
	}
	if ahead := (n + growBy - 1) / growBy * growBy; !exactly && b.extend(ahead) == nil {
		return nil
	}
	err := b.extend(n)
	if isFull(err) {
		return errNoBlocks
	}
	b.unable = err != nil
	return nil
}

func (b *blocks) extend(n int64) error {
	err := allocateBehind(b.fd, b.have, n-b.have)
	if err == nil {
		b.have = n
	}
	return err
}

// adopt does what cover does for pages that an earlier process committed. XFS wants as
// much to be free as is asked for, also where the blocks are there.
func (b *blocks) adopt(n int64) {
	var st unix.Stat_t
	if b.cover(n, false) != nil && unix.Fstat(b.fd, &st) == nil && st.Blocks*512 >= n {
		b.have = n
	}
}

// claim gets the blocks for the pages that a transaction of ops adds. While the reserve
// is given up, what grows must leave as much free within the database.
func (s *Store) claim(t *tx, ops []*op) error {
	tight := s.reserve.givenUp()
	if tight && slices.ContainsFunc(ops, func(o *op) bool { return !o.frees }) && !s.roomWithin() {
		return errFull
	}
	t.st.pages = t.c.pages()
	if err := t.blocks.cover(t.st.pages*pageSize, tight); err != nil && t.st.pages > t.writer.st.pages {
		return err
	}
	return nil
}

// isFull tells whether the system lacks room, or the user's quota has none.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
