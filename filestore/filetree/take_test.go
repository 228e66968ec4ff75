package filetree_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A chunk that is taken to be written anew is what ReadAt gives of it, padded or
// not, is asked for once, as a whole, and stays out of the cache.
func TestTakenChunksAreWhole(t *testing.T) {
	t.Parallel()
	for _, sealer := range []filetree.Sealer{{}, {Pad: filetree.PadPowerOfTwo, ChunkSize: int(small)}} {
		plain := random(1, 3*small-70_000)
		s := newStore()
		var leaves []filetree.Leaf
		for off := int64(0); off < int64(len(plain)); off += small {
			leaves = append(leaves, s.seal(t, sealer, off, plain[off:min(off+small, int64(len(plain)))]))
		}
		ref, _ := s.edit(t, filetree.Ref{}, small, int64(len(plain)), leaves...)
		cache := filetree.NewCache(1 << 20)
		r := filetree.NewReader(s, ref, cache)
		for _, off := range []int64{0, small + 5, int64(len(plain)) - 1} {
			if _, err := r.LeafAt(t.Context(), off); err != nil { // brings the node
				t.Fatal(err)
			}
			before := cache.Bytes()
			s.resetCounts()
			pieces, err := r.Take(t.Context(), off, nil)
			if err != nil {
				t.Fatal(err)
			}
			begin := off - off%small
			wantContents(t, slices.Concat(pieces...), plain[begin:min(begin+small, int64(len(plain)))])
			if sealer.Pad == filetree.PadNone && len(s.ranges) != 1 {
				t.Errorf("%d reads of one chunk", len(s.ranges))
			}
			if cache.Bytes() != before {
				t.Errorf("the cache went from %d to %d bytes", before, cache.Bytes())
			}
		}
	}
}

// What Take gives goes back into Sealer.SealPieces as it is.
func TestTakenPiecesCanBeSealed(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 16 << 10, 16<<10 + 1, 100_000, small} {
		plain := random(2, n)
		s := newStore()
		ref := s.file(t, plain, small)
		pieces, err := filetree.NewReader(s, ref, nil).Take(t.Context(), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		pieces[0][0] ^= 1 // they are the caller's
		b, key, err := filetree.Sealer{}.SealPieces(nil, pieces)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		got, err := filetree.OpenChunk(nil, filetree.Ref{ID: b.ID, Key: key, Level: filetree.LevelChunk, Size: uint64(n)}, b.Data)
		plain[0] ^= 1
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v, or others", n, err)
		}
	}
}

func TestTakeRefusesWhatIsNoChunk(t *testing.T) {
	t.Parallel()
	s := newStore()
	ref, _ := s.edit(t, filetree.Ref{}, small, 2*small, s.seal(t, filetree.Sealer{}, 0, random(3, small)), holeLeaf(small, small))
	r := filetree.NewReader(s, ref, nil)
	for _, off := range []int64{-1, small, 2 * small} {
		if _, err := r.Take(t.Context(), off, nil); kind.Of(err) != kind.Invalid {
			t.Errorf("at %d: %v", off, err)
		}
	}
}

// Any damage to a chunk is found before a byte of it is taken, and a sound copy
// is asked for.
func TestTakeChecksAllFrames(t *testing.T) {
	t.Parallel()
	plain := random(4, small)
	good := newStore()
	leaf := good.seal(t, filetree.Sealer{}, 0, plain)
	whole := bytes.Clone(good.blocks[leaf.Ref.ID])
	for at := 0; at < len(whole); at += len(whole)/37 + 1 {
		bad := newStore()
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		bad.blocks[leaf.Ref.ID] = b
		if _, err := filetree.NewReader(bad, leaf.Ref, nil).Take(t.Context(), 0, nil); kind.Of(err) != kind.Corrupt {
			t.Errorf("byte %d is another: %v", at, err)
		}
		good.blocks[leaf.Ref.ID] = bytes.Clone(whole) // it is decrypted where it lies
		pieces, err := filetree.NewReader(&mirrored{store: bad, sound: good}, leaf.Ref, nil).Take(t.Context(), 0, nil)
		if err != nil || !bytes.Equal(slices.Concat(pieces...), plain) {
			t.Errorf("byte %d is another, with a sound copy: %v", at, err)
		}
	}
}

// What is cached as a whole isn't read again, and what is taken of it is a copy.
func TestTakeFromTheCache(t *testing.T) {
	t.Parallel()
	plain := random(5, small)
	s := newStore()
	r := filetree.NewReader(s, s.file(t, plain, small), nil)
	got := make([]byte, 10)
	if err := r.Prefetch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.resetCounts()
	pieces, err := r.Take(t.Context(), 0, nil)
	if err != nil || len(s.ranges) > 0 {
		t.Fatalf("%d reads, %v", len(s.ranges), err)
	}
	wantContents(t, slices.Concat(pieces...), plain)
	clear(pieces[0])
	if _, err := r.ReadAt(t.Context(), got, 0); err != nil || !bytes.Equal(got, plain[:10]) {
		t.Errorf("what lies in the cache has changed: %v", err)
	}
}

// What is kept of a chunk that was just sealed is read without its block; what
// can't be that chunk is not kept.
func TestKeptChunksAreNotRead(t *testing.T) {
	t.Parallel()
	plain := random(6, small+40_000)
	s := newStore()
	ref := s.file(t, plain, small)
	for _, tt := range []struct {
		off, n int64
		reads  int
	}{{small, 40_000, 0}, {small, 39_999, 1}, {small + 1, 39_999, 1}, {-1, 10, 1}, {2 * small, 10, 1}} {
		r := filetree.NewReader(s, ref, nil)
		r.Keep(t.Context(), tt.off, bytes.Clone(plain[small:small+tt.n]))
		s.resetCounts()
		got := make([]byte, 20_000)
		if _, err := r.ReadAt(t.Context(), got, small); err != nil || !bytes.Equal(got, plain[small:small+20_000]) || len(s.ranges) != tt.reads {
			t.Errorf("%d bytes kept at %d: %d reads, want %d, %v", tt.n, tt.off, len(s.ranges), tt.reads, err)
		}
	}
}

// A chunk is read into its taker's memory once, if that is large enough; what a
// padded one needs besides lies elsewhere, and nothing is overwritten.
func TestTakeIntoRoom(t *testing.T) {
	t.Parallel()
	for _, sealer := range []filetree.Sealer{{}, {Pad: filetree.PadPowerOfTwo, ChunkSize: int(small)}} {
		plain := random(7, small-70_000)
		s := &roomy{store: newStore()}
		leaf := s.seal(t, sealer, 0, plain)
		r := filetree.NewReader(s, leaf.Ref, nil)
		for _, room := range [][]byte{make([]byte, filetree.RunRoom(small)), make([]byte, 1000), nil} {
			s.used = 0
			pieces, err := r.Take(t.Context(), 0, filetree.NewRoom(room))
			if err != nil {
				t.Fatal(err)
			}
			wantContents(t, slices.Concat(pieces...), plain)
			if want := min(len(room)/200_000, 1); s.used != want {
				t.Errorf("a room of %d bytes was used %d times", len(room), s.used)
			}
		}
	}
}
