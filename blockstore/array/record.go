package array

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Level is the layout of an array, as its members' records tell it.
type Level byte

// String gives the name that the configuration uses.
func (l Level) String() string { return "raid" + strconv.Itoa(int(l)) }

// ID names an array: random, drawn when it was made.
type ID [16]byte

// String gives the id in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MaxMembers is how many members an array may have.
const MaxMembers = 64

// The states in a record.
const (
	recordWhole      = 0
	recordRebuilding = 1 // wants to be filled
	recordMoved      = 2 // raid0: members were added, blocks may lie where they lay before
)

// record is what an array keeps in the marker of each member (formats.md 15):
//
//	0  4 magic "TkM1"   4 1 level   5 1 number of members   6 1 index of this one
//	7  1 state: 0 whole, 1 rebuilding, 2 moved
//	8 16 array id   24 8 generation of the marker
//	32 32 SHA-256 of bytes 0 to 31 and the marker
//	64 .. the marker that was set on the array, none if empty
type record struct {
	level   Level
	members byte
	index   byte
	state   byte
	array   ID
	gen     uint64
	marker  []byte
}

const (
	recordMagic = "TkM1"
	recordSize  = 64
)

func (r *record) encode() []byte {
	b := make([]byte, 0, recordSize+len(r.marker))
	b = append(b, recordMagic...)
	b = append(b, byte(r.level), r.members, r.index, r.state)
	b = append(b, r.array[:]...)
	b = binary.BigEndian.AppendUint64(b, r.gen)
	sum := recordSum(b, r.marker)
	b = append(b, sum[:]...)
	return append(b, r.marker...)
}

func recordSum(head, marker []byte) (sum [32]byte) {
	h := sha256.New()
	h.Write(head)
	h.Write(marker)
	h.Sum(sum[:0])
	return sum
}

// parseRecord reads what a member has as its marker. What isn't a record is
// Conflict: the store belongs to something else. A damaged record is Corrupt.
func parseRecord(b []byte) (*record, error) {
	if !bytes.HasPrefix(b, []byte(recordMagic)) {
		return nil, kind.Errorf(kind.Conflict, "its marker is no record of an array: it belongs to something else")
	}
	if len(b) < recordSize || recordSum(b[:32], b[recordSize:]) != [32]byte(b[32:64]) {
		return nil, fmt.Errorf("its record of the array: %w", kind.Corrupt)
	}
	r := &record{
		level: Level(b[4]), members: b[5], index: b[6], state: b[7],
		array: ID(b[8:24]), gen: binary.BigEndian.Uint64(b[24:]), marker: bytes.Clone(b[recordSize:]),
	}
	known := r.level == 0 || r.level == 1 || r.level == 5
	if !known || r.members > MaxMembers || r.index >= r.members || r.state > recordMoved || (r.state == recordMoved) && r.level != 0 {
		return nil, kind.Errorf(kind.Unsupported, "its record says %v, member %d of %d, state %d, which this program doesn't know", r.level, r.index, r.members, r.state)
	}
	return r, nil
}

// newer reports whether the marker in r replaces the one in o. Of two that were
// set at the same time, by gateways that saw different members, one wins
// everywhere.
func (r *record) newer(gen uint64, marker []byte) bool {
	return r.gen > gen || r.gen == gen && bytes.Compare(r.marker, marker) > 0
}
