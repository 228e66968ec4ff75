package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
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

const (
	segmentSize = 256 << 20
	laneCount   = 2
)

// Store is a blockstore.Store in a directory.
type Store struct {
	home        *home
	log         *slog.Logger
	segmentSize int64
	direct      bool // segments are written, and large blocks read, past the page cache
	disk        disk
	sums        sums
	lock        *os.File

	index  *index
	files  *files
	lanes  []*lane
	keeper *keeper
	tight  atomic.Bool // little space was left when last looked

	segMu   sync.RWMutex // guards the fields below
	segs    map[uint32]*segment
	lastNum uint32

	marking sync.Mutex // held while the marker is written

	life   sync.RWMutex // held for reading by every call
	closed bool         // guarded by life
}

var (
	_ blockstore.Store         = (*Store)(nil)
	_ blockstore.RangeInGetter = (*Store)(nil)
	_ blockstore.Marker        = (*Store)(nil)
)

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

// enter begins a call, which leave ends.
func (s *Store) enter(ctx context.Context, op string) error {
	s.life.RLock()
	err := ctx.Err()
	if s.closed {
		err = kind.Closed
	}
	if err != nil {
		s.life.RUnlock()
		return fmt.Errorf("local: %s: %w", op, err)
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Put implements blockstore.Store. Putting a block again doesn't look whether
// the copy on disk is intact: to replace a damaged one, delete it first.
func (s *Store) Put(ctx context.Context, id blockstore.ID, data []byte) error {
	if err := blockstore.CheckPut("local", id, data); err != nil {
		return err
	}
	if err := s.enter(ctx, "put"); err != nil {
		return err
	}
	defer s.leave()
	seq, needed := s.index.beginPut(id)
	if !needed {
		return nil
	}
	if _, err := s.append(ctx, entry{id: id, seq: seq, n: uint32(len(data))}, data); err != nil {
		return fmt.Errorf("local: put %v: %w", id, err)
	}
	return nil
}

// append adds a record to the lane that has least to do, or where that has no
// space to another.
func (s *Store) append(ctx context.Context, e entry, body []byte) (dead place, err error) {
	first := 0
	for i, l := range s.lanes {
		if l.pending.Load() < s.lanes[first].pending.Load() {
			first = i
		}
	}
	for i := range s.lanes {
		dead, err = s.lanes[(first+i)%len(s.lanes)].append(ctx, e, body)
		if !errors.Is(err, kind.NoSpace) {
			break
		}
		s.tight.Store(true)
	}
	return dead, err
}

// Delete implements blockstore.Store. It gives the pages of a large block back
// to the file system before it returns.
func (s *Store) Delete(ctx context.Context, id blockstore.ID) error {
	if err := s.enter(ctx, "delete"); err != nil {
		return err
	}
	defer s.leave()
	seq, needed := s.index.beginDelete(id)
	if !needed {
		return nil
	}
	dead, err := s.append(ctx, entry{id: id, seq: seq, n: tombstone}, nil)
	if err != nil {
		return fmt.Errorf("local: delete %v: %w", id, err)
	}
	s.punch(dead)
	return nil
}

// Stat implements blockstore.Store.
func (s *Store) Stat(ctx context.Context, id blockstore.ID) (blockstore.Info, error) {
	if err := s.enter(ctx, "stat"); err != nil {
		return blockstore.Info{}, err
	}
	defer s.leave()
	p, ok := s.index.get(id)
	if !ok {
		return blockstore.Info{}, fmt.Errorf("local: stat %v: %w", id, kind.NotExist)
	}
	return blockstore.Info{ID: id, Size: int64(p.n)}, nil
}

// List implements blockstore.Store.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		const page = 1000
		for full := true; full; {
			if err := s.enter(ctx, "list"); err != nil {
				yield(blockstore.Info{}, err)
				return
			}
			infos := s.index.page(after, page)
			s.leave()
			for _, info := range infos {
				if !yield(info, nil) {
					return
				}
				after = info.ID
			}
			full = len(infos) >= page
		}
	}
}

// Close implements blockstore.Store. It leaves checkpoints, so that the next
// Open reads no segment.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.keeper.stop()
	for _, l := range s.lanes {
		seg := l.close()
		if s.abandon(seg) {
			continue
		}
		if err := s.checkpoint(seg); err != nil {
			s.log.Warn("blocks: no checkpoint, the next start will scan", "segment", seg.num, "error", err)
		}
	}
	s.lanes = nil
	s.release()
	return nil
}

// account notes bytes that became live in a segment, or dead.
func (s *Store) account(num uint32, bytes int64) {
	seg := s.segment(num)
	if seg == nil {
		return // a tombstone that went with its segment
	}
	seg.live.Add(bytes)
	if bytes < 0 && seg.wasteful() {
		s.keeper.wake()
	}
}

func (s *Store) segment(num uint32) *segment {
	s.segMu.RLock()
	defer s.segMu.RUnlock()
	return s.segs[num]
}

// segments gives all segments, in no order.
func (s *Store) segments() []*segment {
	s.segMu.RLock()
	defer s.segMu.RUnlock()
	return slices.Collect(maps.Values(s.segs))
}

// keeps is nil if what was written to a segment is where the next process finds it.
func (s *Store) keeps(seg *segment) error {
	if err := s.home.inPlace(); err != nil {
		return err
	}
	return linked(seg.f)
}

// abandon removes a segment in which nothing is, if another directory lies over
// it: nobody would find the room again that it takes.
func (s *Store) abandon(seg *segment) bool {
	seg.mu.Lock()
	none := len(seg.entries) == 0
	seg.mu.Unlock()
	if !none || !s.Displaced() || s.removeSegment(seg) != nil {
		return false
	}
	seg.f.Close()
	return true
}

// newSegment makes the next segment.
func (s *Store) newSegment() (*segment, error) {
	if err := s.home.inPlace(); err != nil {
		return nil, err
	}
	s.segMu.Lock()
	s.lastNum++
	num := s.lastNum
	s.segMu.Unlock()
	seg, err := s.createSegment(num)
	if err != nil {
		return nil, err
	}
	s.segMu.Lock()
	defer s.segMu.Unlock()
	s.segs[num] = seg
	return seg, nil
}
