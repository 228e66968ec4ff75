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

// pageSize is the unit of memory for what is written here and there.
const (
	pageSize   = 4 << 10
	framePages = frameSize / pageSize
)

// frame is one frame of dirty bytes: those in its spans have been written. What
// comes in sequence lies in one piece, what is written here and there in pages,
// so that a few bytes don't take the memory of a whole frame.
type frame struct {
	buf     []byte              // the frame's first bytes
	pages   *[framePages][]byte // instead of buf; nil where nothing was written
	spilled bool                // neither: the spans' bytes lie in the spool, end to end
	at      extent              // there
	spans   spans
}

// bytes is the memory that fr takes.
func (fr *frame) bytes() int {
	n := len(fr.buf)
	if fr.pages != nil {
		for _, p := range fr.pages {
			n += len(p)
		}
	}
	return n
}

// end is where the last of the spans ends.
func (fr *frame) end() int64 {
	if len(fr.spans) == 0 {
		return 0
	}
	return fr.spans[len(fr.spans)-1].end
}

// has reports whether fr has memory for the bytes from off to end.
func (fr *frame) has(off, end int64) bool {
	if fr.pages == nil {
		return end <= int64(len(fr.buf))
	}
	for i := off / pageSize; i*pageSize < end; i++ {
		if fr.pages[i] == nil {
			return false
		}
	}
	return true
}

// each gives the memory of the bytes from off to end, piece by piece.
func (fr *frame) each(off, end int64, f func(off int64, b []byte)) {
	if fr.pages == nil {
		f(off, fr.buf[off:end])
		return
	}
	for off < end {
		i, in := off/pageSize, off%pageSize
		b := fr.pages[i][in:min(pageSize, in+end-off)]
		f(off, b)
		off += int64(len(b))
	}
}

// put copies p, for which there is memory, to byte off.
func (fr *frame) put(p []byte, off int64) {
	fr.each(off, off+int64(len(p)), func(_ int64, b []byte) { p = p[copy(b, p):] })
}

// pagesFor is the set of the pages that the spans lie in, and the bytes from off
// to end.
func (fr *frame) pagesFor(off, end int64) uint16 {
	set := pagesOf(off, end)
	for _, s := range fr.spans {
		set |= pagesOf(s.off, s.end)
	}
	return set
}

// pagesOf is the set of the pages that the bytes from off to end lie in.
func pagesOf(off, end int64) uint16 {
	if off >= end {
		return 0
	}
	first, last := off/pageSize, (end-1)/pageSize
	return uint16(1<<(last+1) - 1<<first)
}
