package filetree_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// roomy is a Source that reads into its caller's memory, and notes how often.
type roomy struct {
	*store
	used int
}

func (r *roomy) ChunkRangeIn(ctx context.Context, id blockstore.ID, total, off, n int64, room []byte) ([]byte, error) {
	data, err := r.ChunkRange(ctx, id, total, off, n)
	if err != nil || int64(cap(room)) < blockstore.RangeRoom(n) {
		return data, err
	}
	r.used++
	return append(room[:100], data...)[100:], nil
}

// streamed reads a part of a file by Runs of at most unit bytes, each in the same
// room, so many bytes at a time.
func streamed(t *testing.T, r *filetree.Reader, off, n, unit int64, step int) ([]byte, error) {
	t.Helper()
	room := make([]byte, filetree.RunRoom(unit))
	var all []byte
	var before *filetree.Run
	for end := off + n; off < end; {
		u, err := r.Fetch(t.Context(), off, min(unit, end-off), before, filetree.NewRoom(room))
		if err != nil {
			return all, err
		}
		off += u.Len()
		p := make([]byte, step)
		for {
			m, err := u.Read(p)
			if err == io.EOF && m == 0 {
				break
			}
			if err != nil {
				return all, err
			}
			if m < len(p) && u.Len() > 0 {
				t.Fatalf("%d bytes where there is room for %d and %d more are there", m, len(p), u.Len())
			}
			all = append(all, p[:m]...)
		}
		for i := range room {
			room[i] = 0xa5 // it is no longer the run's
		}
		before = u
	}
	return all, nil
}

// What runs give is what lies in the file: of files of all shapes, from anywhere, in
// units and steps of any length.
func TestRunsGiveTheFile(t *testing.T) {
	t.Parallel()
	plain := random(1, 3*small+70_001)
	s := newStore()
	shapes := map[string]filetree.Ref{"a tree": s.file(t, plain, small), "one chunk": s.file(t, plain[:small-5], small)}
	padded := filetree.Sealer{Pad: filetree.PadPowerOfTwo, ChunkSize: int(small)}
	var leaves []filetree.Leaf
	for off := int64(0); off < int64(len(plain)); off += small {
		leaves = append(leaves, s.seal(t, padded, off, plain[off:min(off+small, int64(len(plain)))]))
	}
	shapes["padded"], _ = s.edit(t, filetree.Ref{}, small, int64(len(plain)), leaves...)
	holed := bytes.Clone(plain)
	clear(holed[small : 2*small])
	shapes["with a hole"], _ = s.edit(t, shapes["a tree"], small, int64(len(plain)), holeLeaf(small, small))
	ragged, blocks, err := filetree.Join(parts(s.file(t, plain[:100_001], small), s.file(t, plain[100_001:], 2*small)))
	if err != nil {
		t.Fatal(err)
	}
	s.put(blocks...)
	shapes["joined"] = ragged
	for name, ref := range shapes {
		want := plain[:ref.Size]
		if name == "with a hole" {
			want = holed
		}
		size := int64(ref.Size)
		src := &roomy{store: s}
		r := filetree.NewReader(src, ref, nil)
		for _, part := range [][2]int64{{0, size}, {1, size - 1}, {16383, 2}, {16384, 16384}, {size / 2, size - size/2}, {size - 1, 1}, {small - 3, 6}} {
			for _, unit := range []int64{small, 10_000} {
				for _, step := range []int{256 << 10, 16<<10 - 1} {
					if off, n := part[0], min(part[1], size-part[0]); n > 0 {
						got, err := streamed(t, r, off, n, unit, step)
						if err != nil || !bytes.Equal(got, want[off:off+n]) {
							t.Fatalf("%s: %d bytes at %d by %d and %d: %d bytes, or other ones: %v", name, n, off, unit, step, len(got), err)
						}
					}
				}
			}
		}
		if src.used == 0 {
			t.Errorf("%s: nothing was read into the room", name)
		}
	}
}

