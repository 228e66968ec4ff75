package local

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Options of Open; the zero value is right for a node.
type Options struct {
	// Log hears what needs an operator: damage, space that can't be given back.
	// nil: slog.Default.
	Log *slog.Logger
	// SegmentSize in bytes, 256 MiB if zero; smaller where the disk is.
	SegmentSize int64
	// Existing: where no store is, none is made.
	Existing bool
}

// Open opens the store in dir, or makes one there. It is Unavailable while
// another process has it, Unsupported if another version of this program
// made it, Corrupt if it is none or is another's, NotExist if there is none where
// one should be.
func Open(dir string, o Options) (*Store, error) { return open(dir, o, realDisk()) }

func open(dir string, o Options, d disk) (_ *Store, err error) {
	if err := prepare(dir, o.Existing); err != nil {
		return nil, err
	}
	h, err := openHome(dir)
	if err != nil {
		return nil, fmt.Errorf("local: %w: %w", kindOfRead(err), err)
	}
	s := &Store{
		home: h, disk: d, log: cmp.Or(o.Log, slog.Default()),
		segmentSize: max(cmp.Or(o.SegmentSize, segmentSize), minSegment),
		segs:        map[uint32]*segment{},
	}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if s.lock, err = h.lock(); err != nil {
		return nil, err
	}
	uuid, err := h.identity()
	if err != nil {
		return nil, err
	}
	if err := h.enter(); err != nil {
		return nil, fmt.Errorf("local: %w: %w", kindOfRead(err), err)
	}
	s.sums = newSums(uuid)
	s.direct = canDirect(h.segments)
	s.index = newIndex(s.account)
	if s.files, err = newFiles(h.segments); err != nil {
		return nil, err
	}
	s.keeper = newKeeper(s)
	if err := s.load(); err != nil {
		return nil, err
	}
	s.keeper.start()
	return s, nil
}

// release gives back what open took.
func (s *Store) release() {
	if s.keeper != nil {
		s.keeper.stop()
	}
	for _, l := range s.lanes {
		l.close()
	}
	if s.files != nil {
		s.files.close()
	}
	for _, seg := range s.segs {
		if seg.f != nil {
			seg.f.Close()
		}
	}
	if s.lock != nil {
		unlock(s.lock)
	}
	s.home.close()
}

// prepare makes the directory, unless a store must be there already.
func prepare(dir string, existing bool) error {
	if !existing {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("local: %w: %w", kindOfWrite(err), err)
		}
		return nil
	}
	_, err := os.Stat(filepath.Join(dir, identityFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kind.Errorf(kind.NotExist, "%s is no place of blocks, it has no file %q: is its disk mounted?", dir, identityFile)
	case err != nil:
		return fmt.Errorf("local: %w: %w", kindOfRead(err), err)
	}
	return nil
}
