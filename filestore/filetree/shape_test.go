package filetree_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// shape is the sequence of leaves that a file should have. Its chunks are
// references to nothing: an edit never reads a chunk, so that trees of many
// thousand leaves and several levels can be tried.
type shape struct {
	leaves []filetree.Leaf // without gaps, holes joined
	size   int64
}

func fakeChunk(rng *rand.Rand, off, n int64) filetree.Leaf {
	l := filetree.Leaf{Off: off, Len: n, Ref: filetree.Ref{Level: filetree.LevelChunk, Size: uint64(n)}}
	binary.BigEndian.PutUint64(l.Ref.ID[:], rng.Uint64()|1)
	l.Ref.Key = caps.KeyOf([32]byte(l.Ref.ID))
	return l
}

// apply is Edit on the list.
func (s *shape) apply(size int64, edits []filetree.Leaf) {
	var out []filetree.Leaf
	add := func(l filetree.Leaf) {
		l.Len = min(l.Len, size-l.Off)
		if l.Len <= 0 {
			return
		}
		if n := len(out); n > 0 && l.IsHole() && out[n-1].IsHole() {
			l.Len, l.Off = l.Len+out[n-1].Len, out[n-1].Off
			out = out[:n-1]
		}
		l.Ref.Size = uint64(l.Len)
		out = append(out, l)
	}
	old := append(slices.Clone(s.leaves), holeLeaf(s.size, max(1, size-s.size)))
	at := int64(0)
	for len(old) > 0 || len(edits) > 0 {
		if len(edits) > 0 && edits[0].Off <= at {
			add(edits[0])
			at, edits = edits[0].End(), edits[1:]
			continue
		}
		if len(old) == 0 {
			break
		}
		l := old[0]
		if l.End() <= at {
			old = old[1:]
			continue
		}
		l.Len, l.Off = l.End()-max(at, l.Off), max(at, l.Off)
		if len(edits) > 0 && edits[0].Off < l.End() {
			l.Len = edits[0].Off - l.Off
		}
		add(l)
		at = l.End()
	}
	s.leaves, s.size = out, size
}

// fakePatch is a reference to nothing, over n bytes.
func fakePatch(rng *rand.Rand, n int64) *filetree.Patch {
	p := &filetree.Patch{}
	binary.BigEndian.PutUint64(p.ID[:], rng.Uint64()|1)
	p.Key = caps.KeyOf([32]byte(p.ID))
	for at := rng.Int64N(n); at < n && len(p.Extents) < filetree.MaxExtents; at += 1 + rng.Int64N(n) {
		x := filetree.Extent{Off: uint32(at), Len: uint32(1 + rng.Int64N(min(n-at, filetree.MaxPatch/filetree.MaxExtents)))}
		p.Extents, p.Len = append(p.Extents, x), p.Len+int64(x.Len)
		at = x.End()
	}
	return p
}

func samePatch(a, b *filetree.Patch) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Key.Equal(b.Key) && a.Len == b.Len && slices.Equal(a.Extents, b.Extents)
}

// leavesOf lists a file's leaves, holes joined.
func leavesOf(t testing.TB, src filetree.Source, ref filetree.Ref, cache *filetree.Cache) []filetree.Leaf {
	t.Helper()
	r := filetree.NewReader(src, ref, cache)
	var out []filetree.Leaf
	for off := int64(0); off < r.Size(); {
		l, err := r.LeafAt(t.Context(), off)
		if err != nil {
			t.Fatal(err)
		}
		if l.Off != off || uint64(l.Len) != l.Ref.Size {
			t.Fatalf("leaf %d+%d of size %d at %d", l.Off, l.Len, l.Ref.Size, off)
		}
		off = l.End()
		if n := len(out); n > 0 && l.IsHole() && out[n-1].IsHole() {
			out[n-1].Len += l.Len
			out[n-1].Ref.Size += l.Ref.Size
			continue
		}
		out = append(out, l)
	}
	return out
}

