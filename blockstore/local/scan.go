package local

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// scanWindow is how much of a segment a scan reads at a time, unless a record
// is larger.
const scanWindow = 1 << 20

// scan finds the intact records of segment num from offset from on, and tells
// where the last one ends. What isn't one is skipped in units: writes overlap
// in time, so that a torn record may lie before an acknowledged one, and
// whatever was in the preallocated space may lie between them.
func (s sums) scan(r io.ReaderAt, num uint32, from, size int64, found func(entry)) (end int64, err error) {
	w := window{r: r, size: size}
	end = from
	for off := from; off+recordHeader <= size; {
		if off = w.nextData(off); off+recordHeader > size {
			break
		}
		head, err := w.at(off, recordHeader)
		if err != nil {
			return end, err
		}
		e, ok := parseHeader(head, off)
		if !ok {
			off += unit * (1 + skipUnits(w.rest(off)))
			continue
		}
		if off+recordHeader+e.bodyLen() > size {
			off += unit
			continue
		}
		rec, err := w.at(off, recordHeader+e.bodyLen())
		if err != nil {
			return end, err
		}
		if !s.check(num, e, rec) {
			off += unit
			continue
		}
		found(e)
		off += e.size()
		end = off
	}
	return end, nil
}

// skipUnits tells how many units of b after the first begin with something
// else than a record.
func skipUnits(b []byte) int64 {
	n := int64(0)
	for i := unit; i+4 <= len(b); i += unit {
		if binary.BigEndian.Uint32(b[i:]) == recordMagic {
			break
		}
		n++
	}
	return n
}

// window reads a file in large steps.
type window struct {
	r     io.ReaderAt
	size  int64 // of the file
	buf   []byte
	start int64 // where buf[:n] begins in the file
	n     int64
}

// at gives n bytes from off, which lie within the file.
func (w *window) at(off, n int64) ([]byte, error) {
	if off < w.start || off+n > w.start+w.n {
		w.start = off
		if need := max(n, scanWindow); need > int64(len(w.buf)) {
			w.buf = make([]byte, need)
		}
		w.n = min(int64(len(w.buf)), w.size-off)
		if got, err := w.r.ReadAt(w.buf[:w.n], off); int64(got) < w.n {
			w.n = 0
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return w.buf[off-w.start:][:n], nil
}

// rest gives what is at hand from off on.
func (w *window) rest(off int64) []byte { return w.buf[off-w.start : w.n] }

// nextData gives the first offset at or after off that was ever written, as far
// as the file system tells: preallocated space isn't read.
func (w *window) nextData(off int64) int64 {
	f, ok := w.r.(*os.File)
	if !ok || off >= w.start && off+recordHeader <= w.start+w.n {
		return off
	}
	data, err := f.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, syscall.ENXIO):
		return w.size
	case err != nil:
		return off
	}
	return max(off, data&^(unit-1))
}
