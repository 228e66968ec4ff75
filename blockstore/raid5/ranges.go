package raid5

import (
	"context"
	"fmt"
	"sync"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/array"
	"github.com/truckee-fs/truckee/internal/kind"
)

// largeRange is from which length on the pieces of a block whose length isn't
// known are read whole, instead of asking for the length first.
const largeRange = 128 << 10

// GetRange implements blockstore.RangeGetter: it reads the parts of the pieces
// that hold the range, or whole pieces where that is about the same. A range
// can't be checked here: who finds it damaged asks for the whole block (Get),
// and gets it from sound pieces.
func (s *Store) GetRange(ctx context.Context, id blockstore.ID, off, n int64) ([]byte, error) {
	return s.GetRangeIn(ctx, id, off, n, nil)
}

// GetRangeIn implements blockstore.RangeInGetter. Members read into memory of ours, and
// nobody but this call writes to room.
func (s *Store) GetRangeIn(ctx context.Context, id blockstore.ID, off, n int64, room []byte) ([]byte, error) {
	if err := s.a.CheckRange(off, n); err != nil {
		return nil, err
	}
	if err := s.a.Enter(ctx, "get"); err != nil {
		return nil, err
	}
	defer s.a.Leave()
	length, known := s.lengths.Get(id)
	if !known && n < largeRange {
		h, err := s.head(ctx, id, 1)
		if err != nil {
			return nil, err
		}
		length, known = h.length, true
		s.lengths.Add(id, length)
	}
	if !known || n >= int64(length)/2 {
		return s.cut(ctx, id, off, n, length, room)
	}
	off = min(off, int64(length))
	n = min(n, int64(length)-off)
	if n == 0 {
		_, err := s.head(ctx, id, 1)
		return []byte{}, err
	}
	return s.parts(ctx, id, stripe{s.a.Members(), length}, int(off), int(off+n), room)
}

// cut reads whole pieces, and cuts the range out of what they make. length is what the
// block has, 0 if that isn't known: then a range from its begin may be all of it.
func (s *Store) cut(ctx context.Context, id blockstore.ID, off, n int64, length int, room []byte) ([]byte, error) {
	if length == 0 && off == 0 && n <= blockstore.MaxBlock {
		length = int(n)
	}
	pieces, wrong, err := s.gather(ctx, id, s.askIn(id, length))
	if err != nil {
		return nil, err
	}
	block, err := s.join(pieces, -1, room)
	for i := range pieces {
		s.buffers.Back(pieces[i].room, pieces[i].body)
	}
	if err != nil { // they don't even fit together
		if block, wrong, err = s.disentangle(ctx, id, err); err != nil {
			return nil, err
		}
	}
	for _, i := range wrong {
		s.a.Suspect(i, id)
	}
	s.lengths.Add(id, len(block))
	off = min(off, int64(len(block)))
	end := off + min(n, int64(len(block))-off)
	return block[off:end:end], nil
}

// parts reads bytes from to to of a block, from each piece its part at the same
// time.
func (s *Store) parts(ctx context.Context, id blockstore.ID, st stripe, from, to int, room []byte) ([]byte, error) {
	ctx, cancel := s.a.Budget(ctx)
	defer cancel()
	out := within(room, to-from)
	from, to = from+prefixSize, to+prefixSize // in the payload
	l := st.pieceLen()
	first, last := from/l, (to-1)/l
	errs := make([]error, last-first+1)
	var wg sync.WaitGroup
	for k := first; k <= last; k++ {
		wg.Go(func() {
			lo, hi := max(from, k*l), min(to, (k+1)*l)
			part, err := s.part(ctx, id, st, k, lo-k*l, hi-k*l)
			copy(out[lo-from:hi-from], part.data)
			s.buffers.Back(part.room, part.data)
			errs[k-first] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, s.a.Sum(ctx, errs...)
		}
	}
	return out, nil
}

// within gives n bytes in room, if it has so many, else new ones.
func within(room []byte, n int) []byte {
	if cap(room) < n {
		return make([]byte, n)
	}
	return room[:n:n]
}

// portion is a part of a piece, and the memory that it was read into.
type portion struct{ data, room []byte }

// part reads bytes lo to hi of piece k, or computes them from the same bytes of
// all others when its member has none or is late.
func (s *Store) part(ctx context.Context, id blockstore.ID, st stripe, k, lo, hi int) (portion, error) {
	i := memberOf(id, st.n, k)
	direct := func(ctx context.Context) (portion, error) {
		return array.Ask(ctx, s.a, i, s.bytes(id, st, k, lo, hi))
	}
	around := func(ctx context.Context) (portion, error) { return s.around(ctx, id, st, k, lo, hi) }
	if s.a.Slow(i) {
		part, _, err := array.Either(ctx, s.a, s.a.Patience(i), around, direct)
		return part, err
	}
	part, why, err := array.Either(ctx, s.a, s.a.Patience(i), direct, around)
	if err == nil && (kind.Of(why) == kind.NotExist || kind.Of(why) == kind.Corrupt) {
		s.a.Suspect(i, id)
	}
	return part, err
}

// bytes reads bytes lo to hi of piece k, as many of them as it has.
func (s *Store) bytes(id blockstore.ID, st stripe, k, lo, hi int) func(context.Context, int, blockstore.Store) (portion, error) {
	hi = min(hi, st.size(k))
	return func(ctx context.Context, _ int, m blockstore.Store) (portion, error) {
		if lo >= hi {
			return portion{}, nil
		}
		room := s.buffers.Room(int64(hi - lo))
		b, err := blockstore.GetRangeIn(ctx, m, id, int64(headerSize+lo), int64(hi-lo), room)
		if err == nil && len(b) != hi-lo {
			err = fmt.Errorf("raid5: piece %d of %v is too short: %w", k, id, kind.Corrupt)
		}
		return portion{b, room}, err
	}
}

// around computes bytes lo to hi of piece k.
func (s *Store) around(ctx context.Context, id blockstore.ID, st stripe, k, lo, hi int) (portion, error) {
	portions, errs := make([]portion, st.n), make([]error, st.n)
	var wg sync.WaitGroup
	for j := range st.n {
		if j != k {
			wg.Go(func() {
				portions[j], errs[j] = array.Ask(ctx, s.a, memberOf(id, st.n, j), s.bytes(id, st, j, lo, hi))
			})
		}
	}
	wg.Wait()
	var failed []error
	for _, err := range errs {
		if err != nil {
			failed = append(failed, err)
		}
	}
	if failed != nil {
		return portion{}, s.a.Sum(ctx, failed...)
	}
	out, pieces := make([]byte, hi-lo), make([][]byte, st.n)
	for j, p := range portions {
		pieces[j] = p.data
	}
	missing(out, k, pieces)
	for _, p := range portions {
		s.buffers.Back(p.room, p.data)
	}
	return portion{data: out}, nil
}
