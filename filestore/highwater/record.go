package highwater

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/truckee-fs/truckee/filestore"
)

// The log's layout (docs/formats.md 5): a header of 16 bytes, then records of 84:
//
//	0   1   op: 1 raise, 2 lower, 3 next epoch    1  3  zero
//	4   32  slot id
//	36  4   epoch      40  8  version (0 for op 3)
//	48  32  hash of the record (zero for op 3)
//	80  4   CRC32C of the 80 bytes before
const (
	header     = "TkHW1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	headerSize = len(header)
	recordSize = 84
)

const (
	opRaise = 1
	opLower = 2
	opEpoch = 3
)

type record struct {
	op   byte
	mark filestore.Mark
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r record) appendTo(b []byte) []byte {
	start := len(b)
	b = append(b, r.op, 0, 0, 0)
	b = append(b, r.mark.Slot[:]...)
	b = binary.BigEndian.AppendUint32(b, r.mark.Epoch)
	b = binary.BigEndian.AppendUint64(b, r.mark.Version)
	b = append(b, r.mark.Hash[:]...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseRecord reads the recordSize bytes of b; false if they are damaged.
func parseRecord(b []byte) (record, bool) {
	if binary.BigEndian.Uint32(b[80:]) != crc32.Checksum(b[:80], castagnoli) {
		return record{}, false
	}
	r := record{op: b[0]}
	copy(r.mark.Slot[:], b[4:36])
	r.mark.Epoch = binary.BigEndian.Uint32(b[36:])
	r.mark.Version = binary.BigEndian.Uint64(b[40:])
	copy(r.mark.Hash[:], b[48:80])
	return r, r.op >= opRaise && r.op <= opEpoch
}
