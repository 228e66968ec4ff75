// Package sqlite is the metastore in one SQLite database inside the process:
// nothing to install, one fsync a commit.
//
// One connection writes. Whoever finds it idle applies what is queued, its own
// request first in line, in one transaction; what is queued meanwhile makes the
// next one (group commit). So a lone commit costs no change of goroutine, and
// many at once share an fsync. Reads have connections of their own and never
// wait for a commit.
//
// The database belongs to one process at a time: a lock file beside it names
// the holder. A commit that was acknowledged survives kill -9 and power loss
// (write-ahead log, synchronous=FULL).
//
// On a full disk, what makes room goes on in room that is kept for it (reserve.go).
//
// In tahoe.cfg:
//
//	[metastore]
//	driver = "sqlite"
//	file = "metastore.sqlite"    # relative to BASEDIR
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/internal/groupcommit"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Store is an open database.
type Store struct {
	path string
	now  func() time.Time
	log  *slog.Logger
	lock *lockFile
	walSizes

	queue  groupcommit.Queue[*op]
	closed atomic.Bool
	seq    atomic.Uint64 // the newest durable commit

	writing sync.Mutex // held by whoever uses w or reserve; taken before checkpointing
	w       *writer
	reserve reserve

	readers readers

	// checkpointing is held by whoever checkpoints: two at once would find each
	// other's locks.
	checkpointing sync.Mutex
	at            func(where string) // of tests: what meet calls

	kick     chan struct{} // wakes the checkpointer
	finished chan struct{} // closed when the checkpointer is done

	mu    sync.Mutex // guards the fields below
	last  int64      // the newest time given out: time never goes back
	views map[*view]bool
}

var (
	_ metastore.Store     = (*Store)(nil)
	_ metastore.Exclusive = (*Store)(nil)
	_ metastore.Repairer  = (*Store)(nil)
	_ metastore.Exporter  = (*Store)(nil)
	_ metastore.Collector = (*collector)(nil)
	_ metastore.View      = (*view)(nil)
)

// Option changes how Open opens a store.
type Option func(*Store)

// Clock makes the store take the time from now in place of time.Now.
func Clock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// Log makes the store say what no caller hears: checkpoints that did not work.
func Log(l *slog.Logger) Option { return func(s *Store) { s.log = l } }

// Open opens the database at path, whose folder must exist, or makes a new one,
// and brings its schema up to date. The file gets mode 0600.
//
// Errors: Unavailable if another process has it open (the error names it) or
// the system refuses, Corrupt if the file is damaged or no database, Invalid if
// it is another program's, Unsupported if a newer program made it; that one is
// left as it is.
func Open(path string, opts ...Option) (*Store, error) {
	s := &Store{
		path: path, now: time.Now, log: slog.New(slog.DiscardHandler),
		walSizes: walSizes{target: walTarget, limit: walLimit},
		kick:     make(chan struct{}, 1), finished: make(chan struct{}), views: map[*view]bool{},
	}
	for _, o := range opts {
		o(s)
	}
	var err error
	if s.lock, err = lock(path + lockSuffix); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		s.lock.release()
		return nil, err
	}
	go s.checkpoints()
	return s, nil
}

func (s *Store) start() error {
	if err := createFile(s.path); err != nil {
		return err
	}
	if err := registerGather(); err != nil {
		return err
	}
	c, err := openConn(s.path, gatherVFS)
	if err != nil {
		return err
	}
	if s.w, err = newWriter(c); err != nil {
		c.close()
		return err
	}
	s.seq.Store(s.w.st.seq)
	s.reserve = newReserve(s.path)
	s.readers.open(s.path)
	return nil
}

// createFile makes an empty database file of mode 0600, durably, or takes
// rights from others on one that is there.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: open: %w: %w", kindOfFileError(err), err)
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return fmt.Errorf("sqlite: open: %w: %w", kindOfFileError(err), err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sqlite: open: %w: %w", kindOfFileError(err), err)
	}
	defer dir.Close()
	if err := errors.Join(f.Sync(), dir.Sync()); err != nil {
		return fmt.Errorf("sqlite: open: %w: %w", kindOfFileError(err), err)
	}
	return nil
}

// Exclusive says that nobody else can write to this store.
func (s *Store) Exclusive() bool { return true }

// Seq implements metastore.Store. It needs no database.
func (s *Store) Seq(ctx context.Context) (uint64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	return s.seq.Load(), nil
}

func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: %w: %w", kind.Canceled, err)
	}
	if s.closed.Load() {
		return fmt.Errorf("sqlite: %w", kind.Closed)
	}
	return nil
}

// timestamp is the time for a change: ns since 1970, never less than one before.
func (s *Store) timestamp() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, s.now().UnixNano())
	return s.last
}

func timeOf(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// Close waits for the calls in flight, closes open views, empties the
// write-ahead log into the database file and gives the file free.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		<-s.finished
		return nil
	}
	s.quiesce()
	s.writing.Lock()
	defer s.writing.Unlock()
	mode := int32(checkpointTruncate)
	if s.reserve.lacking() {
		mode = checkpointPassive
		s.w.c.keepWAL() // the next start may find no other room than the log's
	}
	err := s.w.c.checkpoint(mode)
	s.w.c.close()
	s.lock.release()
	if err != nil {
		// Nothing is lost: the log is read when the database is next opened.
		s.log.Warn("closing the metastore left its write-ahead log", "error", err)
	}
	return nil
}

// quiesce ends all who use the database but the writer.
func (s *Store) quiesce() {
	s.queue.Close()
	close(s.kick)
	<-s.finished
	s.closeViews()
	s.readers.close()
}
