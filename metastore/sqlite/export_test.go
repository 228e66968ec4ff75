package sqlite

import (
	"context"

	"github.com/truckee-fs/truckee/metastore"
)

// What tests look at or set inside.

// ReapBeside reaps with nothing to keep, and calls meanwhile when it has looked and
// before it drops.
func (s *Store) ReapBeside(ctx context.Context, meanwhile func()) (metastore.Reaped, error) {
	opened, err := (&collector{s}).Snapshot(ctx)
	if err != nil {
		return metastore.Reaped{}, err
	}
	defer opened.Close()
	r := &reaper{v: opened.(*view), cutoff: opened.(*view).at}
	if err := r.prepare(ctx); err != nil {
		return metastore.Reaped{}, err
	}
	meanwhile()
	return r.got, r.drop(ctx)
}

// Syncs tells how often the write-ahead log has been synced.
func (s *Store) Syncs() int64 {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.w.c.wal().synced
}

// WALSize tells how large the log file is.
func (s *Store) WALSize() int64 {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.w.c.wal().size
}

// Checkpoint does what the checkpointer does.
func (s *Store) Checkpoint() error { return s.checkpoint() }

// Pragma reads a setting of the connection that writes.
func (s *Store) Pragma(name string) (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.w.c.queryInt("PRAGMA " + name)
}

// Kick has the checkpointer begin once more.
func (s *Store) Kick() {
	select {
	case s.kick <- struct{}{}:
	default: // it will
	}
}

// Query reads one number.
func (s *Store) Query(sql string) (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.w.c.queryInt(sql)
}

// Exec runs any statement.
func (s *Store) Exec(sql string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.w.c.exec(sql)
}

// Queued tells how many calls wait for the writer.
func (s *Store) Queued() int { return s.queue.Waiting() }

// WALSizes sets when the log is copied and when it is cut.
func WALSizes(target, limit int64) Option {
	return func(s *Store) { s.walSizes = walSizes{target, limit} }
}

// Path is where the database lies.
func (s *Store) Path() string { return s.path }

// The places that At tells of.
const (
	BesideWriter     = besideWriter
	BehindCheckpoint = behindCheckpoint
)

// At has where called with what the store has come to.
func At(where func(string)) Option { return func(s *Store) { s.at = where } }

// Kill leaves the files as a process does that is killed.
func (s *Store) Kill() {
	s.closed.Store(true)
	s.quiesce()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.w.c.keepWAL()
	s.w.c.close()
	s.lock.release()
}
