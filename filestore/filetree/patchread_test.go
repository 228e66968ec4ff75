package filetree_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// extentsOf unites runs of bytes.
func extentsOf(runs []span) []filetree.Extent {
	slices.SortFunc(runs, func(a, b span) int { return int(a.off - b.off) })
	var out []filetree.Extent
	for _, x := range runs {
		if n := len(out); n > 0 && x.off <= out[n-1].End() {
			out[n-1].Len = uint32(max(out[n-1].End(), x.off+x.n) - int64(out[n-1].Off))
			continue
		}
		out = append(out, filetree.Extent{Off: uint32(x.off), Len: uint32(x.n)})
	}
	return out
}

// over puts a patch over a leaf which makes extents of it the bytes of plain, which is
// what the leaf holds then.
func (s *store) over(t testing.TB, leaf filetree.Leaf, plain []byte, extents []filetree.Extent) filetree.Leaf {
	t.Helper()
	var bytes []byte
	for _, x := range extents {
		bytes = append(bytes, plain[x.Off:x.End()]...)
	}
	ref := s.seal(t, filetree.Sealer{}, 0, bytes).Ref
	leaf.Patch = &filetree.Patch{ID: ref.ID, Key: ref.Key, Len: int64(len(bytes)), Extents: extents}
	return leaf
}

// written are the extents of a patch that has what is dirty and what the unit's patch
// has already.
func written(unit filetree.Leaf, length int64, dirty []span) []filetree.Extent {
	var runs []span
	for _, d := range dirty {
		if off, end := max(d.off, unit.Off), min(d.off+d.n, unit.Off+length); off < end {
			runs = append(runs, span{off - unit.Off, end - off})
		}
	}
	if unit.Patch != nil {
		for _, x := range unit.Patch.Extents {
			runs = append(runs, span{int64(x.Off), int64(x.Len)})
		}
	}
	return extentsOf(runs)
}

// patchable reports whether what is dirty may be a patch of the unit.
func (m *model) patchable(unit filetree.Leaf, length int64, dirty []span) bool {
	extents, sum := written(unit, length, dirty), int64(0)
	for _, x := range extents {
		sum += int64(x.Len)
	}
	same := unit.Ref.Size == uint64(length) || unit.IsHole()
	return same && len(extents) > 0 && len(extents) <= filetree.MaxExtents && sum <= filetree.MaxPatch
}

func (m *model) patch(t *testing.T, unit filetree.Leaf, dirty []span) filetree.Leaf {
	length := min(unit.Len, int64(len(m.data))-unit.Off)
	unit.Len, unit.Ref.Size = length, uint64(length)
	return m.over(t, unit, m.data[unit.Off:unit.End()], written(unit, length, dirty))
}

// patched is a file of four chunks, a hole and a short chunk, over most of which
// something is written; extents tells what, by file offsets.
func patched(t testing.TB, s *store, chunk int64) (filetree.Ref, []byte, []span) {
	t.Helper()
	data := random(3, 6*chunk-5000)
	var leaves []filetree.Leaf
	for i := range int64(6) {
		n := min(chunk, int64(len(data))-i*chunk)
		leaf := holeLeaf(i*chunk, n)
		if i == 3 {
			clear(data[i*chunk : i*chunk+n])
		} else {
			leaf = s.seal(t, filetree.Sealer{}, i*chunk, data[i*chunk:i*chunk+n])
		}
		leaves = append(leaves, leaf)
	}
	var dirty []span
	for i, extents := range [][]filetree.Extent{
		{{Off: 0, Len: 4096}, {Off: 20_000, Len: 1}, {Off: 100_000, Len: 8192}},
		{{Off: uint32(chunk - 10_000), Len: 10_000}},
		nil,
		{{Off: 4096, Len: 4096}, {Off: 50_000, Len: 30_000}},
		{{Off: 1, Len: uint32(min(chunk, filetree.MaxPatch) - 1)}},
		{{Off: 3, Len: 7}},
	} {
		if extents == nil {
			continue
		}
		for _, x := range extents {
			copy(data[leaves[i].Off+int64(x.Off):], random(uint64(x.Off), int64(x.Len)))
			dirty = append(dirty, span{leaves[i].Off + int64(x.Off), int64(x.Len)})
		}
		leaves[i] = s.over(t, leaves[i], data[leaves[i].Off:leaves[i].End()], extents)
	}
	ref, _ := s.edit(t, filetree.Ref{}, chunk, int64(len(data)), leaves...)
	return ref, data, dirty
}

