package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	segmentDir   = "segments"
	segmentExt   = ".seg"
	segmentMagic = "TkSEG1\x00\x00"
	maxSegment   = 1 << 38 // offsets are kept in units, in 32 bits
)

// segment is one file of records. Its numbers below are bytes of records, the
// header not counted.
type segment struct {
	num    uint32
	used   atomic.Int64 // of all records, dead ones too
	live   atomic.Int64 // of those that are needed
	holes  atomic.Int64 // of dead ones whose pages were given back
	sealed atomic.Bool
	stuck  atomic.Bool // holds damage that compaction must not touch

	// Of an unsealed segment only.
	f     *os.File // for writing
	limit int64    // blocks go below it; what is above is kept for tombstones

	mu      sync.Mutex // guards the fields below
	entries []entry    // the durable records of an unsealed segment
	end     int64      // where the next write goes
}

func (s *segment) add(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
	s.used.Add(e.size())
	s.end = max(s.end, roundUp(e.offset()+e.size(), page))
}

// waste is what compaction would give back, in bytes.
func (s *segment) waste() int64 { return s.used.Load() - s.live.Load() - s.holes.Load() }

// wasteful reports whether copying on what is live pays.
func (s *segment) wasteful() bool {
	used, live := s.used.Load(), s.live.Load()
	return !s.stuck.Load() && used > 0 && (live == 0 || live < used/16 || s.waste() > used/2)
}

func segmentName(num uint32) string { return fmt.Sprintf("%016x%s", num, segmentExt) }

// segmentNumber reads the name of a segment file.
func segmentNumber(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, segmentExt)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	num, err := strconv.ParseUint(digits, 16, 32)
	return uint32(num), err == nil
}

// segmentHeader lays out the first page of a segment.
func (s sums) segmentHeader(num uint32, created time.Time) []byte {
	b := make([]byte, page)
	copy(b, segmentMagic)
	binary.BigEndian.PutUint64(b[8:], uint64(num))
	binary.BigEndian.PutUint64(b[16:], uint64(created.UnixNano()))
	copy(b[24:], s.uuid[:])
	binary.BigEndian.PutUint32(b[page-4:], s.footer(b[:page-4]))
	return b
}

// checkSegmentHeader tells why b is not the header of segment num, or nil.
func (s sums) checkSegmentHeader(num uint32, b []byte) error {
	switch {
	case len(b) < page || string(b[:8]) != segmentMagic:
		return errors.New("no segment")
	case [16]byte(b[24:40]) != s.uuid:
		return errors.New("a segment of another store")
	case !s.headerHolds(b):
		return errors.New("its header is damaged")
	case binary.BigEndian.Uint64(b[8:]) != uint64(num):
		return fmt.Errorf("it is segment %d under another name", binary.BigEndian.Uint64(b[8:]))
	}
	return nil
}

// headerHolds checks the CRC of a segment's first page.
func (s sums) headerHolds(head []byte) bool {
	return binary.BigEndian.Uint32(head[page-4:]) == s.footer(head[:page-4])
}

// createSegment makes segment num, durably.
func (s *Store) createSegment(num uint32) (*segment, error) {
	f, err := s.openForWriting(num, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	seg, err := s.initSegment(f, num)
	if err != nil {
		f.Close()
		_ = s.home.segments.Remove(segmentName(num))
		return nil, err
	}
	return seg, nil
}

func (s *Store) initSegment(f *os.File, num uint32) (*segment, error) {
	size, err := s.preallocate(f)
	if err != nil {
		return nil, err
	}
	header := alignedBuffer(page)
	copy(header, s.sums.segmentHeader(num, time.Now()))
	if err := s.disk.write(f, header, 0); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := s.disk.syncDir(s.home.segments); err != nil {
		return nil, err
	}
	return &segment{num: num, f: f, end: page, limit: limit(size)}, nil
}

const (
	minSegment       = 8 << 20 // of those asked for
	smallestSegment  = 5 << 20 // where the disk has no more: a block of the largest size, and the reserve
	tombstoneReserve = 4 << 20
)

// limit is where blocks end in a segment of size preallocated bytes. What is
// behind it, an eighth or tombstoneReserve, is kept for tombstones: a full disk
// can be deleted from.
func limit(size int64) int64 {
	return max(size-min(size/8, tombstoneReserve), page+batchSize)
}

// preallocate gives f as much room as a segment should have, or less where the
// disk is short of it, and tells how much. Where there isn't room for one large
// block that is ENOSPC; a file system that can't preallocate is no error.
func (s *Store) preallocate(f *os.File) (int64, error) {
	size := s.segmentSize
	if free, ok := s.freeSpace(); ok {
		for size > minSegment && size > free/8 {
			size /= 2
		}
	}
	for {
		err := s.disk.allocate(f, size)
		switch {
		case err == nil:
			return size, nil
		case !errors.Is(err, unix.ENOSPC):
			return size, nil // the file grows as it is written
		case size <= smallestSegment:
			return 0, err
		}
		size = max(size/2, smallestSegment)
	}
}

// freeSpace tells how many bytes the disk has left for this process, and keeps
// in mind whether that is little.
func (s *Store) freeSpace() (int64, bool) {
	var fs unix.Statfs_t
	dir, err := s.home.segments.Open(".")
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	if err := unix.Fstatfs(int(dir.Fd()), &fs); err != nil {
		return 0, false
	}
	free := int64(fs.Bavail) * fs.Bsize
	s.tight.Store(free < 2*s.segmentSize)
	return free, true
}
