package local

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/truckee-fs/truckee/blockstore"
)

const (
	unit         = 64        // records begin on multiples of it
	page         = 4096      // writes begin on multiples of it, and are whole ones
	recordHeader = 64        // bytes before the body
	tombstone    = 1<<32 - 1 // length of a record that deletes
	recordMagic  = 'T'<<24 | 'k'<<16 | 'R'<<8 | 'c'
	maxRecord    = recordHeader + blockstore.MaxBlock
)

// entry is what footers and scans know of a record.
type entry struct {
	id  blockstore.ID
	seq uint64
	off uint32 // in units, from the start of the segment
	n   uint32 // length of the body, or tombstone
}

// offset is where the record begins in its segment, in bytes.
func (e entry) offset() int64 { return int64(e.off) * unit }

// size is what the record takes up in its segment.
func (e entry) size() int64 { return recordSize(e.n) }

func recordSize(n uint32) int64 {
	if n == tombstone {
		return recordHeader
	}
	return recordHeader + roundUp(int64(n), unit)
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// sums computes the CRCs of one store, which bind a record to its place, so
// that nothing left over from another segment, or written into a block by its
// owner, is ever taken for a record.
type sums struct {
	uuid  [16]byte
	table *crc32.Table
}

func newSums(uuid [16]byte) sums {
	return sums{uuid: uuid, table: crc32.MakeTable(crc32.Castagnoli)}
}

// record is the CRC of the record of segment seg at offset off, given whole.
func (s sums) record(seg uint32, off int64, rec []byte) uint32 {
	return crc32.Update(s.begin(seg, off, rec), s.table, rec[recordHeader:])
}

// begin is the CRC of all that comes before the body, of which the header is given.
func (s sums) begin(seg uint32, off int64, header []byte) uint32 {
	var seed [32]byte
	copy(seed[:], s.uuid[:])
	binary.BigEndian.PutUint64(seed[16:], uint64(seg))
	binary.BigEndian.PutUint64(seed[24:], uint64(off))
	sum := crc32.Update(0, s.table, seed[:])
	return crc32.Update(sum, s.table, header[:48])
}

// copySum copies body to dst and continues sum over it, in steps that stay in the
// processor's innermost cache: one after the other takes up to twice as long.
func (s sums) copySum(dst, body []byte, sum uint32) uint32 {
	const step = 16 << 10
	for len(body) > 0 {
		n := copy(dst, body[:min(step, len(body))])
		sum = crc32.Update(sum, s.table, dst[:n])
		dst, body = dst[n:], body[n:]
	}
	return sum
}

// encode lays out the record of e, in segment seg, at the start of buf, and
// zeroes what is left to the next unit.
func (s sums) encode(buf []byte, seg uint32, e entry, body []byte) {
	binary.BigEndian.PutUint32(buf, recordMagic)
	binary.BigEndian.PutUint32(buf[4:], e.n)
	copy(buf[8:], e.id[:])
	binary.BigEndian.PutUint64(buf[40:], e.seq)
	clear(buf[52:recordHeader])
	sum := s.copySum(buf[recordHeader:], body, s.begin(seg, e.offset(), buf))
	binary.BigEndian.PutUint32(buf[48:], sum)
	clear(buf[recordHeader+len(body) : e.size()])
}

// parseHeader reads the header of a record that begins at off. It says only
// that it looks like one: check tells.
func parseHeader(b []byte, off int64) (entry, bool) {
	if len(b) < recordHeader || binary.BigEndian.Uint32(b) != recordMagic {
		return entry{}, false
	}
	e := entry{n: binary.BigEndian.Uint32(b[4:]), seq: binary.BigEndian.Uint64(b[40:]), off: uint32(off / unit)}
	copy(e.id[:], b[8:])
	if e.n > blockstore.MaxBlock && e.n != tombstone || e.seq > maxSeq || [12]byte(b[52:]) != [12]byte{} {
		return entry{}, false
	}
	return e, true
}

// bodyLen is the length of the body: none for a tombstone.
func (e entry) bodyLen() int64 {
	if e.n == tombstone {
		return 0
	}
	return int64(e.n)
}

// check reports whether rec, header and body, is the intact record e of
// segment seg.
func (s sums) check(seg uint32, e entry, rec []byte) bool {
	return binary.BigEndian.Uint32(rec[48:]) == s.record(seg, e.offset(), rec[:recordHeader+e.bodyLen()])
}
