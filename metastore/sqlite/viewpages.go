package sqlite

import (
	"bytes"
	"context"
	"iter"

	"github.com/truckee-fs/truckee/metastore"
)

// viewChunk is how many rows an iteration reads at a time.
const viewChunk = 256

// pages yields a table's rows in the order of their ids, a chunk at a time, so
// that other reads of the view may come between.
func pages[R any](ctx context.Context, v *view, query func() *stmt, read func(*stmt) (R, error), id func(*R) [32]byte) iter.Seq2[R, error] {
	return pagesFrom(ctx, v, 1, query, read, id)
}

// pagesFrom does so for a query that is told by that parameter where to go on.
func pagesFrom[R any](ctx context.Context, v *view, param int, query func() *stmt, read func(*stmt) (R, error), id func(*R) [32]byte) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var after []byte // nothing is above NULL, everything above the empty blob
		for chunk := make([]R, 0, viewChunk); ; chunk = chunk[:0] {
			err := v.use(ctx, func() (err error) {
				chunk, err = readPage(query(), param, after, read, chunk)
				return err
			})
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, r := range chunk {
				if !yield(r, nil) {
					return
				}
			}
			if len(chunk) < viewChunk {
				return
			}
			last := id(&chunk[len(chunk)-1])
			after = last[:]
		}
	}
}

func readPage[R any](s *stmt, param int, after []byte, read func(*stmt) (R, error), chunk []R) ([]R, error) {
	s.setBlob(param, after)
	for {
		row, err := s.step()
		if err != nil || !row {
			return chunk, err
		}
		r, err := read(s)
		if err != nil {
			s.reset()
			return nil, err
		}
		chunk = append(chunk, r)
	}
}

func (v *view) AllSlots(ctx context.Context) iter.Seq2[metastore.Record, error] {
	read := func(s *stmt) (metastore.Record, error) {
		rec := metastore.Record{Seq: uint64(s.int(1)), Epoch: uint32(s.int(2)), Version: uint64(s.int(3))}
		copy(rec.ID[:], s.lent(0))
		copy(rec.Owner[:], s.lent(4))
		return rec, fill(&rec, s.lent(5))
	}
	return pages(ctx, v, func() *stmt { return v.q.slots }, read, func(r *metastore.Record) [32]byte { return r.ID })
}

// SlotsAt implements metastore.View.
func (v *view) SlotsAt(ctx context.Context, seq uint64) iter.Seq2[metastore.Record, error] {
	return func(yield func(metastore.Record, error) bool) {
		for rec, err := range v.AllSlots(ctx) {
			there := true
			if err == nil && rec.Seq > seq {
				err = v.use(ctx, func() error { rec, there, err = v.r.at(rec.ID, seq); return err })
			}
			if err != nil {
				yield(metastore.Record{}, err)
				return
			}
			if there && !yield(rec, nil) {
				return
			}
		}
	}
}

func (v *view) AllRoots(ctx context.Context) iter.Seq2[metastore.Root, error] {
	read := func(s *stmt) (metastore.Root, error) {
		root := metastore.Root{Sealed: bytes.Clone(s.lent(1)), Source: string(s.lent(2)), Seen: timeOf(s.int(3))}
		copy(root.ID[:], s.lent(0))
		return root, nil
	}
	return pages(ctx, v, func() *stmt { return v.q.roots }, read, func(r *metastore.Root) [32]byte { return r.ID })
}

func (v *view) AllBlocks(ctx context.Context) iter.Seq2[metastore.Block, error] {
	return pages(ctx, v, func() *stmt { return v.q.blocks }, blockOf, func(b *metastore.Block) [32]byte { return b.ID })
}
