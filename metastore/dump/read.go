package dump

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"strings"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// Reader reads one file, once.
type Reader struct {
	About About

	r     *bufio.Reader
	hash  hash.Hash
	rows  uint64
	body  bytes.Buffer // of the newest record
	first bool         // it is of version 1
	sum   []byte       // over all before the last record
}

// NewReader reads the beginning of a file.
//
// Errors: Invalid if it is no dump, Unsupported if a newer program made it,
// Corrupt if it is damaged or ends too early, and what r gives.
func NewReader(r io.Reader) (*Reader, error) {
	d := &Reader{r: bufio.NewReaderSize(r, 256<<10), hash: sha256.New()}
	if err := d.magic(); err != nil {
		return nil, err
	}
	kind, body, err := d.record()
	if err != nil {
		return nil, err
	}
	if kind != typeAbout {
		return nil, corrupt("the first record is of type %d", kind)
	}
	d.About, err = parseAbout(body)
	return d, err
}

func (d *Reader) magic() error {
	b, err := d.r.Peek(len(magic))
	if string(b) == magic || string(b) == magic1 {
		d.first = string(b) == magic1
		d.hash.Write(b)
		_, _ = d.r.Discard(len(b)) // it was peeked at
		return nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("dump: read: %w", err)
	}
	rest, named := strings.CutPrefix(string(b), magicName)
	version, _, line := strings.Cut(rest, "\n")
	switch {
	case named && line && version != "1" && version != "2":
		return fmt.Errorf("dump: it is of version %q, this program reads versions 1 and 2: use a newer program: %w", version, kind.Unsupported)
	case named, len(b) < len(magic) && strings.HasPrefix(magic, string(b)):
		return corrupt("its beginning is damaged or cut off")
	}
	return fmt.Errorf("dump: the file is no dump of a metastore: %w", kind.Invalid)
}

// Rows yields the rows. Only when it ends without an error is the file whole, and
// is what was yielded to be believed. Rows are yielded as they were written; that
// they make a metastore is for metastore.CheckRows and the importer to see.
//
// Errors: Corrupt if the file is damaged or ends too early, and what the reader
// below gives.
func (d *Reader) Rows() iter.Seq2[metastore.Row, error] {
	return func(yield func(metastore.Row, error) bool) {
		for {
			row, err := d.next()
			if row == nil && err == nil || !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// next gives the next row, nil at the end of a whole file.
func (d *Reader) next() (metastore.Row, error) {
	kind, body, err := d.record()
	if err != nil {
		return nil, err
	}
	if kind == typeEnd {
		return nil, d.end(body)
	}
	if d.first && kind >= typeSealed {
		return nil, corrupt("a record is of type %d", kind)
	}
	d.rows++
	return parseRow(kind, body)
}

// record reads one record; its body is lent until the next.
func (d *Reader) record() (kind byte, body []byte, err error) {
	var head [recordHead]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		return 0, nil, d.readError(err)
	}
	if head[0] == typeEnd {
		d.sum = d.hash.Sum(nil)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxBody {
		return 0, nil, corrupt("record %d claims %d bytes", d.rows+1, n)
	}
	// The buffer grows with what is there, not with what is claimed.
	d.body.Reset()
	if _, err := io.CopyN(&d.body, d.r, int64(n)); err != nil {
		return 0, nil, d.readError(err)
	}
	var tail [4]byte
	d.hash.Write(head[:])
	d.hash.Write(d.body.Bytes())
	if _, err := io.ReadFull(d.r, tail[:]); err != nil {
		return 0, nil, d.readError(err)
	}
	d.hash.Write(tail[:])
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, d.body.Bytes())
	if sum != binary.BigEndian.Uint32(tail[:]) {
		return 0, nil, corrupt("record %d is damaged", d.rows+1)
	}
	return head[0], d.body.Bytes(), nil
}

func (d *Reader) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt("it is cut off after %d rows", d.rows)
	}
	return fmt.Errorf("dump: read: %w", err)
}

// end checks the last record, and that it is the last.
func (d *Reader) end(body []byte) error {
	switch {
	case len(body) != 8+sha256.Size:
		return corrupt("its last record has %d bytes", len(body))
	case binary.BigEndian.Uint64(body) != d.rows:
		return corrupt("it has %d rows, %d were written", d.rows, binary.BigEndian.Uint64(body))
	case !bytes.Equal(body[8:], d.sum):
		return corrupt("its checksum is wrong")
	}
	switch _, err := d.r.ReadByte(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("dump: read: %w", err)
	}
	return corrupt("something follows its end")
}
