package sftpd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// The old scp protocol, as `scp -O`, PuTTY's pscp -scp and appliances speak it:
// the client starts `scp -t` here to send, `scp -f` to receive. Records are
// lines:
//
//	Tmtime usec atime usec   times of what follows
//	Cmode size name          a file; its bytes follow, then a status
//	Dmode 0 name             a directory begins
//	E                        it ends
//
// The receiver answers each record, and each file's bytes, by one byte: 0 is
// OK; 1 is an error, and its text up to the end of the line; 2 is one that ends
// the transfer. The behaviour is OpenSSH's scp.c's, with one difference: bytes
// that a sender calls wrong, and files that break off, leave nothing behind.

// maxSCPLine is the longest record, as OpenSSH's scp has it.
const maxSCPLine = 2048

// maxSCPDepth bounds directories within directories.
const maxSCPDepth = 256

// transfer is one scp command.
type transfer struct {
	*shell
	r         *bufio.Reader
	recursive bool
	preserve  bool
	wantDir   bool // the target must be a directory
	failed    bool // something did; the exit status tells
	buf       []byte
}

// errSCPEnd ends a transfer: the client is gone or doesn't speak the protocol.
var errSCPEnd = errors.New("scp: protocol error")

func (sh *shell) scp(args []string) uint32 {
	given, paths, ok := sh.options("scp", args, "tfrpdvq")
	to, from := strings.Contains(given, "t"), strings.Contains(given, "f")
	switch {
	case !ok:
		return exitRefused
	case to && !from && len(paths) > 1:
		sh.complain("scp: ambiguous target: a path with blanks stands in quotes of its own, as in \"host:'a file'\"")
		return exitRefused
	case to == from || len(paths) == 0:
		sh.complain("scp: only the server side runs here: scp -t TARGET or scp -f SOURCE...")
		return exitRefused
	}
	t := &transfer{
		shell: sh, r: bufio.NewReaderSize(onlyReader{sh.in}, maxSCPLine+1), buf: make([]byte, digestBuffer),
		recursive: strings.Contains(given, "r"), preserve: strings.Contains(given, "p"), wantDir: strings.Contains(given, "d"),
	}
	var err error
	if to {
		err = t.receive(paths[0])
	} else {
		err = t.send(paths)
	}
	if err != nil || t.failed {
		return exitRefused
	}
	return exitOK
}

// record is a line of the protocol.
type record struct {
	kind  byte // C, D, E or T; 1 and 2 for an error of the client
	mode  uint32
	size  int64
	name  string
	times filestore.Attr // of a T record
	text  string         // of an error
}

// readRecord reads the next record; io.EOF if the client ends properly.
func (t *transfer) readRecord() (record, error) {
	line, err := t.r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF) && len(line) == 0:
		return record{}, io.EOF
	case errors.Is(err, bufio.ErrBufferFull):
		return record{}, t.screwed("a line is too long")
	case err != nil:
		return record{}, fmt.Errorf("scp: %w", noEOF(err))
	}
	rec, err := parseRecord(string(line[:len(line)-1]))
	if err != nil {
		return record{}, t.screwed(err.Error())
	}
	return rec, nil
}

// screwed tells the client that it broke the protocol, which ends the transfer.
func (t *transfer) screwed(text string) error {
	t.fail("protocol error: %s", text)
	return errSCPEnd
}

// fail sends an error to the client; the transfer goes on.
func (t *transfer) fail(format string, args ...any) {
	t.failed = true
	_, _ = io.WriteString(t.out, "\x01scp: "+printable(fmt.Sprintf(format, args...))+"\n")
}

// ok answers a record.
func (t *transfer) ok() error {
	_, err := t.out.Write([]byte{0})
	return err
}

// response reads the client's answer and reports whether it is OK.
func (t *transfer) response() (bool, error) {
	c, err := t.r.ReadByte()
	if err != nil {
		return false, fmt.Errorf("scp: %w", noEOF(err))
	}
	if c == 0 {
		return true, nil
	}
	t.failed = true
	line, err := t.r.ReadSlice('\n') // its text is the client's own
	if err != nil || c != 1 {
		return false, fmt.Errorf("scp: %.64q: %w", line, errSCPEnd)
	}
	return false, nil
}

// parseRecord reads a line without its newline.
func parseRecord(line string) (record, error) {
	if line == "" {
		return record{}, errors.New("unexpected <newline>")
	}
	rec := record{kind: line[0]}
	switch rec.kind {
	case 1, 2:
		rec.text = line[1:]
		return rec, nil
	case 'E':
		if len(line) > 1 {
			return record{}, errors.New("bad end record")
		}
		return rec, nil
	case 'T':
		return rec, rec.parseTimes(line[1:])
	case 'C', 'D':
		return rec, rec.parseFile(line[1:])
	}
	return record{}, errors.New("expected control record")
}

// parseTimes reads "mtime usec atime usec".
func (r *record) parseTimes(s string) error {
	fields := strings.Split(s, " ")
	if len(fields) != 4 {
		return errors.New("bad times")
	}
	var times [4]int64
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 63)
		if err != nil || i%2 == 1 && v >= 1e6 || v > math.MaxInt64/1_000_000_000 {
			return errors.New("bad times")
		}
		times[i] = int64(v)
	}
	r.times = filestore.Attr{
		Set:   filestore.AttrMtime | filestore.AttrAtime,
		Mtime: time.Unix(times[0], times[1]*1000),
		Atime: time.Unix(times[2], times[3]*1000),
	}
	return nil
}

// parseFile reads "mode size name". The name is one component: a sender must not
// choose where else to write.
func (r *record) parseFile(s string) error {
	mode, rest, found := strings.Cut(s, " ")
	if !found {
		return errors.New("mode not delimited")
	}
	m, err := strconv.ParseUint(mode, 8, 32)
	if err != nil || len(mode) < 3 || mode[0] == '+' {
		return errors.New("bad mode")
	}
	size, name, found := strings.Cut(rest, " ")
	if !found {
		return errors.New("size not delimited")
	}
	n, err := strconv.ParseUint(size, 10, 63)
	if err != nil {
		return errors.New("size out of range")
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("unexpected filename: %.300s", name)
	}
	r.mode, r.size, r.name = uint32(m)&permBits, int64(n), name
	return nil
}
