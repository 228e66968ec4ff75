package filetree_test

import (
	"testing"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// An edit leaves the nodes that it made in the cache, as if they had been read:
// for aligned and ragged trees, with holes and without, of one level and of two.
func TestEditsWarmTheCache(t *testing.T) {
	t.Parallel()
	s := newStore()
	cache := filetree.NewCache(1 << 20)
	data := random(1, 2*small+1000)
	far := int64(200 * small)
	base := s.leaves(t, 0, data, small)
	edits := map[string][]filetree.Leaf{
		"aligned":    base,
		"with holes": append(base[:2:2], s.seal(t, filetree.Sealer{}, far, random(2, small))),
		"ragged":     append(base[:3:3], s.seal(t, filetree.Sealer{}, int64(len(data)), random(3, 5000))),
	}
	for name, leaves := range edits {
		size := leaves[len(leaves)-1].End()
		ref, blocks, err := filetree.NewReader(s, filetree.Ref{}, cache).Edit(t.Context(), int(small), size, leaves)
		if err != nil {
			t.Fatal(err)
		}
		s.put(blocks...)
		s.resetCounts()
		warm := filetree.NewReader(s, ref, cache)
		cold := filetree.NewReader(s, ref, nil)
		for off := int64(0); off < size; {
			was := s.nodes
			got, err := warm.LeafAt(t.Context(), off)
			if err != nil || s.nodes != was {
				t.Fatalf("%s at %d: %d nodes were read, %v", name, off, s.nodes-was, err)
			}
			want, err := cold.LeafAt(t.Context(), off)
			if err != nil || got.Off != want.Off || got.Len != want.Len || got.Ref.ID != want.Ref.ID || !got.Ref.Key.Equal(want.Ref.Key) {
				t.Fatalf("%s at %d: the cache has %d+%d, the store %d+%d, %v", name, off, got.Off, got.Len, want.Off, want.Len, err)
			}
			off = got.End()
		}
	}
}
