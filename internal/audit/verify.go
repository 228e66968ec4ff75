package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Verifier checks the chain of one or more files, the oldest first.
type Verifier struct {
	Expect string // a line's SHA-256, as the log of a node told it: it must be there

	report Report
	prev   string // hash of the line before; empty: none was read
	last   *line  // the line before, if it was whole
	cut    bool   // the line before was no record
	found  bool
}

// Report is what a Verifier has seen.
type Report struct {
	Records     int64
	First, Last string // times
	Seq         uint64 // of the last line
	Hash        string // its SHA-256
	From        string // the hash that the first line continues; empty: it is the first of a chain
	Lost        int64  // places where a node says that records could not be kept
	Crashes     int64  // beginnings after no end
}

// errChain is what a broken chain is.
func errChain(name string, n int, format string, args ...any) error {
	return kind.Errorf(kind.Corrupt, "%s: line %d: %s", name, n, fmt.Sprintf(format, args...))
}

// File checks a whole file. Its error names the first line that is not what was
// written there.
func (v *Verifier) File(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		b, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", name, n, err)
		}
		if err := v.line(name, n, b); err != nil {
			return err
		}
	}
}

// readLine reads a line without its newline.
func readLine(in *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(all)+len(part) > maxLine {
			return nil, fmt.Errorf("more than %d bytes: %w", maxLine, kind.Corrupt)
		}
		all = append(all, part...)
		switch {
		case err == nil:
			return all[:len(all)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(all) > 0:
			return all, nil
		default:
			return nil, err
		}
	}
}

func (v *Verifier) line(name string, n int, b []byte) error {
	var l line
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	// Only what this package writes is whole: not what reads the same.
	if d.Decode(&l) != nil || l.Seq == 0 || !bytes.Equal(l.marshal(), b) {
		if v.cut || v.prev == "" && n > 1 {
			return errChain(name, n, "no record")
		}
		v.cut, v.last, v.prev = true, nil, hashOf(b)
		return nil
	}
	switch {
	case v.cut && l.Op != opBegin:
		return errChain(name, n-1, "no record")
	case v.prev == "" && l.Prev != noHash:
		v.report.From = l.Prev
	case v.prev != "" && l.Prev != v.prev:
		return errChain(name, n, "record %d doesn't follow the line before: something was changed, or taken out", l.Seq)
	case v.last != nil && l.Seq != v.last.Seq+1:
		return errChain(name, n, "record %d follows %d", l.Seq, v.last.Seq)
	}
	if l.Service == itself {
		switch {
		case l.Op == opLost:
			v.report.Lost++
		case l.Op == opBegin && v.prev != "" && (v.cut || v.last.Op != opEnd):
			v.report.Crashes++
		}
	}
	if v.report.First == "" {
		v.report.First = l.Time
	}
	v.prev, v.last, v.cut = hashOf(b), &l, false
	v.found = v.found || v.prev == v.Expect
	v.report.Records++
	v.report.Last, v.report.Seq, v.report.Hash = l.Time, l.Seq, v.prev
	return nil
}

// Report ends the check.
func (v *Verifier) Report() (Report, error) {
	switch {
	case v.Expect != "" && !v.found:
		return v.report, kind.Errorf(kind.Corrupt, "no line has the SHA-256 %.64s: what came after the last line was taken out, or a file is missing", v.Expect)
	case v.cut:
		return v.report, kind.Errorf(kind.Corrupt, "the last line is no whole record: a crash cut it, and the node has not been started since; or somebody did")
	}
	return v.report, nil
}
