package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
)

// Form is how a streamed body is framed.
type Form struct {
	// Chain confirms the signature that each chunk has. Nil: they have none.
	Chain *Chain
	// Trailers are the lower-case names of the trailers that follow the last chunk;
	// nil: there are none. With a Chain they are signed, too.
	Trailers []string
}

// The limits of what frames the data.
const (
	maxChunkLine = 256
	maxTrailers  = 16 << 10
	bufferSize   = 32 << 10
)

// Reader takes the data out of a body in chunks (Content-Encoding: aws-chunked):
//
//	hex-length [;chunk-signature=hex] CRLF data CRLF   … until a length of 0
//	name:value CRLF …                                  trailers, if any
//	[x-amz-trailer-signature:hex CRLF] CRLF
//
// What Read returns is confirmed only when it has returned io.EOF: before it gives
// the last bytes of a chunk it has seen its signature to be right, and before EOF
// that of the trailers, and that nothing follows.
type Reader struct {
	src     *bufio.Reader
	form    Form
	left    int64 // of the chunk's data
	sum     hash.Hash
	claimed []byte // signature of the chunk, as it came
	trailer map[string]string
	err     error
}

// NewReader reads the data of a body.
func NewReader(body io.Reader, f Form) *Reader {
	r := &Reader{src: bufio.NewReaderSize(body, bufferSize), form: f}
	if f.Chain != nil {
		r.sum = sha256.New()
	}
	return r
}

// Trailer is the value of a trailer by its lower-case name, when Read has returned
// io.EOF.
func (r *Reader) Trailer(name string) string { return r.trailer[name] }

// Read implements io.Reader. Errors about the framing are *Error.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.err != nil {
		return 0, r.err
	}
	for r.left == 0 {
		if r.err = r.nextChunk(); r.err != nil {
			return 0, r.err
		}
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	if err == nil && r.left == 0 {
		err = r.endChunk()
	}
	if err != nil {
		r.err = broken(err)
		return 0, r.err
	}
	return n, nil
}

// broken is a body that ends where something must follow.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return refuse(incompleteBody, "The request body terminated unexpectedly")
	}
	return err
}

// nextChunk reads the head of a chunk. The last one ends the data: what follows is
// read, too, and the answer is io.EOF.
func (r *Reader) nextChunk() error {
	line, err := r.line(maxChunkLine)
	if err != nil {
		return broken(err)
	}
	length, signature, _ := strings.Cut(line, ";")
	if r.left, err = parseLength(length); err != nil {
		return err
	}
	if r.form.Chain != nil {
		value, ok := strings.CutPrefix(signature, "chunk-signature=")
		if !ok || len(value) != hex.EncodedLen(sha256.Size) {
			return refuse(invalidRequest, "A chunk has no signature.")
		}
		r.claimed = []byte(strings.ToLower(value))
	}
	if r.left > 0 {
		return nil
	}
	if err := r.confirm(); err != nil {
		return err
	}
	return r.finish()
}

// parseLength is strict: hexadecimal digits alone.
func parseLength(s string) (int64, error) {
	var n int64
	if s == "" || len(s) > 15 {
		return 0, refuse(invalidRequest, "The length of a chunk is no hexadecimal number.")
	}
	for i := range len(s) {
		d := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if d < 0 || s[i] < '0' {
			return 0, refuse(invalidRequest, "The length of a chunk is no hexadecimal number.")
		}
		n = n<<4 | int64(d)
	}
	return n, nil
}

func (r *Reader) endChunk() error {
	if err := r.confirm(); err != nil {
		return err
	}
	line, err := r.line(2)
	if err == nil && line != "" {
		return refuse(incompleteBody, "A chunk is longer than its length says.")
	}
	return err
}

// confirm checks the signature of the chunk that has been read.
func (r *Reader) confirm() error {
	if r.form.Chain == nil {
		return nil
	}
	ok := r.form.Chain.next(chunkAlgorithm, hex.EncodeToString(r.sum.Sum(nil)), r.claimed)
	r.sum.Reset()
	if !ok {
		return refuse(doesNotMatch, signatureMismatchText)
	}
	return nil
}

// finish reads what follows the last chunk.
func (r *Reader) finish() error {
	var err error
	if r.form.Trailers == nil {
		err = r.blank()
	} else {
		err = r.trailers()
	}
	if err != nil {
		return err
	}
	switch _, err := r.src.ReadByte(); {
	case err == nil:
		return refuse(incompleteBody, "Something follows the end of the last chunk.")
	case !errors.Is(err, io.EOF):
		return err
	}
	return io.EOF
}

// blank reads the empty line after the last chunk, which some clients leave out.
func (r *Reader) blank() error {
	line, err := r.line(2)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil && line != "":
		return refuse(incompleteBody, "Something follows the end of the last chunk.")
	}
	return err
}

// trailers reads all trailers, which must be those that the request declared.
func (r *Reader) trailers() error {
	r.trailer = map[string]string{}
	var signed bytes.Buffer
	signature, size := "", 0
	for {
		line, err := r.line(maxTrailers)
		if errors.Is(err, io.EOF) {
			break // the last empty line is left out by some
		}
		if err != nil {
			return err
		}
		if size += len(line); size > maxTrailers {
			return malformed("there are too many trailers")
		}
		if line == "" {
			if r.form.Chain == nil || signature != "" {
				break
			}
			// AWS's own documents have an empty line before the signature.
			if next, err := r.src.Peek(1); err != nil || next[0] != 'x' {
				break
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		_, twice := r.trailer[name]
		switch {
		case !ok || name == "" || twice || signature != "":
			return malformed("a trailer is malformed")
		case name == "x-amz-trailer-signature" && r.form.Chain != nil:
			signature = strings.ToLower(value)
			continue
		case !slices.Contains(r.form.Trailers, name):
			return malformed("a trailer was not declared by x-amz-trailer")
		}
		r.trailer[name] = value
		fmt.Fprintf(&signed, "%s:%s\n", name, value)
	}
	for _, name := range r.form.Trailers {
		if _, ok := r.trailer[name]; !ok {
			return malformed("a declared trailer is missing")
		}
	}
	if r.form.Chain == nil {
		return nil
	}
	sum := sha256.Sum256(signed.Bytes())
	if !r.form.Chain.next(trailerAlgorithm, hex.EncodeToString(sum[:]), []byte(signature)) {
		return refuse(doesNotMatch, signatureMismatchText)
	}
	return nil
}

func malformed(reason string) error {
	return refuse(malformedTrailer, "The request contained trailing data that was not well-formed: %s.", reason)
}

// line reads a line without its end. At most so many bytes; io.EOF if the body
// ends before the line does, unless there is a whole line's text.
func (r *Reader) line(most int) (string, error) {
	var b []byte
	for {
		c, err := r.src.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && len(b) > 0 {
				return "", refuse(incompleteBody, "The request body terminated unexpectedly")
			}
			return "", err
		}
		if c == '\n' {
			return strings.TrimSuffix(string(b), "\r"), nil
		}
		if b = append(b, c); len(b) > most {
			return "", refuse(invalidRequest, "The frame of a chunk is malformed.")
		}
	}
}
