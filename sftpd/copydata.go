package sftpd

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/sftpd/wire"
)

// copyData answers copy-data (filexfer-extensions-00, section 7): a handle to
// read from, offset, length (0: to the end), a handle to write to, offset. The
// bytes stay in the server; they are committed with the handle written to.
// Within one file nothing is copied, as in OpenSSH's server.
func (s *session) copyData(ctx context.Context, id uint32, d *wire.Decoder) ([]byte, error) {
	from, err := s.fileHandle(d)
	if err != nil {
		return nil, err
	}
	off, n := d.Uint64(), d.Uint64()
	to, err := s.fileHandle(d)
	if err != nil {
		return from.path, err
	}
	at := d.Uint64()
	switch {
	case d.Bad():
		return to.path, errBadFields
	case off > math.MaxInt64 || at > math.MaxInt64:
		return to.path, fmt.Errorf("copy from %d to %d: %w", off, at, kind.TooLarge)
	}
	src := toEnd(ctx, from.file, int64(off))
	if n > 0 {
		src.n = min(src.n, int64(min(n, math.MaxInt64)))
	}
	dst := &placer{ctx, to.file, int64(at)}
	f := &flight{what: to.path, paths: to.paths(), handles: [2]*handle{to, from}}
	s.fly(ctx, wire.Extended, id, f, s.heavy(func(ctx context.Context) ([]byte, error) {
		a, err := src.f.Stat(ctx)
		if err != nil {
			return nil, err
		}
		b, err := dst.f.Stat(ctx)
		if err != nil {
			return nil, err
		}
		if src.f == dst.f || a.FileID == b.FileID {
			return nil, fmt.Errorf("copy within one file: %w", kind.Invalid)
		}
		began := time.Now()
		n, err := io.CopyBuffer(dst, onlyReader{src}, make([]byte, digestBuffer))
		return nil, copied(s.tree, copying{from.at, to.at, int64(off), int64(at), n}, began, err)
	}))
	return to.path, nil
}

// placer writes to a file from off on.
type placer struct {
	ctx context.Context
	f   file
	off int64
}

func (p *placer) Write(b []byte) (int, error) {
	if p.off > math.MaxInt64-int64(len(b)) {
		return 0, fmt.Errorf("write at %d: %w", p.off, kind.TooLarge)
	}
	n, err := p.f.WriteAt(p.ctx, b, p.off)
	p.off += int64(n)
	return n, err
}

// heavy holds a request that works on a whole file until no other one of its
// connection does: a packet that asks for hours of work must not be free.
func (s *session) heavy(run func(context.Context) ([]byte, error)) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		select {
		case s.heavyOnes <- struct{}{}:
			defer func() { <-s.heavyOnes }()
			return run(ctx)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
