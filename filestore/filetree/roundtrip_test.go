package filetree_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

var boundarySizes = []int64{
	1, 15, 16, 17, 4096, 64*kib - 1, 64 * kib, 64*kib + 1, 128 * kib, 128*kib + 1,
	small - 1, small, small + 1, 2*small - 1, 2 * small, 3*small + 12345,
}

func TestRoundTripAtBoundarySizes(t *testing.T) {
	t.Parallel()
	for _, size := range boundarySizes {
		for _, step := range []int{4096, 65536, 261120, 1 << 20} {
			s := newStore()
			data := random(uint64(size), size)
			ref := s.file(t, data, small)
			if one := size <= small; one != (ref.Level == filetree.LevelChunk) {
				t.Errorf("size %d: level %d", size, ref.Level)
			}
			wantContents(t, read(t, s, ref, step), data)
		}
	}
}

func TestRoundTripOfTreesAtNodeBoundaries(t *testing.T) {
	t.Parallel()
	// One chunk of data is enough to fill 128 * 128 places.
	s := newStore()
	data := random(1, small)
	leaf := s.seal(t, filetree.Sealer{}, 0, data)
	last := s.seal(t, filetree.Sealer{}, 0, data[:100])
	for _, chunks := range []int64{127, 128, 129, 128*128 - 1, 128 * 128, 128*128 + 1} {
		for _, tail := range []int64{0, 100} {
			t.Run(fmt.Sprint(chunks, tail), func(t *testing.T) {
				var leaves []filetree.Leaf
				for i := range chunks {
					leaves = append(leaves, filetree.Leaf{Off: i * small, Len: small, Ref: leaf.Ref})
				}
				if tail > 0 {
					leaves = append(leaves, filetree.Leaf{Off: chunks * small, Len: tail, Ref: last.Ref})
				}
				ref, _ := s.edit(t, filetree.Ref{}, small, chunks*small+tail, leaves...)
				wantLevel := uint8(0)
				for n := int64(128); n < int64(len(leaves)); n *= 128 {
					wantLevel++
				}
				if ref.Level != wantLevel {
					t.Errorf("level %d, want %d", ref.Level, wantLevel)
				}
				checkTree(t, s, ref)
				r := filetree.NewReader(s, ref, nil)
				for _, i := range []int64{0, 1, 126, 127, 128, chunks / 2, chunks - 1, chunks} {
					p := make([]byte, 10)
					off := i*small + 30
					n, err := r.ReadAt(t.Context(), p, off)
					if i > chunks || i == chunks && tail == 0 {
						if n != 0 || err != io.EOF {
							t.Errorf("past the end: %d, %v", n, err)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					wantContents(t, p, data[30:40])
				}
			})
		}
	}
}

func TestReadAtGivesEOFAsAReaderAt(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, 300*kib)
	r := filetree.NewReader(s, s.file(t, data, small), nil)
	tests := []struct {
		off   int64
		n     int
		want  int
		isEOF bool
	}{
		{0, 0, 0, false},
		{0, 10, 10, false},
		{300*kib - 10, 10, 10, false},
		{300*kib - 10, 11, 10, true},
		{300 * kib, 1, 0, true},
		{1 << 60, 1, 0, true},
		{small - 1, 2, 2, false},
	}
	for _, tt := range tests {
		p := make([]byte, tt.n)
		n, err := r.ReadAt(t.Context(), p, tt.off)
		if n != tt.want || (err == io.EOF) != tt.isEOF || !tt.isEOF && err != nil {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v", tt.n, tt.off, n, err)
		}
		if n > 0 {
			wantContents(t, p[:n], data[tt.off:tt.off+int64(n)])
		}
	}
	empty := filetree.NewReader(s, filetree.Ref{}, nil)
	if n, err := empty.ReadAt(t.Context(), make([]byte, 1), 0); n != 0 || err != io.EOF {
		t.Errorf("empty file: %d, %v", n, err)
	}
}

func TestPaddedChunks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pad       filetree.Padding
		plain     int64
		wantPlain int64 // inside the block
	}{
		{filetree.PadNone, 5000, 5000},
		{filetree.Pad4096, 1, 4096},
		{filetree.Pad4096, 4096, 4096},
		{filetree.Pad4096, 4097, 8192},
		{filetree.Pad4096, small - 1, small},
		{filetree.Pad4096, small, small},
		{filetree.PadPowerOfTwo, 1, 1},
		{filetree.PadPowerOfTwo, 3, 4},
		{filetree.PadPowerOfTwo, 65537, 131072},
		{filetree.PadPowerOfTwo, 130 * kib, 256 * kib},
		{filetree.PadPowerOfTwo, small, small},
		{filetree.PadPowerOfTwo, 64*kib - 5, 64 * kib},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.pad, tt.plain), func(t *testing.T) {
			s := newStore()
			sealer := filetree.Sealer{Pad: tt.pad, ChunkSize: int(small)}
			first, data := random(1, small), random(2, tt.plain)
			whole := append(append([]byte{}, first...), data...)
			leaf := s.seal(t, sealer, small, data)
			if got := int64(len(s.blocks[leaf.Ref.ID])); got != filetree.SealedLen(tt.wantPlain) {
				t.Errorf("block of %d bytes, want %d", got, filetree.SealedLen(tt.wantPlain))
			}
			if err := blockstore.CheckID(leaf.Ref.ID, s.blocks[leaf.Ref.ID]); err != nil {
				t.Error(err)
			}
			wantContents(t, read(t, s, leaf.Ref, 100_000), data) // as a file of its own
			ref, _ := s.edit(t, filetree.Ref{}, small, int64(len(whole)), s.seal(t, sealer, 0, first), leaf)
			for _, step := range []int{30_000, 261120, 1 << 20} {
				wantContents(t, read(t, s, ref, step), whole)
			}
			r := filetree.NewReader(s, ref, nil) // a random read of the last byte
			p := make([]byte, 1)
			if _, err := r.ReadAt(t.Context(), p, int64(len(whole))-1); err != nil || p[0] != data[len(data)-1] {
				t.Errorf("last byte: %v", err)
			}
			got, err := filetree.OpenChunk([]byte("x"), leaf.Ref, s.blocks[leaf.Ref.ID])
			if err != nil {
				t.Fatal(err)
			}
			wantContents(t, got, append([]byte("x"), data...))
		})
	}
}