// TestAPatchedFileIsReadInEveryWay compares what each way of reading gives.
func TestAPatchedFileIsReadInEveryWay(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, data, _ := patched(t, s, small)
	checkTree(t, s, ref)
	size := int64(len(data))
	for _, step := range []int{1000, 4096, 50_000, 200_000, 1 << 20} {
		wantContents(t, read(t, s, ref, step), data)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	shared := filetree.NewCache(400 << 10) // too small: what is read pushes out what was
	for range 300 {
		off := rng.Int64N(size)
		n := min(size-off, 1+rng.Int64N([]int64{10, 5000, 300_000}[rng.IntN(3)]))
		r := filetree.NewReader(s, ref, shared)
		p := make([]byte, n)
		if rng.IntN(4) == 0 {
			if err := r.Prefetch(t.Context(), off); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p, data[off:off+n]) {
			t.Fatalf("%d bytes from %d: others, %v", n, off, err)
		}
		run, err := r.Fetch(t.Context(), off, n, nil, filetree.NewRoom(make([]byte, filetree.RunRoom(n))))
		if err != nil {
			t.Fatal(err)
		}
		p = p[:run.Len()]
		for at := 0; at < len(p); {
			m, err := run.Read(p[at:min(len(p), at+1+rng.IntN(40_000))])
			if err != nil {
				t.Fatal(err)
			}
			at += m
		}
		if _, err := run.Read(make([]byte, 1)); err != io.EOF || !bytes.Equal(p, data[off:off+int64(len(p))]) {
			t.Fatalf("a run of %d bytes from %d has others, %v", len(p), off, err)
		}
	}
}

func TestAPatchedChunkIsTaken(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, data, _ := patched(t, s, small)
	for _, warm := range []bool{false, true} {
		r := filetree.NewReader(s, ref, filetree.NewCache(16<<20))
		for i := range int64(6) {
			off := i * small
			want := data[off:min(off+small, int64(len(data)))]
			if warm {
				if err := r.Prefetch(t.Context(), off); err != nil {
					t.Fatal(err)
				}
			}
			pieces, err := r.Take(t.Context(), off+100, filetree.NewRoom(make([]byte, filetree.RunRoom(small))))
			if i == 3 {
				if kind.Of(err) != kind.Invalid {
					t.Errorf("a hole was taken: %v", err)
				}
				continue
			}
			if err != nil || !bytes.Equal(slices.Concat(pieces...), want) {
				t.Errorf("chunk %d, warm %v: other bytes, %v", i, warm, err)
			}
			r.Keep(t.Context(), off, bytes.Repeat([]byte("?"), len(want)))
			if i == 2 {
				continue // over this one nothing is written: what was given is kept
			}
			p := make([]byte, len(want))
			if _, err := r.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p, want) {
				t.Errorf("chunk %d, warm %v: what was kept is read, %v", i, warm, err)
			}
		}
	}
}

