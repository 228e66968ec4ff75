package filetree_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// wantCorrupt reads the file in short and in long steps, and from its middle;
// each must fail as Corrupt, and what was given before must be true.
func wantCorrupt(t *testing.T, what string, src filetree.Source, ref filetree.Ref, truth []byte) {
	t.Helper()
	for _, step := range []int{5000, 100_000, 1 << 20} {
		got, err := readErr(t, src, ref, step)
		if kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: read in steps of %d: %v, want Corrupt", what, step, err)
		}
		if !bytes.HasPrefix(truth, got) {
			t.Errorf("%s: read in steps of %d gave %d bytes, not all true", what, step, len(got))
		}
	}
}

// threeBlocks is a file of two chunks and a node.
func threeBlocks(t *testing.T) (*store, filetree.Ref, []byte) {
	s := newStore()
	data := random(7, small+70_000)
	return s, s.file(t, data, small), data
}

// places are offsets of a block that cover each of its parts: all of header,
// frame hashes and tags, and the data in steps.
func places(n int) []int {
	var out []int
	for i := 0; i < n; i++ {
		if i < 200 || n-i < 40 || i%4999 == 0 || i%(64<<10) < 40 {
			out = append(out, i)
		}
	}
	return out
}

func TestAFlippedBitIsCorrupt(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	for id, block := range s.blocks {
		for _, i := range places(len(block)) {
			if testing.Short() && i%7 != 0 {
				continue
			}
			lied := bytes.Clone(block)
			lied[i] ^= 1 << (i % 8)
			s.blocks[id] = lied
			got, err := readErr(t, s, ref, 100_000)
			if kind.Of(err) != kind.Corrupt || !bytes.HasPrefix(data, got) {
				t.Fatalf("byte %d of a block of %d flipped: %d bytes, %v", i, len(block), len(got), err)
			}
		}
		s.blocks[id] = block
	}
	wantContents(t, read(t, s, ref, 100_000), data)
}

func TestALostOrCutBlockIsCorrupt(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	for id, block := range s.blocks {
		for _, n := range []int{0, 1, 15, 16, 17, 47, 48, len(block) / 2, len(block) - 16, len(block) - 1} {
			s.blocks[id] = block[:n]
			wantCorrupt(t, fmt.Sprintf("a block of %d cut to %d", len(block), n), s, ref, data)
		}
		delete(s.blocks, id)
		wantCorrupt(t, "a lost block", s, ref, data)
		s.blocks[id] = block
	}
}

func TestALongerBlockIsCorrupt(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	s.blocks[ref.ID] = append(bytes.Clone(s.blocks[ref.ID]), 0)
	wantCorrupt(t, "a node with a byte more", s, ref, data)
	leaf := s.seal(t, filetree.Sealer{}, 0, data[:100_000])
	block := append(bytes.Clone(s.blocks[leaf.Ref.ID]), 0)
	if _, err := filetree.OpenChunk(nil, leaf.Ref, block); kind.Of(err) != kind.Corrupt {
		t.Errorf("a chunk with a byte more: %v", err)
	}
}

func TestSwappedAndReplayedBlocksAreCorrupt(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	newer := random(8, int64(len(data)))
	ref2 := s.file(t, newer, small)
	old, fresh := s.blocks[ref.ID], s.blocks[ref2.ID]
	s.blocks[ref2.ID] = old
	wantCorrupt(t, "the older version's root", s, ref2, newer)
	s.blocks[ref2.ID] = fresh

	ids := slices.Collect(func(yield func(blockstore.ID) bool) {
		for id := range s.blocks {
			if !yield(id) {
				return
			}
		}
	})
	for i, a := range ids {
		for _, b := range ids[:i] {
			x, y := s.blocks[a], s.blocks[b]
			s.blocks[a], s.blocks[b] = y, x
			_, err1 := readErr(t, s, ref, 1<<20)
			_, err2 := readErr(t, s, ref2, 1<<20)
			for _, err := range []error{err1, err2} {
				if err != nil && kind.Of(err) != kind.Corrupt {
					t.Errorf("swapped blocks: %v", err)
				}
			}
			if err1 == nil && err2 == nil {
				t.Error("swapped blocks: both files can be read")
			}
			s.blocks[a], s.blocks[b] = x, y
		}
	}
}

