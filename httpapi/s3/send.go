package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/filestore"
)

// sendBuffer is how much of an object is read and sent at a time.
const sendBuffer = 256 << 10

var sendBuffers = sync.Pool{New: func() any { return new([sendBuffer]byte) }}

// sendObject sends a part of an object. The first bytes are read before the answer
// begins, so that what can't be read is mostly told by a status.
func (c *call) sendObject(ctx context.Context, src *sealedReader, o *filestore.Object, s span) error {
	status := c.setRange(o, s)
	if s.n == 0 {
		c.w.WriteHeader(status)
		return nil
	}
	defer src.stream(ctx, s.off, s.n)()
	buffer := sendBuffers.Get().(*[sendBuffer]byte)
	defer sendBuffers.Put(buffer)
	out := &patientWriter{c: c}
	defer out.done()
	c.record.From, c.record.Size = s.off, o.Size
	for sent := int64(0); sent < s.n; {
		p := buffer[:min(sendBuffer, s.n-sent)]
		n, err := src.read(ctx, p, s.off+sent)
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return firstOf(err, io.ErrUnexpectedEOF)
		}
		if sent == 0 {
			c.w.WriteHeader(status)
		}
		if _, err := out.Write(p[:n]); err != nil {
			return errors.Join(errBroken, err)
		}
		sent += int64(n)
		c.record.Read, c.record.To = sent, s.off+sent
	}
	return nil
}

// patientWriter waits for a client that takes what is sent, and no longer.
type patientWriter struct {
	c       *call
	renewed time.Time
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.renewed) > bodyTimeout/4 {
		p.renewed = now
		_ = http.NewResponseController(p.c.w).SetWriteDeadline(now.Add(2 * bodyTimeout))
	}
	n, err := p.c.w.Write(b)
	if !p.c.w.body.ended {
		// What there was of a body has been passed over: its end must not end this.
		_ = http.NewResponseController(p.c.w).SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *patientWriter) done() {
	if !p.renewed.IsZero() {
		p.c.w.bound() // for what is still to be sent
	}
}
