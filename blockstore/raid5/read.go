package raid5

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/array"
	"github.com/truckee-fs/truckee/internal/kind"
)

// piece is one that was read and checked.
type piece struct {
	header
	body []byte
	room []byte // that it was read into, to be used again; nil: none
}

// order is how the members are asked for the pieces of a block: those with data
// first, then the parity, and last those of which it is better not to wait.
func (s *Store) order(id blockstore.ID) []int {
	n := s.a.Members()
	var order, slow []int
	for k := range n {
		if i := memberOf(id, n, k); s.a.Slow(i) {
			slow = append(slow, i)
		} else {
			order = append(order, i)
		}
	}
	return append(order, slow...)
}

// ask reads and checks the piece of one member.
func (s *Store) ask(id blockstore.ID) func(context.Context, int, blockstore.Store) (piece, error) {
	return func(ctx context.Context, i int, m blockstore.Store) (piece, error) {
		b, err := m.Get(ctx, id)
		if err != nil {
			return piece{}, err
		}
		h, body, err := parsePiece(id, b)
		if err == nil {
			err = s.belongs(id, i, h)
		}
		return piece{header: h, body: body}, err
	}
}

// askIn is ask for a block that probably has so many bytes: the piece is read into
// memory that is used again. It has a checksum of its own, so that a range of it is as
// good as all of it. 0: nobody knows.
func (s *Store) askIn(id blockstore.ID, length int) func(context.Context, int, blockstore.Store) (piece, error) {
	ask := s.ask(id)
	size := int64(headerSize + stripe{s.a.Members(), length}.pieceLen())
	return func(ctx context.Context, i int, m blockstore.Store) (piece, error) {
		room := s.buffers.Room(size)
		if length == 0 || room == nil || !blockstore.ReadsIn(m) {
			return ask(ctx, i, m)
		}
		b, err := blockstore.GetRangeIn(ctx, m, id, 0, size, room)
		if err != nil {
			return piece{}, err
		}
		h, err := parseHeader(id, b)
		if err == nil && h.length != length {
			s.buffers.Back(room, b)
			return ask(ctx, i, m) // it is of another length, or damaged
		}
		var body []byte
		if err == nil {
			h, body, err = parsePiece(id, b)
		}
		if err == nil {
			err = s.belongs(id, i, h)
		}
		return piece{h, body, room}, err
	}
}

// belongs refuses a piece that should be on another member, or was made for
// another number of them.
func (s *Store) belongs(id blockstore.ID, i int, h header) error {
	if n := s.a.Members(); h.n != n || h.k != pieceOn(id, n, i) {
		return fmt.Errorf("raid5: piece %d of %d of %v is in the place of piece %d of %d: %w",
			h.k, h.n, id, pieceOn(id, n, i), n, kind.Corrupt)
	}
	return nil
}

// gather reads as many pieces as a block needs, by ask. wrong are the members whose
// pieces are absent or damaged, as far as was noticed.
func (s *Store) gather(ctx context.Context, id blockstore.ID, ask func(context.Context, int, blockstore.Store) (piece, error)) (pieces []piece, wrong []int, err error) {
	good, bad, err := array.Gather(ctx, s.a, s.order(id), s.a.Members()-1, ask)
	for _, b := range bad {
		if k := kind.Of(b.Err); k == kind.NotExist || k == kind.Corrupt {
			wrong = append(wrong, b.Member)
		}
	}
	for _, g := range good {
		pieces = append(pieces, g.Value)
	}
	return pieces, wrong, err
}

