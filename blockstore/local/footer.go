package local

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	footerMagic = "TkIDX1\x00\x00"
	entrySize   = 48
	trailerSize = 64
)

// footer lists records of a segment: of a sealed one all, in a checkpoint those
// before end.
type footer struct {
	seg     uint32
	end     int64 // where the records end, a multiple of page
	entries []entry
}

// encode gives the bytes of the footer.
func (s sums) encodeFooter(f footer) []byte {
	b := make([]byte, 0, len(f.entries)*entrySize+trailerSize)
	for _, e := range f.entries {
		b = append(b, e.id[:]...)
		b = binary.BigEndian.AppendUint64(b, e.seq)
		b = binary.BigEndian.AppendUint32(b, e.off)
		b = binary.BigEndian.AppendUint32(b, e.n)
	}
	b = append(b, footerMagic...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.seg))
	b = binary.BigEndian.AppendUint64(b, uint64(len(f.entries)))
	b = binary.BigEndian.AppendUint64(b, uint64(f.end))
	b = append(b, make([]byte, 28)...)
	return binary.BigEndian.AppendUint32(b, s.footer(b))
}

func (s sums) footer(b []byte) uint32 {
	return crc32.Update(crc32.Update(0, s.table, s.uuid[:]), s.table, b)
}

// trailer is what the last bytes of a footer say, before its CRC is checked.
type trailer struct {
	seg   uint32
	count int64
	end   int64
}

// parseTrailer reads the last trailerSize bytes of a file of size bytes.
func parseTrailer(b []byte, size int64) (trailer, bool) {
	if len(b) != trailerSize || string(b[:8]) != footerMagic || [28]byte(b[32:]) != [28]byte{} {
		return trailer{}, false
	}
	seg, count, end := binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])
	if seg > 1<<32-1 || count > uint64(size/entrySize) || end > maxSegment || end%page != 0 {
		return trailer{}, false
	}
	return trailer{uint32(seg), int64(count), int64(end)}, true
}

// parseFooter reads a footer, entries and trailer, given exactly.
func (s sums) parseFooter(b []byte) (footer, bool) {
	if len(b) < trailerSize {
		return footer{}, false
	}
	t, ok := parseTrailer(b[len(b)-trailerSize:], int64(len(b)))
	if !ok || t.count*entrySize+trailerSize != int64(len(b)) ||
		binary.BigEndian.Uint32(b[len(b)-4:]) != s.footer(b[:len(b)-4]) {
		return footer{}, false
	}
	f := footer{seg: t.seg, end: t.end, entries: make([]entry, t.count)}
	for i := range f.entries {
		e := &f.entries[i]
		copy(e.id[:], b)
		e.seq = binary.BigEndian.Uint64(b[32:])
		e.off = binary.BigEndian.Uint32(b[40:])
		e.n = binary.BigEndian.Uint32(b[44:])
		b = b[entrySize:]
		if e.seq > maxSeq || e.offset() < page || e.offset()+e.size() > f.end {
			return footer{}, false
		}
	}
	return f, true
}
