package filestore

import (
	"context"
	"io"
)

// ObjectStream reads a part of an object from its beginning to its end. It is not
// safe for concurrent use.
type ObjectStream struct {
	o       *ObjectReader
	past    *stream // past the cache; nil: through it
	at, end int64   // what Read gives next, and where it ends
}

// Stream reads n bytes from off on, as far as the object goes. ctx bounds what is
// read ahead. Close must be called, before that of the reader.
func (r *ObjectReader) Stream(ctx context.Context, off, n int64) *ObjectStream {
	s := &ObjectStream{o: r, at: off, end: off + min(n, max(0, r.obj.Size-off))}
	fs, in := r.t.fs, r.f.file().base.reader
	switch {
	case in == nil || off < 0 || s.end-off < streamUnit:
	case fs.streams.local():
		s.past = fs.streams.begin(ctx, in, off, s.end)
	default:
		r.f.ahead.expect(fs, in, off)
	}
	return s
}

// Read reads the next bytes, at least one of them, at most len(p), and at the end
// none with io.EOF. Every byte has been verified. A p of 256 KiB is used best.
func (s *ObjectStream) Read(ctx context.Context, p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.end-s.at)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := s.read(ctx, p)
	s.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (s *ObjectStream) read(ctx context.Context, p []byte) (int, error) {
	if s.past == nil {
		return s.o.f.ReadAt(ctx, p, s.at)
	}
	if err := s.o.f.use(); err != nil {
		return 0, wrap("read", err)
	}
	n, err := s.past.read(ctx, p, 0)
	return n, wrap("read", err)
}

// Close gives back what the stream keeps. It is idempotent.
func (s *ObjectStream) Close() {
	if s.past != nil {
		s.past.close()
	}
	s.past, s.end = nil, s.at
}
