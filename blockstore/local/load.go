package local

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/truckee-fs/truckee/internal/kind"
)

// load builds the index from the segments' footers, scans those that have none,
// and starts the lanes.
func (s *Store) load() error {
	names, err := readDir(s.home.segments)
	if err != nil {
		return fmt.Errorf("local: %w: %w", kindOfRead(err), err)
	}
	var unsealed []*segment
	for _, name := range names {
		num, ok := segmentNumber(name.Name())
		if !ok {
			s.log.Warn("blocks: not a segment, left alone", "file", filepath.Join(s.home.path, segmentDir, name.Name()))
			continue
		}
		s.lastNum = max(s.lastNum, num)
		seg, err := s.loadSegment(num)
		if err != nil {
			return fmt.Errorf("local: segment %s: %w", name.Name(), err)
		}
		if seg != nil && !seg.sealed.Load() {
			unsealed = append(unsealed, seg)
		}
	}
	s.index.dropVoidTombstones()
	s.freeSpace()
	s.dropCheckpoints()
	return s.startLanes(unsealed)
}

// startLanes gives each lane the unsealed segment with most room, or a new one,
// and has the others sealed. A disk without room for a segment of its own for
// each lane has fewer.
func (s *Store) startLanes(unsealed []*segment) error {
	room := func(seg *segment) int64 { return seg.limit - seg.end }
	slices.SortFunc(unsealed, func(a, b *segment) int { return cmp.Compare(room(b), room(a)) })
	for len(s.lanes) < laneCount {
		var seg *segment
		if len(unsealed) > 0 {
			seg, unsealed = unsealed[0], unsealed[1:]
		} else if fresh, err := s.newSegment(); err == nil {
			seg = fresh
		} else if len(s.lanes) > 0 {
			break
		} else {
			return fmt.Errorf("local: no segment to write to: %w: %w", kindOfWrite(err), err)
		}
		l, err := newLane(s, seg)
		if err != nil {
			return err
		}
		s.lanes = append(s.lanes, l)
	}
	for _, seg := range unsealed {
		s.keeper.seal(seg)
	}
	return nil
}

// loadSegment applies what one segment holds; nil if it is the rest of one that
// was never finished.
func (s *Store) loadSegment(num uint32) (*segment, error) {
	f, err := s.home.segments.Open(segmentName(num))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kindOfRead(err), err)
	}
	defer f.Close()
	// Reading ahead would put preallocated space into the page cache, where it
	// looks like data to the scan.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)
	size, unfinished, err := s.examine(f, num)
	if err != nil {
		return nil, err
	}
	if unfinished {
		return nil, s.home.segments.Remove(segmentName(num))
	}
	seg := &segment{num: num}
	s.segs[num] = seg
	foot, ok, err := s.readFooter(f, num, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kindOfRead(err), err)
	}
	if !ok {
		return seg, s.recoverSegment(seg, f, size)
	}
	seg.sealed.Store(true)
	for _, e := range foot.entries {
		seg.used.Add(e.size())
		s.applyLoaded(num, e)
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) == nil {
		seg.holes.Store(max(0, roundUp(size, page)-st.Blocks*512))
	}
	return seg, nil
}

func (s *Store) applyLoaded(num uint32, e entry) {
	s.index.apply(num, e)
	if s.index.seq.Load() < e.seq {
		s.index.seq.Store(e.seq)
	}
}

// examine checks the first page of a segment. One without a header was being
// made when the machine stopped: nothing was ever put there. A damaged header
// is no reason to give up its records, which are bound to store and segment.
func (s *Store) examine(f *os.File, num uint32) (size int64, unfinished bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("%w: %w", kindOfRead(err), err)
	}
	head := make([]byte, page)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0, false, fmt.Errorf("%w: %w", kindOfRead(err), err)
	}
	if strings.Trim(string(head[:n]), "\x00") == "" {
		// Unless the disk has lost a page, nothing follows.
		w := window{r: f, size: info.Size()}
		if w.nextData(page) >= w.size {
			return 0, true, nil
		}
	}
	if err := s.sums.checkSegmentHeader(num, head[:n]); err != nil {
		if foreign(head[:n], s.sums) {
			return 0, false, fmt.Errorf("%w: %w", kind.Corrupt, err)
		}
		s.log.Error("blocks: damaged segment, its records are used as far as they hold", "segment", f.Name(), "error", err)
	}
	return info.Size(), false, nil
}

// foreign reports whether an intact header says that the segment is of another
// store.
func foreign(head []byte, own sums) bool {
	if len(head) < page {
		return false
	}
	other := own
	copy(other.uuid[:], head[24:])
	return other.uuid != own.uuid && other.headerHolds(head)
}

// readFooter reads the footer at the end of a sealed segment, or a checkpoint.
func (s *Store) readFooter(f *os.File, num uint32, size int64) (footer, bool, error) {
	if size < trailerSize {
		return footer{}, false, nil
	}
	last := make([]byte, trailerSize)
	if _, err := f.ReadAt(last, size-trailerSize); err != nil {
		return footer{}, false, err
	}
	t, ok := parseTrailer(last, size)
	if !ok || t.seg != num || t.count*entrySize+trailerSize > size {
		return footer{}, false, nil
	}
	b := make([]byte, t.count*entrySize+trailerSize)
	if _, err := f.ReadAt(b, size-int64(len(b))); err != nil {
		return footer{}, false, err
	}
	foot, ok := s.sums.parseFooter(b)
	return foot, ok, nil
}

// recoverSegment finds the records of an unsealed segment, from its checkpoint
// on, makes durable what it found, and readies it for more.
func (s *Store) recoverSegment(seg *segment, r *os.File, size int64) error {
	seg.end = page
	found := func(e entry) {
		seg.add(e)
		s.applyLoaded(seg.num, e)
	}
	if foot, ok := s.readCheckpoint(seg.num, size); ok {
		for _, e := range foot.entries {
			found(e)
		}
		seg.end = foot.end
	}
	if _, err := s.sums.scan(r, seg.num, seg.end, size, found); err != nil {
		return fmt.Errorf("scan: %w: %w", kindOfRead(err), err)
	}
	f, err := s.openForWriting(seg.num, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", kindOfWrite(err), err)
	}
	seg.f, seg.limit = f, limit(size)
	if err := s.disk.sync(f); err != nil {
		return fmt.Errorf("%w: %w", kindOfWrite(err), err)
	}
	return nil
}