func TestHoles(t *testing.T) {
	t.Parallel()
	s := newStore()
	for _, size := range []int64{1, small, small + 1, 128 * small, 128*small + 1, 1 << 40, 1 << 62, filetree.MaxSize} {
		ref, blocks := s.edit(t, filetree.Ref{}, small, size)
		if len(blocks) != 1 {
			t.Errorf("a file of one hole of %d bytes has %d blocks, want 1", size, len(blocks))
		}
		r := filetree.NewReader(s, ref, nil)
		for _, off := range []int64{0, size / 2, size - 1} {
			p := []byte{1}
			if _, err := r.ReadAt(t.Context(), p, off); err != nil || p[0] != 0 {
				t.Errorf("size %d: byte %d = %d, %v", size, off, p[0], err)
			}
		}
		checkTree(t, s, ref)
	}
	// One chunk far out in a large hole costs one path.
	data := random(1, small)
	size := int64(1) << 50
	ref, blocks := s.edit(t, filetree.Ref{}, small, size, s.seal(t, filetree.Sealer{}, 1<<49, data))
	if len(blocks) > 5 {
		t.Errorf("%d nodes for one chunk", len(blocks))
	}
	checkTree(t, s, ref)
	got := make([]byte, small+20)
	if _, err := filetree.NewReader(s, ref, nil).ReadAt(t.Context(), got, 1<<49-10); err != nil {
		t.Fatal(err)
	}
	wantContents(t, got, append(append(make([]byte, 10), data...), make([]byte, 10)...))
}
