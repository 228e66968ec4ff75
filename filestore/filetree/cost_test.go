package filetree_test

import (
	"testing"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// big makes a file of n chunks of mib plus tail bytes, all chunks being one.
func big(t testing.TB, s *store, chunks, tail int64) filetree.Ref {
	t.Helper()
	full := s.seal(t, filetree.Sealer{}, 0, random(1, mib))
	var leaves []filetree.Leaf
	for i := range chunks {
		leaves = append(leaves, filetree.Leaf{Off: i * mib, Len: mib, Ref: full.Ref})
	}
	if tail > 0 {
		leaves = append(leaves, s.seal(t, filetree.Sealer{}, chunks*mib, random(2, tail)))
	}
	ref, _ := s.edit(t, filetree.Ref{}, mib, chunks*mib+tail, leaves...)
	return ref
}

// cost is what an edit may store, chunks excepted, and read.
type cost struct{ nodes, bytes, reads int }

// TestCostFollowsTheChange is law 7: what an edit of a file stores depends on
// the edit and the height of the tree, not on the file.
func TestCostFollowsTheChange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		chunks, tail int64
		size         int64 // of the new file; -1: as it was
		leaf         span  // n 0: none
		max          cost
	}{
		{"overwrite in 1 chunk", 1, 0, -1, span{0, mib}, cost{0, 0, 0}},
		{"overwrite in 100 chunks", 100, 0, -1, span{50 * mib, mib}, cost{1, 10 << 10, 1}},
		{"overwrite in 10,000 chunks", 10_000, 0, -1, span{5000 * mib, mib}, cost{2, 20 << 10, 2}},
		{"overwrite in 20,000 chunks", 20_000, 0, -1, span{5000 * mib, mib}, cost{3, 25 << 10, 3}},
		{"append a chunk to 10,000", 10_000, 0, 10_001 * mib, span{10_000 * mib, mib}, cost{2, 20 << 10, 2}},
		{"append a byte after a short tail of 255.9 MiB", 255, mib * 9 / 10, 255*mib + mib*9/10 + 1, span{255*mib + mib*9/10, 1}, cost{3, 20 << 10, 4}},
		{"append a byte to one short chunk", 0, mib * 9 / 10, mib*9/10 + 1, span{mib * 9 / 10, 1}, cost{1, 500, 0}},
		{"append a byte to 16,384 full chunks", 16_384, 0, 16_384*mib + 1, span{16_384 * mib, 1}, cost{3, 20 << 10, 1}},
		{"cut 10,000 chunks in the middle", 10_000, 0, 5000 * mib, span{}, cost{2, 20 << 10, 2}},
		{"cut 10,000 chunks to the first", 10_000, 0, mib, span{}, cost{0, 0, 2}},
		{"grow 10,000 chunks by a hole of 1 PiB", 10_000, 0, 1 << 50, span{}, cost{5, 65 << 10, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore()
			base := big(t, s, tt.chunks, tt.tail)
			size := tt.size
			if size < 0 {
				size = int64(base.Size)
			}
			var leaves []filetree.Leaf
			if tt.leaf.n > 0 {
				leaves = s.leaves(t, tt.leaf.off, random(3, tt.leaf.n), mib)
			}
			s.resetCounts()
			ref, blocks := s.edit(t, base, mib, size, leaves...)
			got := cost{nodes: len(blocks), reads: s.nodes}
			for _, b := range blocks {
				got.bytes += len(b.Data)
			}
			t.Logf("%+v", got)
			if got.nodes > tt.max.nodes || got.bytes > tt.max.bytes || got.reads > tt.max.reads {
				t.Errorf("the edit cost %+v, more than %+v", got, tt.max)
			}
			if len(s.ranges) > 0 {
				t.Errorf("the edit read chunks: %v", s.ranges)
			}
			if ref.Size != uint64(size) {
				t.Errorf("size %d, want %d", ref.Size, size)
			}
			checkTree(t, s, ref)
		})
	}
}

// TestAStreamAsksOncePerChunk counts the range requests of sequential reads.
func TestAStreamAsksOncePerChunk(t *testing.T) {
	t.Parallel()
	for _, step := range []int{32 << 10, 255 << 10, 1 << 20} {
		s := newStore()
		data := random(1, 4*mib+1000)
		ref := s.file(t, data, mib)
		s.resetCounts()
		wantContents(t, read(t, s, ref, step), data)
		// The very first short read may be a random one.
		if extra := len(s.ranges) - 5; extra > 1 || extra > 0 && step >= 128<<10 {
			t.Errorf("steps of %d: %d range requests for 5 chunks: %v", step, len(s.ranges), s.ranges)
		}
		if s.nodes != 1 {
			t.Errorf("steps of %d: %d node requests", step, s.nodes)
		}
	}
}

// TestARandomReadFetchesItsFramesOnly checks what 4 KiB of a cold chunk cost.
func TestARandomReadFetchesItsFramesOnly(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, 8*mib)
	ref := s.file(t, data, mib)
	r := filetree.NewReader(s, ref, nil)
	p := make([]byte, 4096)
	at := func(off int64) []span {
		t.Helper()
		s.resetCounts()
		if _, err := r.ReadAt(t.Context(), p, off); err != nil {
			t.Fatal(err)
		}
		wantContents(t, p, data[off:off+4096])
		return s.ranges
	}
	sum := func(spans []span) (n int64) {
		for _, s := range spans {
			n += s.n
		}
		return n
	}
	const head, frame = 16 + 64*32, 16<<10 + 16
	if got := at(5*mib + 300*kib); len(got) != 2 || sum(got) != head+frame {
		t.Errorf("the first read asked for %v, want the head and one frame", got)
	}
	if got := at(5*mib + 296*kib); len(got) != 0 {
		t.Errorf("a second read of the frame asked for %v", got)
	}
	if got := at(5*mib + 900*kib); len(got) != 1 || sum(got) > frame {
		t.Errorf("another frame asked for %v", got)
	}
	if got := at(2 * mib); len(got) != 1 || sum(got) != head+frame {
		t.Errorf("a first frame asked for %v, want one request for head and frame", got)
	}
}
