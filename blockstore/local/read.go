package local

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// directRead is the size from which bytes are read past the page cache: it takes
// a third of the processor time, and a stream through large files doesn't push
// out what small reads find there.
const directRead = 256 << 10

// Get implements blockstore.Store. A record whose CRC doesn't hold is Corrupt.
func (s *Store) Get(ctx context.Context, id blockstore.ID) ([]byte, error) {
	return s.read(ctx, id, func(p place) ([]byte, error) { return s.readRecord(id, p) })
}

// GetRange implements blockstore.RangeGetter. It reads what is asked for, and
// checks nothing: the frames of a block have hashes of their own.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return s.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter.
func (s *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if err := blockstore.CheckRange("local", off, n); err != nil {
		return nil, err
	}
	return s.read(ctx, id, func(p place) ([]byte, error) {
		off := min(off, int64(p.n))
		return s.readBytes(p.seg, p.entry(id).offset()+recordHeader+off, min(n, int64(p.n)-off), room)
	})
}

// readBytes reads size bytes at off of a segment, in room if they fit, with the pages
// that they lie in if these are read past the page cache; else in new memory.
func (s *Store) readBytes(seg uint32, off, size int64, room []byte) ([]byte, error) {
	if !s.direct || size < directRead {
		b := room[:0]
		if int64(cap(b)) < size {
			b = make([]byte, size)
		}
		b = b[:size:size]
		return b, s.files.readAt(handle{seg: seg}, b, off)
	}
	from := off &^ (page - 1)
	whole := roundUp(off+size, page) - from
	b := alignedIn(room, whole)
	if b == nil {
		b = alignedBuffer(whole)
	}
	if err := s.files.readAt(handle{seg, true}, b, from); err != nil {
		return nil, err
	}
	return b[off-from : off-from+size : off-from+size], nil
}

// read runs f on the place of id, until the place that it read is the one where
// the block still is: meanwhile it may have been deleted, or copied on.
func (s *Store) read(ctx context.Context, id blockstore.ID, f func(place) ([]byte, error)) ([]byte, error) {
	if err := s.enter(ctx, "get"); err != nil {
		return nil, err
	}
	defer s.leave()
	for {
		p, ok := s.index.get(id)
		if !ok {
			return nil, fmt.Errorf("local: get %v: %w", id, kind.NotExist)
		}
		b, err := f(p)
		if now, _ := s.index.get(id); now != p {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("local: get %v: %w", id, err)
			}
			continue
		}
		switch {
		case err == nil:
			return b, nil
		case gone(err) && s.Displaced():
			return nil, fmt.Errorf("local: get %v: %w", id, s.home.inPlace())
		case errors.Is(err, kind.Corrupt), errors.Is(err, io.ErrUnexpectedEOF), gone(err):
			return nil, fmt.Errorf("local: get %v: segment %d: %w: %w", id, p.seg, kind.Corrupt, err)
		default:
			return nil, fmt.Errorf("local: get %v: %w: %w", id, kindOfRead(err), err)
		}
	}
}

// readRecord reads and checks the whole record at p, and gives its body.
func (s *Store) readRecord(id blockstore.ID, p place) ([]byte, error) {
	e := p.entry(id)
	off := e.offset()
	rec, err := s.readBytes(p.seg, off, recordHeader+int64(p.n), nil)
	if err != nil {
		return nil, err
	}
	got, ok := parseHeader(rec, off)
	if !ok || got.id != id || got.n != p.n || !s.sums.check(p.seg, got, rec) {
		return nil, fmt.Errorf("record at %d is damaged: %w", off, kind.Corrupt)
	}
	return rec[recordHeader:], nil
}