func sameLeaves(a, b []filetree.Leaf) bool {
	return slices.EqualFunc(a, b, func(a, b filetree.Leaf) bool {
		return a.Off == b.Off && a.Len == b.Len && (a.IsHole() && b.IsHole() || a.Ref.Equal(b.Ref) && samePatch(a.Patch, b.Patch))
	})
}

// TestEditOfLargeTrees applies random edits to trees of several levels, on the
// grid and off it, and compares the leaves.
func TestEditOfLargeTrees(t *testing.T) {
	t.Parallel()
	// All edits on the grid, none, or those after the first six not.
	for _, onGrid := range []int{15, 0, 6} {
		for range 2 {
			seed := rand.Uint64()
			t.Run("", func(t *testing.T) {
				defer func() {
					if t.Failed() {
						t.Logf("seed %#x, %d edits on the grid", seed, onGrid)
					}
				}()
				rng := rand.New(rand.NewPCG(seed, 0))
				s, want, ref := newStore(), &shape{}, filetree.Ref{}
				cache := filetree.NewCache(64 << 20)
				for i := range 15 {
					aligned := i < onGrid
					size, edits := randomEdit(rng, want, aligned)
					before := want.size
					want.apply(size, edits)
					got, blocks := s.edit(t, ref, small, size, edits...)
					if !sameLeaves(leavesOf(t, s, got, cache), want.leaves) {
						t.Fatalf("edit of %d to %d bytes by %d leaves: other leaves than expected", before, size, len(edits))
					}
					checkShape(t, s, got, aligned, len(want.leaves), len(blocks))
					ref = got
				}
			})
		}
	}
}

// randomEdit draws a new size and leaves, in runs, that replace whole chunks.
func randomEdit(rng *rand.Rand, f *shape, aligned bool) (int64, []filetree.Leaf) {
	size := f.size
	switch rng.IntN(5) {
	case 0:
		size = rng.Int64N(size + 1)
	case 1:
		size += rng.Int64N(1 << 34)
	case 2:
		size += rng.Int64N(4000 * small)
	case 3:
		size += 1 + rng.Int64N(10)
	}
	dirty := map[int64]int64{} // where a run begins, and its chunks
	for range rng.IntN(4) {
		dirty[rng.Int64N(size+1)] = 1 + rng.Int64N([]int64{2, 100, 1000}[rng.IntN(3)])
	}
	var edits []filetree.Leaf
	put := func(off, end int64) {
		if off >= end {
			return
		}
		if n := len(edits); !aligned && n > 0 && edits[n-1].End() == off && end-edits[n-1].Off <= small && rng.IntN(3) == 0 {
			off = edits[n-1].Off // one leaf in place of several of the base's
			edits = edits[:n-1]
		}
		if rng.IntN(10) == 0 {
			edits = append(edits, holeLeaf(off, end-off))
		} else {
			edits = append(edits, fakeChunk(rng, off, end-off))
		}
		if l := &edits[len(edits)-1]; l.Len <= filetree.MaxChunkSize && rng.IntN(3) == 0 {
			l.Patch = fakePatch(rng, l.Len)
		}
	}
	run := int64(0)
	for off, i := int64(0), 0; off < size; {
		// The unit at off: a chunk of f, or a piece of a hole or of growth.
		for i < len(f.leaves) && f.leaves[i].End() <= off {
			i++
		}
		cell := small
		if aligned {
			cell -= off % small
		} else {
			cell = 1 + rng.Int64N(small)
		}
		end, must, empty := min(off+cell, size), false, true
		if i < len(f.leaves) && !f.leaves[i].IsHole() {
			l := f.leaves[i]
			empty = false
			end = min(l.End(), size)
			if aligned && l.Len < small {
				end = min(l.Off+small, size)
			}
			must = end != l.End()
		} else if i < len(f.leaves) && !aligned {
			end = min(end, f.leaves[i].End())
		}
		for at, n := range dirty {
			if off <= at && at < end {
				run = max(run, n)
			}
		}
		if run > 0 || must {
			run = max(0, run-1)
			put(off, end)
		} else if empty {
			end = skip(off, size, i, f, dirty, aligned)
		}
		off = end
	}
	return size, edits
}