func TestALyingReferenceIsCorrupt(t *testing.T) {
	t.Parallel()
	s, tree, data := threeBlocks(t)
	one := s.seal(t, filetree.Sealer{}, 0, data[:100_000]).Ref
	otherKey := caps.KeyOf([32]byte{1})
	lies := map[string]func(r *filetree.Ref){
		"key":                  func(r *filetree.Ref) { r.Key = otherKey },
		"no key":               func(r *filetree.Ref) { r.Key = caps.Key{} },
		"size + 1":             func(r *filetree.Ref) { r.Size++ },
		"size - 1":             func(r *filetree.Ref) { r.Size-- },
		"size 1":               func(r *filetree.Ref) { r.Size = 1 },
		"size 4 MiB":           func(r *filetree.Ref) { r.Size = 4 << 20 },
		"size 4 MiB + 1":       func(r *filetree.Ref) { r.Size = 4<<20 + 1 },
		"size 2^63 - 1":        func(r *filetree.Ref) { r.Size = 1<<63 - 1 },
		"size 2^63":            func(r *filetree.Ref) { r.Size = 1 << 63 },
		"size 2^64 - 1":        func(r *filetree.Ref) { r.Size = 1<<64 - 1 },
		"size 0":               func(r *filetree.Ref) { r.Size = 0 },
		"another id":           func(r *filetree.Ref) { r.ID[0] ^= 1 },
		"zero id":              func(r *filetree.Ref) { r.ID = blockstore.ID{} },
		"level 1":              func(r *filetree.Ref) { r.Level = 1 },
		"level 7":              func(r *filetree.Ref) { r.Level = 7 },
		"level 8":              func(r *filetree.Ref) { r.Level = 8 },
		"level 254":            func(r *filetree.Ref) { r.Level = 254 },
		"the other sort":       func(r *filetree.Ref) { r.Level = ^r.Level },
		"verify key as key":    func(r *filetree.Ref) { r.Key = tree.Verify().Key },
		"the other's id":       func(r *filetree.Ref) { r.ID = map[bool]blockstore.ID{true: one.ID, false: tree.ID}[r.ID == tree.ID] },
		"the other's key":      func(r *filetree.Ref) { r.Key = map[bool]caps.Key{true: one.Key, false: tree.Key}[r.ID == tree.ID] },
		"one byte of key else": func(r *filetree.Ref) { k := *r.Key.Raw(); k[31] ^= 1; r.Key = caps.KeyOf(k) },
	}
	for name, lie := range lies {
		for sort, ref := range map[string]filetree.Ref{"node": tree, "chunk": one} {
			lie(&ref)
			r := filetree.NewReader(s, ref, nil)
			p := bytes.Repeat([]byte{0xAA}, 100)
			n, err := r.ReadAt(t.Context(), p, 0)
			if n != 0 || kind.Of(err) != kind.Corrupt {
				t.Errorf("%s of a %s: %d bytes, %v", name, sort, n, err)
			}
			if i := bytes.Index(data, p[:10]); i >= 0 {
				t.Errorf("%s of a %s: the buffer holds plaintext", name, sort)
			}
		}
	}
}

func TestErrorsOfTheSource(t *testing.T) {
	t.Parallel()
	s, ref, data := threeBlocks(t)
	for _, k := range []kind.Kind{kind.Unavailable, kind.Corrupt, kind.Closed} {
		for _, atChunk := range []bool{false, true} {
			r := filetree.NewReader(s, ref, nil)
			p := make([]byte, 100)
			if atChunk {
				if _, err := r.LeafAt(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}
			s.fail = fmt.Errorf("store: %w", k)
			n, err := r.ReadAt(t.Context(), p, 0)
			if n != 0 || kind.Of(err) != k {
				t.Errorf("%v from the source became %d, %v", k, n, err)
			}
			s.fail = nil // what failed once may be right the next time
			if _, err := r.ReadAt(t.Context(), p, 0); err != nil {
				t.Errorf("after %v: %v", k, err)
			}
			wantContents(t, p, data[:100])
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.fail = ctx.Err()
	if _, err := filetree.NewReader(s, ref, nil).ReadAt(ctx, make([]byte, 1), 0); kind.Of(err) != kind.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestADamagedFrameHurtsItsOwnBytesOnly(t *testing.T) {
	t.Parallel()
	s := newStore()
	data := random(1, small)
	leaf := s.seal(t, filetree.Sealer{}, 0, data)
	block := s.blocks[leaf.Ref.ID]
	block[len(block)-100] ^= 1 // in the last frame
	r := filetree.NewReader(s, leaf.Ref, nil)
	p := make([]byte, 192*kib)
	if _, err := r.ReadAt(t.Context(), p, 0); err != nil { // fetches the whole chunk
		t.Fatal(err)
	}
	wantContents(t, p, data[:192*kib])
	n, err := r.ReadAt(t.Context(), p[:100*kib], 150*kib)
	if n != 0 || kind.Of(err) != kind.Corrupt {
		t.Errorf("into the damaged frame: %d, %v", n, err)
	}
	block[len(block)-100] ^= 1 // repaired
	if _, err := r.ReadAt(t.Context(), p[:100*kib], 156*kib); err != nil {
		t.Errorf("after the repair: %v", err)
	}
	wantContents(t, p[:100*kib], data[156*kib:])
}

func TestReadingChangesNoByteOfTheSource(t *testing.T) {
	t.Parallel()
	s, ref, _ := threeBlocks(t)
	before := map[blockstore.ID][]byte{}
	for id, b := range s.blocks {
		before[id] = bytes.Clone(b)
	}
	for _, step := range []int{1000, 100_000, 1 << 20} {
		read(t, s, ref, step)
	}
	checkTree(t, s, ref)
	s.edit(t, ref, small, 10*small)
	for id, b := range before {
		if !bytes.Equal(s.blocks[id], b) {
			t.Errorf("block %v was written to", id)
		}
	}
}