func TestSlicesAndJoinsKeepPatches(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, data, _ := patched(t, s, small)
	size := int64(len(data))
	rng := rand.New(rand.NewPCG(5, 5))
	ranges := [][2]int64{{0, size}, {0, small}, {3 * small, small}, {small, 3 * small}, {3*small - 1, small + 2}, {5 * small, size - 5*small}, {1, size - 2}}
	for range 10 {
		off := rng.Int64N(size)
		ranges = append(ranges, [2]int64{off, 1 + rng.Int64N(size-off)})
	}
	for _, g := range ranges {
		off, n := g[0], g[1]
		got, pieces := sliced(t, s, ref, off, n)
		checkTree(t, s, got)
		wantContents(t, read(t, s, got, 1<<20), data[off:off+n])
		cut := 0
		for _, p := range pieces {
			if p.Cut {
				cut++
			}
		}
		if off%small == 0 && (off+n)%small == 0 && cut > 0 {
			t.Errorf("%d from %d: %d chunks are sealed anew", n, off, cut)
		}
		// What was joined is edited: a byte at its end, and all but the first cut off.
		grown, _ := s.edit(t, got, small, n+1, s.seal(t, filetree.Sealer{}, n, []byte("z")))
		wantContents(t, read(t, s, grown, 1<<20), append(bytes.Clone(data[off:off+n]), 'z'))
	}
	ok := filetree.Part{Ref: ref}
	leaf, err := filetree.NewReader(s, ref, nil).LeafAt(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]filetree.Part{
		"a patch over a tree":       {Ref: ref, Patch: leaf.Patch},
		"a patch over nothing":      {Patch: leaf.Patch},
		"a patch beyond the chunk":  {Ref: s.seal(t, filetree.Sealer{}, 0, data[:5000]).Ref, Patch: leaf.Patch},
		"a patch over a long hole":  {Ref: holeLeaf(0, filetree.MaxChunkSize+1).Ref, Patch: leaf.Patch},
		"a patch without extents":   {Ref: leaf.Ref, Patch: &filetree.Patch{ID: leaf.Patch.ID, Key: leaf.Patch.Key}},
		"a patch of too many bytes": {Ref: leaf.Ref, Patch: &filetree.Patch{ID: leaf.Patch.ID, Key: leaf.Patch.Key, Len: 3, Extents: leaf.Patch.Extents}},
	} {
		if _, _, err := filetree.Join([]filetree.Part{ok, p}); kind.Of(err) != kind.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
		l := filetree.Leaf{Off: 0, Len: int64(p.Ref.Size), Ref: p.Ref, Patch: p.Patch}
		if _, _, err := filetree.Build(t.Context(), int(small), []filetree.Leaf{l}, 1<<30); kind.Of(err) != kind.Invalid {
			t.Errorf("%s as a leaf: %v, want Invalid", name, err)
		}
	}
}