// join decodes pieces, all but the one of number without, in room if they fit.
func (s *Store) join(pieces []piece, without int, room []byte) ([]byte, error) {
	bodies := make([][]byte, s.a.Members())
	var first *stripe
	for i := range pieces {
		switch p := &pieces[i]; {
		case p.k == without:
			continue
		case first == nil:
			first = &p.stripe
		case p.stripe != *first:
			return nil, fmt.Errorf("raid5: pieces of %d and of %d bytes: %w", first.length, p.length, kind.Corrupt)
		}
		bodies[pieces[i].k] = notNil(pieces[i].body)
	}
	if first == nil {
		return nil, fmt.Errorf("raid5: no piece: %w", kind.NotExist)
	}
	return decode(*first, bodies, room)
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// sound reads a block and checks it. wrong are the members whose pieces aren't
// as they should be, as far as was noticed.
func (s *Store) sound(ctx context.Context, id blockstore.ID) (block []byte, wrong []int, err error) {
	pieces, wrong, err := s.gather(ctx, id, s.ask(id))
	if err != nil {
		return nil, nil, err
	}
	block, err = s.join(pieces, -1, nil)
	if err == nil {
		err = s.holds.Check(id, block)
	}
	if err == nil {
		return block, wrong, nil
	}
	return s.disentangle(ctx, id, err)
}

// disentangle reads a block of which one piece has a right checksum and wrong
// bytes all the same: it is the one without which the others make the block.
func (s *Store) disentangle(ctx context.Context, id blockstore.ID, cause error) (block []byte, wrong []int, err error) {
	n := s.a.Members()
	pieces := make([]*piece, n)
	outcomes := s.a.All(ctx, func(ctx context.Context, i int, m blockstore.Store) error {
		p, err := s.ask(id)(ctx, i, m)
		if err == nil {
			pieces[p.k] = &p
		}
		return err
	})
	var all []piece
	for _, p := range pieces {
		if p != nil {
			all = append(all, *p)
		}
	}
	if len(all) < n-1 {
		errs := []error{cause}
		for _, err := range outcomes {
			if err != nil {
				errs = append(errs, err)
			}
		}
		return nil, nil, s.a.Sum(ctx, errs...)
	}
	for k := range n {
		if len(all) < n && pieces[k] != nil {
			continue // without the missing one only
		}
		block, err := s.join(all, k, nil)
		if err == nil && s.holds.Check(id, block) == nil {
			return block, []int{memberOf(id, n, k)}, nil
		}
	}
	return nil, nil, fmt.Errorf("raid5: block %v: no %d pieces of it fit together: %w: %w", id, n-1, kind.Corrupt, cause)
}

// mend makes member i hold its piece.
func (s *Store) mend(ctx context.Context, i int, id blockstore.ID) (did array.Mended, err error) {
	block, _, err := s.sound(ctx, id)
	if err != nil {
		return did, err
	}
	did.Bytes = int64(len(block))
	n := s.a.Members()
	right := encode(make([]byte, stripe{n, len(block)}.storedSize()), n, id, block)[pieceOn(id, n, i)]
	err = s.a.Do(ctx, i, func(ctx context.Context, m blockstore.Store) error {
		there, err := m.Get(ctx, id)
		switch {
		case err == nil && string(there) == string(right):
			return nil
		case err != nil && kind.Of(err) != kind.NotExist && kind.Of(err) != kind.Corrupt:
			return err
		case kind.Of(err) != kind.NotExist: // a store may take a second put for done
			if err := m.Delete(ctx, id); err != nil {
				return err
			}
		}
		did.Wrote = true
		did.Bytes += int64(len(right))
		return m.Put(ctx, id, right)
	})
	did.Wrote = did.Wrote && err == nil
	return did, err
}

// examine reads every piece of a block.
func (s *Store) examine(ctx context.Context, h array.Held) (found []array.Suspect) {
	n := s.a.Members()
	stored := make([][]byte, n) // by member
	outcomes := s.a.All(ctx, func(ctx context.Context, i int, m blockstore.Store) error {
		b, err := m.Get(ctx, h.ID)
		if err == nil {
			var head header
			if head, _, err = parsePiece(h.ID, b); err == nil {
				err = s.belongs(h.ID, i, head)
			}
			stored[i] = b
		}
		return err
	})
	suspect := func(i int, fault blockstore.Fault, err error) {
		found = append(found, array.Suspect{Member: i, Fault: fault, Err: err})
	}
	for i, err := range outcomes {
		switch kind.Of(err) {
		case 0:
		case kind.NotExist:
			suspect(i, blockstore.FaultAbsent, nil)
		case kind.Corrupt:
			suspect(i, blockstore.FaultCorrupt, err)
		default:
			suspect(i, blockstore.FaultUnread, err)
		}
	}
	if len(found) > 0 {
		return found
	}
	for i, err := range s.differing(h.ID, stored) {
		suspect(i, blockstore.FaultCorrupt, err)
	}
	return found
}

// differing finds pieces that are whole in themselves, and yet not those of the
// block; all of them if it can't be told which.
func (s *Store) differing(id blockstore.ID, stored [][]byte) map[int]error {
	n := s.a.Members()
	var pieces []piece
	for _, b := range stored {
		if b == nil {
			continue
		}
		if h, body, err := parsePiece(id, b); err == nil {
			pieces = append(pieces, piece{header: h, body: body})
		}
	}
	wrong := map[int]error{}
	for without := range n {
		block, err := s.join(pieces, without, nil)
		if err != nil || s.holds.Check(id, block) != nil {
			continue
		}
		right := encode(make([]byte, stripe{n, len(block)}.storedSize()), n, id, block)
		for i, b := range stored {
			if b != nil && string(b) != string(right[pieceOn(id, n, i)]) {
				wrong[i] = fmt.Errorf("raid5: its piece has a right checksum and other bytes: %w", kind.Corrupt)
			}
		}
		return wrong
	}
	for i, b := range stored {
		if b != nil {
			wrong[i] = errors.New("raid5: the pieces don't fit together")
		}
	}
	return wrong
}
