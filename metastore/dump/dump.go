// Package dump is the file format in which a metastore is kept as a backup and
// carried from one engine to another: every row of metastore.Exporter, in its
// order (formats 13).
//
// A file tells by itself what it is and whether it is whole: it begins with a
// line of text that names format and version, each record has a checksum, and the
// last one the number of records and the SHA-256 of all bytes before it. Reader
// gives the rows as they come; that a file is damaged or cut off shows at the
// latest where it should end. So nothing that was read may be believed before the
// last row has come without an error: Import, which is all or nothing, relies on it.
//
// What is in it is what the metastore holds: ciphertext, public names and numbers.
package dump

import (
	"fmt"
	"hash/crc32"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// magic begins every file; its end is the version. Line feed, 0x00 and 0xFF make
// transfers that translate text or strip bits show at once. A file of version 1 has
// no sealed rows.
const (
	magicName = "truckee metastore dump "
	magicEnd  = "\n\x00\xff"
	magic     = magicName + "2" + magicEnd
	magic1    = magicName + "1" + magicEnd
)

// maxBody bounds the body of one record. The largest are nodes and inline blocks.
const maxBody = 64 << 20

// recordHead is the length of a record's type and length.
const recordHead = 1 + 4

// The record types. A new one makes a new version of the format.
const (
	typeAbout = iota + 1
	typeMeta
	typeSlot
	typeLog
	typeNode
	typeDead
	typeBlock
	typeRoot
	typePin
	typeCharge
	typeRepair
	typeSealed
	typeEnd = 255
)

// About says where a file comes from.
type About struct {
	Created time.Time // to the nanosecond; UTC when read
	Program string    // for people: the name and version of who wrote it
}

// Summary counts what a whole file holds.
type Summary struct {
	Rows  uint64
	Bytes uint64 // of the whole file
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("dump: "+format+": %w", append(args, kind.Corrupt)...)
}
