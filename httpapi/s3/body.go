package s3

import (
	"bytes"
	"context"
	"crypto/md5" // what S3's ETags and Content-MD5 are
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
	"github.com/truckee-fs/truckee/internal/audit"
)

// errBroken is a body that ended before its end: the client went away.
var errBroken = errors.New("the request broke off")

// counted is a body that knows how much of it has come.
type counted struct {
	io.ReadCloser
	n     int64
	ended bool
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	c.ended = c.ended || err != nil
	return n, err
}

// bodyTimeout is how long a client may send nothing of a body.
const bodyTimeout = 2 * time.Minute

// patient is a body that is waited for so long and no longer. The deadline is
// renewed now and then, not at every read.
type patient struct {
	c       *call
	renewed time.Time

	waited time.Duration // for got, since that was last judged
	got    int64
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	began := time.Now()
	if began.Sub(p.renewed) > bodyTimeout/4 {
		p.renewed = began
		// Not every ResponseWriter can; then there is no deadline.
		_ = http.NewResponseController(p.c.w).SetReadDeadline(began.Add(bodyTimeout))
	}
	n, err := p.c.bytes.Read(b)
	// What is done here with what came is not the client's time.
	p.waited, p.got = p.waited+time.Since(began), p.got+int64(n)
	if p.waited < bodyTimeout {
		return n, err
	}
	if err == nil && p.got < p.c.server.MinRate*int64(p.waited/time.Second) {
		return n, os.ErrDeadlineExceeded
	}
	p.waited, p.got = 0, 0
	return n, err
}

func (p *patient) done() {
	if !p.renewed.IsZero() {
		_ = http.NewResponseController(p.c.w).SetReadDeadline(time.Time{})
	}
}

// received is what came, when it kept all promises.
type received struct {
	size      int64
	md5       [md5.Size]byte
	algorithm checksum.Algorithm // of sum; empty: none
	sum       []byte
	own       []byte // CRC64NVME that nobody asked for; nil: none
}

// receive reads the body and gives its data to sink, in order and from one
// goroutine. When it returns without an error the body was what the request said;
// until then nothing that was given to sink may be seen by anybody. The slices
// that sink is given are not its to change.
func (c *call) receive(ctx context.Context, p *promises, sink func([]byte) error) (received, error) {
	waiting := &patient{c: c}
	defer waiting.done()
	var src io.Reader = waiting
	var framed *sigv4.Reader
	if p.form.framed {
		framed = sigv4.NewReader(src, sigv4.Form{Chain: p.form.chain, Trailers: p.trailers})
		src = framed
	}
	in := &intake{lanes: c.server.lanes, src: src, most: p.size, sink: sink}
	if p.form.sha256 != nil {
		in.sha = sha256.New()
	}
	// Two of the algorithms may be computed anyway.
	if p.algorithm != "" && p.algorithm != checksum.MD5 && !(p.algorithm == checksum.SHA256 && in.sha != nil) {
		in.beside = p.algorithm.New()
	}
	if p.part && p.algorithm != checksum.CRC64NVME {
		in.own = checksum.CRC64NVME.New()
	}
	if err := in.run(ctx); err != nil {
		return received{}, c.bodyError(err)
	}
	got := received{size: in.size, algorithm: p.algorithm}
	copy(got.md5[:], in.md5)
	err := p.kept(in, framed, &got)
	if err == nil && audit.Digests(c.server.Audit) {
		switch {
		case in.sha != nil:
			c.record.Digest = audit.Digest(p.form.sha256)
		case got.algorithm == checksum.SHA256:
			c.record.Digest = audit.Digest(got.sum)
		}
	}
	return got, err
}

// bodyError tells a body that broke off from other errors.
func (c *call) bodyError(err error) error {
	var framing *sigv4.Error
	switch {
	case errors.As(err, &framing):
		return fail(code(framing.Code), "%s", framing.Message)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fail(IncompleteBody, "").because(errBroken)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(RequestTimeout, "").because(errBroken)
	case errors.Is(err, errReading):
		return fail(IncompleteBody, "").because(errors.Join(errBroken, err))
	}
	return err
}

// kept compares what came with what was promised.
func (p *promises) kept(in *intake, framed *sigv4.Reader, got *received) error {
	if p.size >= 0 && in.size != p.size {
		return fail(IncompleteBody, "")
	}
	var sha []byte
	if in.sha != nil {
		if sha = in.sha.Sum(nil); !bytes.Equal(sha, p.form.sha256) {
			return fail(XAmzContentSHA256Mismatch, "").
				with("ClientComputedContentSHA256", hex.EncodeToString(p.form.sha256)).with("S3ComputedContentSHA256", hex.EncodeToString(sha))
		}
	}
	if p.md5 != nil && !bytes.Equal(in.md5, p.md5) {
		return fail(BadDigest, "The Content-MD5 you specified did not match what we received.").
			with("ExpectedDigest", base64.StdEncoding.EncodeToString(p.md5)).with("CalculatedDigest", base64.StdEncoding.EncodeToString(in.md5))
	}
	if in.own != nil {
		got.own = in.own.Sum(nil)
	}
	if p.algorithm == "" {
		return nil
	}
	switch {
	case in.beside != nil:
		got.sum = in.beside.Sum(nil)
	case p.algorithm == checksum.MD5:
		got.sum = in.md5
	default:
		got.sum = sha
	}
	want := p.checksum
	if want == nil && framed != nil && slices.Contains(p.trailers, p.algorithm.Header()) {
		var ok bool
		if want, ok = p.algorithm.Decode(framed.Trailer(p.algorithm.Header())); !ok {
			return fail(BadDigest, "Value for %s trailing header is invalid.", p.algorithm.Header())
		}
	}
	if want != nil && !bytes.Equal(want, got.sum) {
		return fail(BadDigest, "The %s you specified did not match the calculated checksum.", p.algorithm)
	}
	return nil
}

// document reads a whole body of at most so many bytes, as requests have that
// carry a document.
func (c *call) document(ctx context.Context, most int64) ([]byte, error) {
	if c.payload.framed {
		return nil, fail(InvalidArgument, "The body of this operation can't come in chunks.").with("ArgumentName", "x-amz-content-sha256")
	}
	p, err := c.promised()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = c.receive(ctx, p, func(data []byte) error {
		size := int64(b.Len() + len(data))
		if size > most {
			return fail(MaxMessageLengthExceeded, "").with("MaxMessageLengthBytes", itoa(most))
		}
		if of, most := c.server.documentRoom(c.who); !c.room.grow(of, most, size) {
			return fail(SlowDown, "")
		}
		b.Write(data)
		return nil
	})
	return b.Bytes(), err
}