// skip jumps over a clean part of a hole.
func skip(off, size int64, i int, f *shape, dirty map[int64]int64, aligned bool) int64 {
	end := size
	if i < len(f.leaves) {
		end = min(end, f.leaves[i].End())
	}
	for at := range dirty {
		if at >= off {
			end = min(end, at)
		}
	}
	if aligned {
		end = end / small * small
		if end <= off {
			end = min(size, (off/small+1)*small)
		}
	}
	return max(end, off+1)
}

// checkShape checks depth and density of a tree.
func checkShape(t testing.TB, s *store, ref filetree.Ref, aligned bool, leaves, added int) {
	t.Helper()
	nodes := 0
	err := filetree.WalkVerify(t.Context(), s, ref.Verify(), filetree.VisitFunc(func(v filetree.VerifyRef) (bool, error) {
		if v.Level != filetree.LevelChunk {
			nodes++
			if ragged := s.blocks[v.ID][4]&2 != 0; ragged && aligned {
				t.Errorf("a ragged node at level %d although all leaves lie on the grid", v.Level)
			}
		}
		return true, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if added > nodes {
		t.Errorf("%d new nodes in a tree of %d", added, nodes)
	}
	if !aligned && nodes > 8+leaves/8 {
		t.Errorf("%d nodes for %d leaves: the tree has got thin", nodes, leaves)
	}
	if !aligned && ref.Level != filetree.LevelChunk && ref.Level > 4 {
		t.Errorf("level %d for %d leaves: the tree has got high", ref.Level, leaves)
	}
}

// TestARaggedSubtreeOfAnAlignedLengthMakesItsParentRagged: nothing but the
// sizes of the children fits the grid.
func TestARaggedSubtreeOfAnAlignedLengthMakesItsParentRagged(t *testing.T) {
	t.Parallel()
	s, rng, want := newStore(), rand.New(rand.NewPCG(1, 1)), &shape{}
	var leaves []filetree.Leaf
	for i := range int64(129) {
		leaves = append(leaves, fakeChunk(rng, i*small, small))
	}
	want.apply(129*small, leaves)
	base, _ := s.edit(t, filetree.Ref{}, small, 129*small, leaves...)
	cut := 2*small - 100
	leaves = []filetree.Leaf{fakeChunk(rng, small, cut-small), fakeChunk(rng, cut, 3*small-cut)}
	want.apply(129*small, leaves)
	ref, _ := s.edit(t, base, small, 129*small, leaves...)
	if got := leavesOf(t, s, ref, nil); !sameLeaves(got, want.leaves) {
		t.Error("other leaves than expected")
	}
}

// TestManySmallEditsKeepTheTreeDense puts chunks one by one into a hole, and
// appends bytes one by one, and looks at what the tree has become.
func TestManySmallEditsKeepTheTreeDense(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	places := map[string]func(i, size int64) int64{
		"random":    func(_, size int64) int64 { return rng.Int64N(size - 10) },
		"ascending": func(i, _ int64) int64 { return 100 * i },
		"same node": func(i, size int64) int64 { return size/2 + 5*(i*7919%2000) },
		"append":    func(_, size int64) int64 { return size },
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			s, cache := newStore(), filetree.NewCache(64<<20)
			size := int64(1) << 40
			ref, _ := s.edit(t, filetree.Ref{}, small, size, fakeChunk(rng, 1, 3))
			for i := range int64(600) {
				off := place(i, size)
				r := filetree.NewReader(s, ref, cache)
				if off < size {
					if l, err := r.LeafAt(t.Context(), off); err != nil || !l.Ref.IsHole() || l.End() < off+2 {
						continue
					}
				}
				size = max(size, off+2)
				next, blocks, err := r.Edit(t.Context(), int(small), size, []filetree.Leaf{fakeChunk(rng, off, 2)})
				if err != nil {
					t.Fatal(err)
				}
				if len(blocks) > 6 {
					t.Errorf("edit %d made %d nodes", i, len(blocks))
				}
				s.put(blocks...)
				ref = next
			}
			n := len(leavesOf(t, s, ref, cache))
			checkShape(t, s, ref, false, n/4, 0)
		})
	}
}
