package sqlite

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// A file beside the database takes up room that a full disk gives back, so that
// what makes room goes on: removals, collections, the lease without which no start
// gets far. While it is given up, everything else is refused, or it would eat that
// room, too; the first change that finds room for the file again ends that.
const (
	reserveSuffix = ".reserve"
	reserveMost   = 16 << 20
	reserveLeast  = 512 << 10 // less would help nobody: none is kept
	reserveShare  = 64        // of the file system's size

	pageSize = 4096
)

// reserve is used by whoever holds Store.writing.
type reserve struct {
	path string
	size int64 // 0: none is kept
	held bool

	saving bool // the write-ahead log was told to take little room
}

// newReserve takes the room for a database, if there is some.
func newReserve(database string) reserve {
	r := reserve{path: database + reserveSuffix}
	var st unix.Statfs_t
	if unix.Statfs(filepath.Dir(database), &st) != nil {
		return r
	}
	if size := min(int64(st.Blocks)*int64(st.Bsize)/reserveShare, reserveMost); size >= reserveLeast {
		r.size = size
	}
	r.take()
	return r
}

// lacking tells whether room was given up and can't be had back.
func (r *reserve) lacking() bool {
	if !r.givenUp() {
		return false
	}
	r.take()
	return r.givenUp()
}

// take makes the file, or gives an old one its blocks.
func (r *reserve) take() {
	if r.size == 0 {
		return
	}
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = allocate(f, r.size)
		_ = f.Close()
	}
	switch {
	case err == nil:
		r.held = true
	case isFull(err):
		_ = os.Remove(r.path)
	default: // it can't be had here at all
		_ = os.Remove(r.path)
		r.size = 0
	}
}

// giveUp gives the room to whoever comes first.
func (r *reserve) giveUp() {
	if r.held && os.Remove(r.path) == nil {
		r.held = false
	}
}

// free is how much is free on the file system beside the reserve.
func (r *reserve) free() int64 {
	var st unix.Statfs_t
	if unix.Statfs(filepath.Dir(r.path), &st) != nil {
		return 0
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

// givenUp tells whether the room is somebody else's.
func (r *reserve) givenUp() bool { return r.size > 0 && !r.held }

// makeRoom gives up the reserve. The writer is held.
func (s *Store) makeRoom() {
	if s.reserve.held {
		s.log.Warn("the disk of the metastore is full: until there is room again, only what makes room is done")
		s.reserve.giveUp()
	}
	s.renewLog()
}

// walTight is how long the write-ahead log gets on a full disk.
const walTight = 256 << 10

// saveRoom keeps the write-ahead log short while the reserve is given up, and has it
// give back what it took while a view kept it.
func (s *Store) saveRoom() {
	tight := s.reserve.givenUp()
	if !tight && !s.reserve.saving {
		return // as a rule
	}
	wal := s.w.c.wal()
	if wal == nil {
		return
	}
	if tight != s.reserve.saving {
		limit := int64(-1) // none
		if tight {
			limit = 2 * walTight
		}
		// SQLite cuts the log when it has begun anew.
		_ = s.w.c.exec(fmt.Sprintf("PRAGMA journal_size_limit = %d", limit))
	}
	wal.frugal, s.reserve.saving = tight, tight
	if tight && wal.end > walTight {
		s.renewLog()
	}
}

// renewLog has the write-ahead log begin anew in the blocks that it has, if no view
// keeps it: the database file has blocks for what is in it (room.go). The writer is
// held.
func (s *Store) renewLog() {
	if !s.checkpointing.TryLock() {
		s.meet(behindCheckpoint)
		s.checkpointing.Lock()
	}
	defer s.checkpointing.Unlock()
	mode := int32(checkpointRestart)
	if s.hasViews() {
		mode = checkpointPassive // the other one would wait for them
	}
	_ = s.w.c.checkpoint(mode) // what it can't do, it doesn't
}

// errFull refuses what would grow the database.
var errFull = kind.Errorf(kind.NoSpace, "sqlite: the disk is full: what is left of it is for removals and collection")

// admit gives those ops that the state of the disk allows, and refuses the others.
func (s *Store) admit(ops []*op) []*op {
	growing := 0
	for _, o := range ops {
		if !o.frees {
			growing++
		}
	}
	if growing == 0 || !s.reserve.lacking() || s.roomWithin() {
		return ops
	}
	freeing := make([]*op, 0, len(ops)-growing)
	for _, o := range ops {
		if o.frees {
			freeing = append(freeing, o)
		} else {
			o.err = errFull
		}
	}
	return freeing
}

// roomWithin tells whether as much as the reserve is free within the database, whose
// file never becomes smaller: what grows may take the pages beyond that, if no view
// has the log take up room meanwhile.
func (s *Store) roomWithin() bool {
	free, err := s.w.c.queryInt("PRAGMA freelist_count")
	return err == nil && free*pageSize >= s.reserve.size && !s.hasViews()
}

// frees tells whether a request makes less of what its roots hold, or enters and
// forgets roots only, without which no collection begins.
func frees(r *metastore.Request) bool {
	if len(r.Charges) == 0 {
		return len(r.Slots)+len(r.Nodes)+len(r.Live)+len(r.Links)+len(r.Sealed) == 0
	}
	less := false
	for _, c := range r.Charges {
		if c.Files > 0 || c.Bytes > 0 {
			return false
		}
		less = less || c.Files < 0 || c.Bytes < 0
	}
	return less
}
