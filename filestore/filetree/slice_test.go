package filetree_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// sliced makes the file of n bytes of ref from off on, as a copy does: what is cut
// is sealed anew, the rest is shared.
func sliced(t *testing.T, s *store, ref filetree.Ref, off, n int64) (filetree.Ref, []filetree.Piece) {
	t.Helper()
	r := filetree.NewReader(s, ref, nil)
	pieces, err := r.Slice(t.Context(), off, n)
	if err != nil {
		t.Fatal(err)
	}
	var row []filetree.Part
	at, cut := off, 0
	for _, p := range pieces {
		if p.Off != at || p.Len <= 0 {
			t.Fatalf("a piece of %d bytes from %d, want from %d", p.Len, p.Off, at)
		}
		at += p.Len
		if p.Cut {
			cut++
			plain := make([]byte, p.Len)
			if _, err := r.ReadAt(t.Context(), plain, p.Off); err != nil {
				t.Fatal(err)
			}
			p.Part = filetree.Part{Ref: s.seal(t, filetree.Sealer{}, 0, plain).Ref}
		}
		if p.Ref.Size != uint64(p.Len) {
			t.Fatalf("a piece of %d bytes refers to %d", p.Len, p.Ref.Size)
		}
		row = append(row, p.Part)
	}
	if at != off+n || cut > 2 {
		t.Fatalf("the pieces end at %d, want %d; %d are cut", at, off+n, cut)
	}
	joined, blocks, err := filetree.Join(row)
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	return joined, pieces
}

func TestASliceIsThatRange(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, 5*small+77)
	sparse, _ := s.edit(t, filetree.Ref{}, small, 133*small, s.seal(t, filetree.Sealer{}, 130*small, data[:small]))
	joined, blocks, err := filetree.Join(parts(s.file(t, data[:1000], small), s.file(t, data, small), s.file(t, data[:small+9], small), sparse))
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	padded := s.seal(t, filetree.Sealer{Pad: filetree.PadPowerOfTwo}, 0, data[:300_000]).Ref
	for name, ref := range map[string]filetree.Ref{
		"one chunk": s.file(t, data[:900], small), "aligned": s.file(t, data, small), "ragged": joined, "sparse": sparse, "padded": padded,
	} {
		t.Run(name, func(t *testing.T) {
			size := int64(ref.Size)
			want := read(t, s, ref, 1<<20)
			rng := rand.New(rand.NewPCG(3, ref.Size))
			ranges := [][2]int64{{0, size}, {0, 1}, {size - 1, 1}, {0, size - 1}, {1, size - 1}, {0, min(size, small)}, {0, 0}}
			for range 6 {
				off := rng.Int64N(size)
				ranges = append(ranges, [2]int64{off, rng.Int64N(size-off) + 1})
			}
			for _, g := range ranges {
				off, n := g[0], g[1]
				got, _ := sliced(t, s, ref, off, n)
				if got.Size != uint64(n) {
					t.Fatalf("%d from %d: size %d", n, off, got.Size)
				}
				if name != "padded" {
					checkTree(t, s, got)
				}
				if !bytes.Equal(read(t, s, got, 1<<20), want[off:off+n]) {
					t.Fatalf("%d bytes from %d are others", n, off)
				}
			}
		})
	}
}

// TestASliceCostsItsEnds: of a range of a large file two chunks are cut, and only
// the nodes above them are read.
func TestASliceCostsItsEnds(t *testing.T) {
	t.Parallel()
	s, rng := newStore(), rand.New(rand.NewPCG(1, 2))
	var leaves []filetree.Leaf
	const chunks = 20_000
	for i := range int64(chunks) {
		leaves = append(leaves, fakeChunk(rng, i*mib, mib))
	}
	ref, blocks, err := filetree.Build(t.Context(), int(mib), leaves, chunks*mib)
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	s.resetCounts()
	pieces, err := filetree.NewReader(s, ref, nil).Slice(t.Context(), 1, chunks*mib-2)
	if err != nil {
		t.Fatal(err)
	}
	if s.nodes > 6 || len(pieces) > 3*2*128 || !pieces[0].Cut || !pieces[len(pieces)-1].Cut {
		t.Errorf("%d nodes were read, for %d pieces", s.nodes, len(pieces))
	}
}

func TestSliceRefusesWhatIsntThere(t *testing.T) {
	t.Parallel()
	s := newStore()
	r := filetree.NewReader(s, s.file(t, random(1, 100), small), nil)
	for _, g := range [][2]int64{{-1, 1}, {0, -1}, {0, 101}, {100, 1}, {101, 0}, {1, 1<<63 - 1}} {
		if _, err := r.Slice(t.Context(), g[0], g[1]); kind.Of(err) != kind.Invalid {
			t.Errorf("%d bytes from %d: %v", g[1], g[0], err)
		}
	}
}
