package filestore

import (
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
)

// frameSize is the unit in which drafts hold dirty bytes: a few frames of a chunk.
const frameSize = 4 * blockstore.FrameSize

// span is a run of bytes from off to end.
type span struct{ off, end int64 }

// spans are ascending runs that neither overlap nor touch.
type spans []span

// add unites s with the run from off to end, and tells how many bytes are new.
func (s spans) add(off, end int64) (spans, int64) {
	i, _ := slices.BinarySearchFunc(s, off, func(x span, off int64) int {
		if x.end < off {
			return -1
		}
		return 1
	})
	j, covered := i, int64(0)
	grown := span{off, end}
	for ; j < len(s) && s[j].off <= end; j++ {
		covered += min(s[j].end, end) - max(s[j].off, off)
		grown.off, grown.end = min(grown.off, s[j].off), max(grown.end, s[j].end)
	}
	return slices.Replace(s, i, j, grown), end - off - max(covered, 0)
}

// cut drops what lies at end and after, and tells how many bytes that were.
func (s spans) cut(end int64) (spans, int64) {
	lost := int64(0)
	for n := len(s); n > 0 && s[n-1].end > end; n = len(s) {
		if s[n-1].off >= end {
			lost += s[n-1].end - s[n-1].off
			s = s[:n-1]
			continue
		}
		lost += s[n-1].end - end
		s[n-1].end = end
	}
	return s, lost
}

// covers reports whether all bytes from off to end are in s.
func (s spans) covers(off, end int64) bool {
	for _, x := range s {
		if x.off <= off && end <= x.end {
			return true
		}
	}
	return off >= end
}

// maxSpans bounds the runs of one frame. Beyond it the gaps are filled from
// below, as if they had been written with what was there.
const maxSpans = 256

// frame is one frame of dirty bytes: those in its spans have been written.
type frame struct {
	buf     []byte // nil: spilled, or nothing written
	spilled bool
	at      extent // in the spool
	spans   spans
}