// Nothing of a damaged run is given, wherever the damage is; and what doesn't open
// with its key is an error for good, never an end.
func TestADamagedRunGivesNothing(t *testing.T) {
	t.Parallel()
	plain := random(2, small)
	s := newStore()
	leaf := s.seal(t, filetree.Sealer{}, 0, plain)
	good := s.blocks[leaf.Ref.ID]
	for _, at := range []int{0, 9, 16, 600, 700, 20_000, len(good) / 2, len(good) - 1} {
		bad := newStore()
		bad.blocks[leaf.Ref.ID] = slices.Clone(good)
		bad.blocks[leaf.Ref.ID][at] ^= 1
		if got, err := streamed(t, filetree.NewReader(&roomy{store: bad}, leaf.Ref, nil), 0, small, small, 1000); kind.Of(err) != kind.Corrupt || len(got) > 0 {
			t.Errorf("damaged at %d: %d bytes, %v", at, len(got), err)
		}
		whole := newStore()
		whole.blocks[leaf.Ref.ID] = slices.Clone(good) // a block that is read again is the reader's own
		src := &mirrored{store: bad, sound: whole}
		if got, err := streamed(t, filetree.NewReader(src, leaf.Ref, nil), 0, small, small, 1000); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("damaged at %d, with a sound copy: %d bytes, %v", at, len(got), err)
		}
	}
	other := leaf.Ref
	other.Key = caps.KeyOf([32]byte{1})
	u, err := filetree.NewReader(s, other, nil).Fetch(t.Context(), 0, small, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n, err := u.Read(make([]byte, 1000)); n != 0 || kind.Of(err) != kind.Corrupt {
			t.Errorf("with another key: %d bytes, %v", n, err)
		}
	}
}

// A run takes what the cache has, and leaves it as it is; it never writes to what a
// source keeps.
func TestRunsAndTheCache(t *testing.T) {
	t.Parallel()
	plain := random(3, small)
	s := newStore()
	ref := s.file(t, plain, small)
	cache := filetree.NewCache(4 << 20)
	r := filetree.NewReader(s, ref, cache)
	if _, err := streamed(t, r, 0, small, 64*kib, 1000); err != nil || cache.Bytes() != 0 {
		t.Errorf("a stream left %d bytes in the cache: %v", cache.Bytes(), err)
	}
	if err := r.Prefetch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.resetCounts()
	got, err := streamed(t, r, 10, small-10, small, 1000)
	if err != nil || !bytes.Equal(got, plain[10:]) || len(s.ranges) != 0 {
		t.Errorf("a run of what the cache has: %d bytes, %d reads, %v", len(got), len(s.ranges), err)
	}
	forged := ref
	forged.Key = caps.KeyOf([32]byte{7})
	if got, err := streamed(t, filetree.NewReader(s, forged, cache), 0, small, small, 1000); kind.Of(err) != kind.Corrupt || len(got) != 0 {
		t.Errorf("the cache gave %d bytes to one who has another key: %v", len(got), err)
	}
}

// One head is enough for the runs of a chunk that follow one another, and a room is
// where its run lies.
func TestRunsAskForLittle(t *testing.T) {
	t.Parallel()
	plain := random(4, small)
	s := newStore()
	src := &roomy{store: s}
	r := filetree.NewReader(src, s.file(t, plain, small), nil)
	if _, err := streamed(t, r, 0, small, 64*kib, 1000); err != nil || len(s.ranges) != 4 || src.used != 4 {
		t.Errorf("%d reads, %d of them into the room, of a chunk in 4 units: %v", len(s.ranges), src.used, err)
	}
}

// RunRoom holds any run of its length, wherever it begins, with pages around it.
func TestRunRoom(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 16 << 10, 100_000, 256 << 10, filetree.MaxChunkSize} {
		h := blockstore.ChunkHeader(filetree.MaxChunkSize)
		first, _ := h.Frame(0)
		for _, at := range []int64{0, 1, 16383} {
			off, m := h.Frame(int(min(int64(h.Len2)-1, (at+n-1)/blockstore.FrameSize)))
			if need := blockstore.RangeRoom(first + off + m - first); filetree.RunRoom(n) < need {
				t.Errorf("%d bytes at %d need %d, RunRoom is %d", n, at, need, filetree.RunRoom(n))
			}
		}
	}
}

func TestFetchRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newStore()
	r := filetree.NewReader(s, s.file(t, random(5, small), small), nil)
	for _, part := range [][2]int64{{-1, 1}, {small, 1}, {0, 0}, {0, -1}} {
		if _, err := r.Fetch(t.Context(), part[0], part[1], nil, nil); kind.Of(err) != kind.Invalid {
			t.Errorf("%d bytes at %d: %v", part[1], part[0], err)
		}
	}
}
