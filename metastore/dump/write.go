package dump

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Write writes a whole file. What went to w before an error is no whole file, and
// reads as none. Whether it is durable is the caller's concern.
//
// Errors: what rows and w give; Invalid for rows that metastore.CheckRows refuses.
func Write(w io.Writer, about About, rows iter.Seq2[metastore.Row, error]) (Summary, error) {
	d := &writer{w: bufio.NewWriterSize(w, 256<<10), hash: sha256.New()}
	if err := d.put([]byte(magic)); err != nil {
		return Summary{}, err
	}
	if err := d.record(typeAbout, appendAbout(nil, about)); err != nil {
		return Summary{}, err
	}
	var body []byte
	for row, err := range metastore.CheckRows(rows) {
		if err != nil {
			return Summary{}, err
		}
		kind, b := appendRow(body[:0], row)
		body = b
		if err := d.record(kind, body); err != nil {
			return Summary{}, err
		}
		d.rows++
	}
	return d.end()
}

// writer counts and hashes what it writes.
type writer struct {
	w     *bufio.Writer
	hash  hash.Hash
	rows  uint64
	bytes uint64
}

func (d *writer) put(b []byte) error {
	d.hash.Write(b)
	d.bytes += uint64(len(b))
	if _, err := d.w.Write(b); err != nil {
		return fmt.Errorf("dump: write: %w", err)
	}
	return nil
}

func (d *writer) record(kind byte, body []byte) error {
	if len(body) > maxBody {
		return tooLarge(len(body))
	}
	var head [recordHead]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, body)
	var tail [4]byte
	binary.BigEndian.PutUint32(tail[:], sum)
	for _, part := range [][]byte{head[:], body, tail[:]} {
		if err := d.put(part); err != nil {
			return err
		}
	}
	return nil
}

func tooLarge(n int) error {
	return fmt.Errorf("dump: a row of %d bytes: %w", n, kind.TooLarge)
}

func (d *writer) end() (Summary, error) {
	body := binary.BigEndian.AppendUint64(nil, d.rows)
	body = d.hash.Sum(body)
	if err := d.record(typeEnd, body); err != nil {
		return Summary{}, err
	}
	if err := d.w.Flush(); err != nil {
		return Summary{}, fmt.Errorf("dump: write: %w", err)
	}
	return Summary{Rows: d.rows, Bytes: d.bytes}, nil
}
