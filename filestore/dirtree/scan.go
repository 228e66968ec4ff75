package dirtree

import (
	"context"
	"iter"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Scan yields the entries with sort keys above after, ascending; all of them
// if after is "" (an entry with the empty sort key included: to go on after
// that one, pass "\x00", which no name contains). An error ends the sequence.
//
// The entries are not checked yet (Entry.Check): a listing needs none of their
// keys, and one entry that contradicts itself must not hide the others.
func (d *Dir) Scan(ctx context.Context, after string) iter.Seq2[*Entry, error] {
	if after == "" {
		return d.ScanFrom(ctx, "")
	}
	return d.ScanFrom(ctx, after+"\x00") // the smallest string above after
}

// ScanFrom yields the entries with sort keys of at least from, as Scan does.
func (d *Dir) ScanFrom(ctx context.Context, from string) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		if d.err != nil {
			yield(nil, d.err)
			return
		}
		if d.root.IsZero() {
			return
		}
		s := scan{d: d, from: from, yield: yield}
		s.below(ctx, d.root.ID, d.root.Level, everything)
	}
}

// BatchSource is an optional interface of a NodeSource that reads several nodes
// for little more than the price of one. The result is in the order asked, nil
// for a node that isn't there.
type BatchSource interface {
	Nodes(ctx context.Context, ids [][32]byte) ([][]byte, error)
}

type scan struct {
	d     *Dir
	from  string
	yield func(*Entry, error) bool
}

// below yields what stands below one node, and reports whether to go on.
func (s *scan) below(ctx context.Context, id [32]byte, level uint8, at span) bool {
	n, err := s.d.load(ctx, id, level, at)
	if err != nil {
		return s.yield(nil, err) && false
	}
	if level == 0 {
		i, _ := n.find(s.from)
		for _, it := range n.entries[i:] {
			if !s.yield(&it.e, nil) {
				return false
			}
		}
		return true
	}
	first := n.child(s.from)
	for i := first; i < len(n.kids); i++ {
		if err := ctx.Err(); err != nil {
			return s.yield(nil, kind.Canceled) && false
		}
		if (i-first)%scanAhead == 1 { // not at once: many scans end in their first leaf
			s.ahead(ctx, n, i)
		}
		if !s.below(ctx, n.kids[i].id, level-1, at.child(n, i)) {
			return false
		}
	}
	return true
}

// scanAhead is how many siblings a scan asks for at once.
const scanAhead = 16

// ahead brings the kids from i on into the cache with one request, if the
// source can. What fails is left to load, which reports it in its turn.
func (s *scan) ahead(ctx context.Context, n *node, i int) {
	batch, ok := s.d.src.(BatchSource)
	if !ok || s.d.cache == nil {
		return
	}
	var want [][32]byte
	for _, k := range n.kids[i:min(i+scanAhead, len(n.kids))] {
		if s.d.cache.get(&s.d.keys, k.id) == nil {
			want = append(want, k.id)
		}
	}
	if len(want) < 2 {
		return
	}
	blocks, err := batch.Nodes(ctx, want)
	if err != nil || len(blocks) != len(want) {
		return
	}
	for j, block := range blocks {
		if block == nil {
			continue
		}
		if kid, err := s.d.keys.open(want[j], n.level-1, block); err == nil {
			s.d.cache.put(&s.d.keys, want[j], kid)
		}
	}
}
