package local

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	indexDir      = "index"
	checkpointExt = ".idx"
)

func checkpointName(num uint32) string { return fmt.Sprintf("%016x%s", num, checkpointExt) }

// checkpoint writes down the records of an unsealed segment.
func (s *Store) checkpoint(seg *segment) error {
	seg.mu.Lock()
	b := s.sums.encodeFooter(footer{seg: seg.num, end: seg.end, entries: seg.entries})
	seg.mu.Unlock()
	return writeFile(s.home.index, checkpointName(seg.num), b)
}

// readCheckpoint reads the checkpoint of a segment of size bytes. One that is
// absent or doesn't hold is none.
func (s *Store) readCheckpoint(num uint32, size int64) (footer, bool) {
	b, err := s.home.index.ReadFile(checkpointName(num))
	if err != nil {
		return footer{}, false
	}
	foot, ok := s.sums.parseFooter(b)
	return foot, ok && foot.seg == num && foot.end <= size
}

// dropCheckpoints removes what lies in the index directory and is not the
// checkpoint of an unsealed segment.
func (s *Store) dropCheckpoints() {
	names, err := readDir(s.home.index)
	for _, name := range names {
		digits, ok := strings.CutSuffix(name.Name(), checkpointExt)
		num, nerr := strconv.ParseUint(digits, 16, 32)
		if seg := s.segs[uint32(num)]; ok && nerr == nil && seg != nil && !seg.sealed.Load() {
			continue
		}
		err = errors.Join(err, s.home.index.Remove(name.Name()))
	}
	// None may come back after the number of its segment has: that of the newest
	// is used again if it was removed before a restart.
	if err = errors.Join(err, syncRoot(s.home.index)); err != nil {
		s.log.Warn("blocks: the directory of checkpoints", "error", err)
	}
}