// A file of one patched chunk has a node, however it has come to be one chunk.
func TestAFileOfOnePatchedChunkHasANode(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, data, _ := patched(t, s, small)
	leaf, err := filetree.NewReader(s, ref, nil).LeafAt(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	built, _ := s.edit(t, filetree.Ref{}, small, small, leaf)
	one, _ := s.edit(t, filetree.Ref{}, small, small, filetree.Leaf{Len: small, Ref: leaf.Ref})
	over, _ := s.edit(t, one, mib, small, leaf)
	cut, _ := s.edit(t, ref, small, small)
	far, _ := s.edit(t, filetree.Ref{}, small, 1<<40, leaf)
	shrunk, _ := s.edit(t, far, small, small)
	ragged, blocks, err := filetree.Join([]filetree.Part{{Ref: leaf.Ref, Patch: leaf.Patch}, {Ref: one}})
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	ragged, _ = s.edit(t, ragged, small, small)
	joined, blocks, err := filetree.Join([]filetree.Part{{Ref: leaf.Ref, Patch: leaf.Patch}})
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	for name, ref := range map[string]filetree.Ref{"built": built, "written over": over, "cut": cut, "shrunk": shrunk, "ragged": ragged, "joined": joined} {
		if ref.Level != 0 {
			t.Errorf("%s: level %d", name, ref.Level)
		}
		checkTree(t, s, ref)
		wantContents(t, read(t, s, ref, 100_000), data[:small])
		whole, blocks := s.edit(t, ref, small, small, s.seal(t, filetree.Sealer{}, 0, data[:small]))
		if whole.Level != filetree.LevelChunk || len(blocks) > 0 {
			t.Errorf("%s, written anew: level %d", name, whole.Level)
		}
		grown, _ := s.edit(t, ref, small, 3*small)
		wantContents(t, read(t, s, grown, 1<<20), append(bytes.Clone(data[:small]), make([]byte, 2*small)...))
	}
}

// A walk by verify keys meets each patch once, and knows how long its block is.
func TestAWalkMeetsPatches(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, data, dirty := patched(t, s, small)
	v := &visitor{}
	if err := filetree.WalkVerify(t.Context(), s, ref.Verify(), v); err != nil {
		t.Fatal(err)
	}
	patches, bytes := 0, int64(0)
	for off := int64(0); off < int64(len(data)); off += small {
		leaf, err := filetree.NewReader(s, ref, nil).LeafAt(t.Context(), off)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Patch == nil {
			continue
		}
		patches++
		bytes += leaf.Patch.Len
		met := slices.IndexFunc(v.visited, func(r filetree.VerifyRef) bool { return r.ID == leaf.Patch.ID })
		if met < 0 || v.visited[met].Size != uint64(leaf.Patch.Len) || v.visited[met].LeastSealedLen() > int64(len(s.blocks[leaf.Patch.ID])) {
			t.Errorf("the patch of the chunk at %d wasn't met as it is", off)
		}
	}
	want := int64(0)
	for _, d := range dirty {
		want += d.n
	}
	if patches != 5 || bytes != want || len(v.visited) != 1+5+5 {
		t.Errorf("%d patches of %d bytes, %d visits", patches, bytes, len(v.visited))
	}
}

// What a read of a patched chunk asks the source for.
func TestCostOfReadingPatchedChunks(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, data, dirty := patched(t, s, mib)
	const head, frame = 16 + 64*32, 16<<10 + 16
	random := func(off int64) string {
		t.Helper()
		r := filetree.NewReader(s, ref, nil)
		if _, err := r.LeafAt(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		s.resetCounts()
		p := make([]byte, 4096)
		if _, err := r.ReadAt(t.Context(), p, off); err != nil {
			t.Fatal(err)
		}
		wantContents(t, p, data[off:off+4096])
		n := int64(0)
		for _, r := range s.ranges {
			n += r.n
		}
		return fmt.Sprintf("%d requests, frames and heads: %v", len(s.ranges), n)
	}
	// The patch of the second chunk holds 10,000 bytes in one frame.
	const patch = 16 + 32 + 10_000 + 16
	for _, tt := range []struct {
		what string
		off  int64
		want string
	}{
		{"all in the patch", 2*mib - 5000, fmt.Sprintf("1 requests, frames and heads: %v", patch)},
		{"beside the patch", mib + 300*kib, fmt.Sprintf("2 requests, frames and heads: %v", head+frame)},
		{"half in the patch", 2*mib - 12_000, fmt.Sprintf("3 requests, frames and heads: %v", head+frame+patch)},
		{"a hole, in the patch", 3*mib + 4096, fmt.Sprintf("1 requests, frames and heads: %v", 16+3*32+frame)},
		{"a hole, beside the patch", 3*mib + 40_000, "0 requests, frames and heads: 0"},
	} {
		if got := random(tt.off); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
	// Whole chunks go past the cache, what is written over them doesn't.
	cache := filetree.NewCache(64 << 20)
	r := filetree.NewReader(s, ref, cache)
	for off := int64(0); off < int64(len(data)); off += mib {
		p := make([]byte, min(mib, int64(len(data))-off))
		if _, err := r.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p, data[off:off+int64(len(p))]) {
			t.Fatalf("the chunk at %d: other bytes, %v", off, err)
		}
	}
	if got := cache.Bytes(); got > mib/2 {
		t.Errorf("%d bytes are kept of whole chunks", got)
	}
	over := int64(0)
	for _, d := range dirty {
		over += d.n
	}
	for _, step := range []int{32 << 10, 255 << 10, 1 << 20} {
		s.resetCounts()
		wantContents(t, read(t, s, ref, step), data)
		if len(s.ranges) > 5+5+1 {
			t.Errorf("steps of %d: %d range requests for 5 chunks and 5 patches: %v", step, len(s.ranges), s.ranges)
		}
		sum := int64(0)
		for _, r := range s.ranges {
			sum += r.n
		}
		if most := filetree.SealedLen(mib)*6 + 2*over; sum > most {
			t.Errorf("steps of %d: %d bytes asked for, at most %d", step, sum, most)
		}
	}
}

// A short hole at the end that is written over is no hole to grow: like a short chunk
// it stays as it is, and what follows makes the tree ragged.
func TestGrowthAfterAShortPatchedHole(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := append(random(1, small), make([]byte, 70_000)...)
	copy(data[small+100:], "written")
	end := s.over(t, holeLeaf(small, 70_000), data[small:], []filetree.Extent{{Off: 100, Len: 7}})
	base, _ := s.edit(t, filetree.Ref{}, small, small+70_000, s.seal(t, filetree.Sealer{}, 0, data[:small]), end)
	grown, _ := s.edit(t, base, small, 4*small)
	checkTree(t, s, grown)
	wantContents(t, read(t, s, grown, 100_000), append(data, make([]byte, 3*small-70_000)...))
}
