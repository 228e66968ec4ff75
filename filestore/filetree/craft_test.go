package filetree

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// blocks is a Source.
type blocks map[blockstore.ID][]byte

func (b blocks) Node(_ context.Context, id blockstore.ID) ([]byte, error) {
	if data, ok := b[id]; ok {
		return data, nil
	}
	return nil, kind.NotExist
}

func (b blocks) ChunkRange(_ context.Context, id blockstore.ID, _, off, n int64) ([]byte, error) {
	data, ok := b[id]
	if !ok {
		return nil, kind.NotExist
	}
	return bytes.Clone(data[min(off, int64(len(data))):min(off+n, int64(len(data)))]), nil
}

// crafted is a node as somebody who holds its key, and lies, would make it.
type crafted struct {
	h    blockstore.Header
	v, r []byte
}

// seal seals it as it is. A length of 0 in the header stands for the right one.
func (c crafted) seal(t testing.TB, kr caps.Key) Block {
	t.Helper()
	if c.h.Len1 == 0 {
		c.h.Len1 = uint32(len(c.v) + blockstore.TagSize)
	}
	if c.h.Len2 == 0 {
		c.h.Len2 = uint32(len(c.r) + blockstore.TagSize)
	}
	v, r, err := sectionAEADs(verifyKey(kr), kr)
	if err != nil {
		t.Fatal(err)
	}
	data := c.h.Append(nil)
	hdr, nonce := bytes.Clone(data), make([]byte, 12)
	data = v.Seal(data, nonce, c.v, hdr)
	data = r.Seal(data, nonce, c.r, hdr)
	return Block{blockstore.NodeID(data), data}
}

const craftChunk = 1 << minGrid

// craftKids are n chunks of a size in bytes, the last of another.
func craftKids(n int, size, last uint64) []child {
	var kids []child
	for i := range n {
		c := child{Ref: Ref{Key: caps.KeyOf([32]byte{1, byte(i)}), Level: LevelChunk, Size: size}}
		c.ID[0], c.ID[1] = 1, byte(i)
		if i == n-1 {
			c.Size = last
		}
		kids = append(kids, c)
	}
	return kids
}

func craft(level, grid uint8, ragged bool, kids []child) *crafted {
	c := &crafted{h: blockstore.Header{Type: blockstore.TypeFileNode, Suite: 1, Level: level}}
	if ragged {
		c.h.Flags = blockstore.FlagRagged
	}
	for i := range kids {
		if kids[i].patch != nil {
			c.h.Flags |= blockstore.FlagPatched
		}
	}
	c.v, c.r, _ = encodeSections(level, grid, ragged, kids)
	return c
}

// TestALyingNodeIsCorrupt: nodes whose id and tags are right, made by who holds
// the key, and that break a rule of formats.md 3.
func TestALyingNodeIsCorrupt(t *testing.T) {
	t.Parallel()
	three := func() []child { return craftKids(3, craftChunk, 77) }
	const threeSize = 2*craftChunk + 77
	aligned := func() *crafted { return craft(0, minGrid, false, three()) }
	ragged := func() *crafted { return craft(0, minGrid, true, three()) }
	size := func(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
	setChild := func(c *crafted, i int, n uint64) { binary.BigEndian.PutUint64(c.v[16+40*i+32:], n) }
	tests := []struct {
		name string
		make func() *crafted
		lie  func(*crafted)
		ref  uint64 // size in the reference; 0: the total
	}{
		{"n = 0", aligned, func(c *crafted) { c.v[10] = 0 }, 0},
		{"n = 0, nothing follows", aligned, func(c *crafted) { c.v[10] = 0; c.v, c.r = c.v[:16], nil }, 0},
		{"n too small", aligned, func(c *crafted) { c.v[10] = 2 }, 0},
		{"n too large", aligned, func(c *crafted) { c.v[10] = 4 }, 0},
		{"n = 65535", aligned, func(c *crafted) { c.v[9], c.v[10] = 255, 255 }, 0},
		{"n = 129", func() *crafted { return craft(0, minGrid, false, craftKids(129, craftChunk, craftChunk)) }, nil, 0},
		{"n = 129, ragged", func() *crafted { return craft(0, minGrid, true, craftKids(129, 5, 5)) }, nil, 0},
		{"a child more than the size needs", func() *crafted { return craft(0, minGrid, false, craftKids(3, craftChunk, 77)) }, func(c *crafted) { binary.BigEndian.PutUint64(c.v, 2*craftChunk) }, 0},
		{"a child fewer than the size needs", aligned, func(c *crafted) { binary.BigEndian.PutUint64(c.v, 3*craftChunk+1) }, 0},
		{"total 0", aligned, func(c *crafted) { binary.BigEndian.PutUint64(c.v, 0) }, threeSize},
		{"total 2^63", aligned, func(c *crafted) { binary.BigEndian.PutUint64(c.v, 1<<63) }, 0},
		{"total unlike the reference's", aligned, nil, threeSize - 1},
		{"chunk size 2^17", aligned, func(c *crafted) { c.v[8] = 17 }, 0},
		{"chunk size 2^23", aligned, func(c *crafted) { c.v[8] = 23 }, 0},
		{"chunk size 2^19", aligned, func(c *crafted) { c.v[8] = 19 }, 0},
		{"chunk size 2^255", aligned, func(c *crafted) { c.v[8] = 255 }, 0},
		{"bytes where zeros belong", aligned, func(c *crafted) { c.v[15] = 1 }, 0},
		{"section V longer", aligned, func(c *crafted) { c.v = append(c.v, 0) }, 0},
		{"section V shorter", aligned, func(c *crafted) { c.v = c.v[:len(c.v)-1] }, 0},
		{"section V of a prefix", aligned, func(c *crafted) { c.v = c.v[:16] }, 0},
		{"section V of 15 bytes", aligned, func(c *crafted) { c.v = c.v[:15] }, threeSize},
		{"section R longer", aligned, func(c *crafted) { c.r = append(c.r, 0) }, 0},
		{"section R a key longer", aligned, func(c *crafted) { c.r = append(c.r, make([]byte, 32)...) }, 0},
		{"section R a key shorter", aligned, func(c *crafted) { c.r = c.r[:64] }, 0},
		{"section R empty", aligned, func(c *crafted) { c.r = nil }, 0},
		{"a chunk without key", aligned, func(c *crafted) { clear(c.r[32:64]) }, 0},
		{"a hole with a key", aligned, func(c *crafted) { clear(c.v[16:48]) }, 0},
		{"header of another level", aligned, func(c *crafted) { c.h.Level = 1 }, 0},
		{"header of level 8", aligned, func(c *crafted) { c.h.Level = 8 }, 0},
		{"header of a chunk", aligned, func(c *crafted) { c.h.Type = blockstore.TypeChunk }, 0},
		{"header of a directory", aligned, func(c *crafted) { c.h.Type = blockstore.TypeDirNode }, 0},
		{"suite 2", aligned, func(c *crafted) { c.h.Suite = 2 }, 0},
		{"suite 0", aligned, func(c *crafted) { c.h.Suite = 0 }, 0},
		{"flag padded", aligned, func(c *crafted) { c.h.Flags = blockstore.FlagPadded }, 0},
		{"unknown flag", aligned, func(c *crafted) { c.h.Flags = 8 }, 0},
		{"flag patched without a patch", aligned, func(c *crafted) { c.h.Flags = blockstore.FlagPatched }, 0},
		{"flag ragged on an aligned one", aligned, func(c *crafted) { c.h.Flags = blockstore.FlagRagged }, 0},
		{"no flag on a ragged one", ragged, func(c *crafted) { c.h.Flags = 0 }, 0},
		{"section lengths moved", aligned, func(c *crafted) { c.h.Len1 = 16 + 96 + 16 + 1; c.h.Len2 = 96 + 16 - 1 }, 0},
		{"section lengths beyond the block", aligned, func(c *crafted) { c.h.Len2 = 1 << 31 }, 0},
		{"ragged: a child of 0 bytes", ragged, func(c *crafted) { setChild(c, 1, 0) }, 0},
		{"ragged: a child of 0 bytes that the total counts", ragged, func(c *crafted) {
			setChild(c, 1, 0)
			binary.BigEndian.PutUint64(c.v, size(c.v)-craftChunk)
		}, 0},
		{"ragged: children fewer than the total", ragged, func(c *crafted) { setChild(c, 2, 76) }, 0},
		{"ragged: children more than the total", ragged, func(c *crafted) { setChild(c, 2, 78) }, 0},
		{"ragged: sizes that overflow", ragged, func(c *crafted) {
			setChild(c, 0, 1<<63)
			setChild(c, 1, 1<<63)
			binary.BigEndian.PutUint64(c.v, 77)
		}, 0},
		{"ragged: a chunk over its chunk size", func() *crafted { return craft(0, minGrid, true, craftKids(2, craftChunk+1, 5)) }, nil, 0},
		{"ragged: chunk size 0 at level 0", ragged, func(c *crafted) { c.v[8] = 0 }, 0},
		{"ragged: chunk size 2^23", ragged, func(c *crafted) { c.v[8] = 23 }, 0},
		{"ragged: a chunk size above level 0", func() *crafted { return craftInner(minGrid, true, caps.KeyOf([32]byte{5})) }, nil, 0},
		{"a hole with a verify key", func() *crafted { return craftInner(minGrid, false, caps.KeyOf([32]byte{5})) }, func(c *crafted) { clear(c.v[16:48]) }, 0},
		{"a node without verify key", func() *crafted { return craftInner(minGrid, false, caps.KeyOf([32]byte{5})) }, func(c *crafted) { clear(c.v[48:80]) }, 0},
	}
	kr := caps.KeyOf([32]byte{42})
	for _, tt := range tests {
		c := tt.make()
		honest := c.seal(t, kr)
		level := c.h.Level
		if tt.lie != nil {
			tt.lie(c)
		}
		total := tt.ref
		if total == 0 {
			total = size(c.v)
		}
		b := c.seal(t, kr)
		if tt.lie != nil && bytes.Equal(b.Data, honest.Data) {
			t.Errorf("%s: no lie", tt.name)
		}
		src := blocks{b.ID: b.Data}
		ref := Ref{b.ID, kr, level, total}
		n, err := NewReader(src, ref, nil).ReadAt(t.Context(), make([]byte, 10), 0)
		if n != 0 || kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: read %d, %v", tt.name, n, err)
		}
		if _, _, err = Edit(t.Context(), src, ref, craftChunk, 1<<40, nil); kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: edited: %v", tt.name, err)
		}
	}
}

func TestTheHonestNodesOfTheseTestsCanBeOpened(t *testing.T) {
	t.Parallel()
	kr := caps.KeyOf([32]byte{42})
	inner := craftInner(0, true, caps.KeyOf([32]byte{5}))
	for i, c := range []*crafted{craft(0, minGrid, false, craftKids(3, craftChunk, 77)), craft(0, minGrid, true, craftKids(3, craftChunk, 77)), inner} {
		b := c.seal(t, kr)
		ref := Ref{b.ID, kr, c.h.Level, binary.BigEndian.Uint64(c.v)}
		if _, err := openNode(&child{Ref: ref}, b.Data); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
}

// craftInner is a node of level 1 over one child that isn't there.
func craftInner(grid uint8, ragged bool, kr caps.Key) *crafted {
	c := child{Ref: Ref{Key: kr, Size: 3 * craftChunk}, kv: verifyKey(kr)}
	c.ID[0] = 9
	return craft(1, grid, ragged, []child{c})
}

// TestAChildUnlikeItsParentSaysIsCorrupt: each node is right in itself.
func TestAChildUnlikeItsParentSaysIsCorrupt(t *testing.T) {
	t.Parallel()
	plain := bytes.Repeat([]byte("x"), craftChunk)
	chunkBlock, chunkKey, err := SealChunk(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	src := blocks{chunkBlock.ID: chunkBlock.Data}
	leaf := child{Ref: Ref{chunkBlock.ID, chunkKey, LevelChunk, craftChunk}}
	seal := func(level, grid uint8, ragged bool, kids ...child) child {
		t.Helper()
		b, c, err := sealNode(randomKey(), level, grid, ragged, kids)
		if err != nil {
			t.Fatal(err)
		}
		src[b.ID] = b.Data
		return c
	}
	low := seal(0, minGrid, false, leaf, leaf)
	lowRagged := seal(0, minGrid, true, leaf, leaf)
	low19 := seal(0, minGrid+1, true, leaf, leaf)
	other := seal(0, minGrid, false, leaf, leaf)
	with := func(c child, f func(*child)) child { f(&c); return c }
	tests := []struct {
		name    string
		root    child
		corrupt bool // to a reader
		walks   bool // for a verify key
	}{
		{"honest, aligned", seal(1, minGrid, false, low), false, true},
		{"honest, ragged", seal(1, 0, true, low, lowRagged, low19), false, true},
		{"a verify key that doesn't follow", seal(1, minGrid, false, with(low, func(c *child) { c.kv = other.kv })), true, false},
		{"another key", seal(1, minGrid, false, with(low, func(c *child) { c.Key = other.Key })), true, true},
		{"another node's keys", seal(1, minGrid, false, with(low, func(c *child) { c.Key, c.kv = other.Key, other.kv })), true, false},
		{"more bytes", seal(1, minGrid, false, with(low, func(c *child) { c.Size++ })), true, false},
		{"fewer bytes", seal(1, 0, true, with(low, func(c *child) { c.Size-- })), true, false},
		{"ragged below aligned", seal(1, minGrid, false, lowRagged), true, false},
		{"another chunk size below aligned", seal(1, minGrid+1, false, low), true, false},
		{"a chunk where a node is meant", seal(1, minGrid, false, with(low, func(c *child) { c.ID = leaf.ID })), true, false},
		{"a node where a chunk is meant", seal(0, minGrid, false, with(leaf, func(c *child) { c.ID = low.ID })), true, true},
		{"a child of the same level", seal(2, 0, true, low), true, false},
		{"a chunk of fewer bytes", seal(0, minGrid, true, with(leaf, func(c *child) { c.Size-- })), true, true},
		{"a chunk with another's key", seal(0, minGrid, true, with(leaf, func(c *child) { c.Key = low.Key })), true, true},
	}
	warm := NewCache(64 << 20)
	for _, tt := range tests {
		// With a warm cache too: what was opened for one parent is no proof for another.
		for _, cache := range []*Cache{nil, warm, warm} {
			p := make([]byte, 10)
			n, err := NewReader(src, tt.root.Ref, cache).ReadAt(t.Context(), p, 0)
			if tt.corrupt && (n != 0 || kind.Of(err) != kind.Corrupt || !bytes.Equal(p, make([]byte, 10))) {
				t.Errorf("%s: read %d, %v", tt.name, n, err)
			}
			if !tt.corrupt && err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		err := WalkVerify(t.Context(), src, tt.root.Verify(), VisitFunc(func(VerifyRef) (bool, error) { return true, nil }))
		if tt.walks != (err == nil) || err != nil && kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: walk: %v", tt.name, err)
		}
	}
}

// TestALyingChunkIsCorrupt: chunks whose id and tags are right.
func TestALyingChunkIsCorrupt(t *testing.T) {
	t.Parallel()
	key := caps.KeyOf([32]byte{3})
	seal := func(h blockstore.Header, plain []byte) Block {
		t.Helper()
		b, err := sealChunk(key, h, nil, slices.Collect(slices.Chunk(plain, blockstore.FrameSize)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	padded := func(n int) blockstore.Header {
		h := blockstore.ChunkHeader(n)
		h.Flags = blockstore.FlagPadded
		return h
	}
	text := bytes.Repeat([]byte("y"), 2<<20)
	dirty := append(append(bytes.Clone(text[:5000]), make([]byte, 3000)...), 1)
	tests := []struct {
		name  string
		block Block
		size  uint64
		limit int64
	}{
		{"longer than the reference says", seal(blockstore.ChunkHeader(5000), text[:5000]), 4999, MaxChunkSize},
		{"shorter than the reference says", seal(blockstore.ChunkHeader(5000), text[:5000]), 5001, MaxChunkSize},
		{"padded by nothing", seal(padded(5000), text[:5000]), 5000, MaxChunkSize},
		{"padded to less", seal(padded(5000), text[:5000]), 5001, MaxChunkSize},
		{"padding not zero at once", seal(padded(8192), text[:8192]), 8191, MaxChunkSize},
		{"padding not zero at its end", seal(padded(len(dirty)), dirty), 5000, MaxChunkSize},
		{"padded over the chunk size", seal(padded(craftChunk+1), make([]byte, craftChunk+1)), 5000, craftChunk},
	}
	for _, tt := range tests {
		ref := Ref{tt.block.ID, key, LevelChunk, tt.size}
		src := blocks{tt.block.ID: tt.block.Data}
		b, root, err := sealNode(randomKey(), 0, gridOf(tt.limit), true, []child{{Ref: ref}})
		if err != nil {
			t.Fatal(err)
		}
		src[b.ID] = b.Data
		for _, step := range []int{100, int(tt.size)} {
			p := make([]byte, step)
			n, err := NewReader(src, root.Ref, nil).ReadAt(t.Context(), p, int64(tt.size)-int64(step))
			if n != 0 || kind.Of(err) != kind.Corrupt || bytes.ContainsAny(p, "y") {
				t.Errorf("%s: read %d of %d, %v", tt.name, n, step, err)
			}
		}
		if tt.limit == MaxChunkSize {
			if out, err := OpenChunk(nil, ref, tt.block.Data); len(out) != 0 || kind.Of(err) != kind.Corrupt {
				t.Errorf("%s: opened %d bytes, %v", tt.name, len(out), err)
			}
		}
	}
	// Whole frames of padding, which no read of the file needs, are checked by OpenChunk.
	far := append(append(bytes.Clone(text[:5000]), make([]byte, 150_000)...), 1)
	b := seal(padded(len(far)), far)
	if _, err := OpenChunk(nil, Ref{b.ID, key, LevelChunk, 5000}, b.Data); kind.Of(err) != kind.Corrupt {
		t.Errorf("far padding not zero: %v", err)
	}
}

// sealNode seals a node that may say what none should.
func sealNode(kr caps.Key, level, grid uint8, ragged bool, kids []child) (Block, child, error) {
	b, c, _, err := sealSections(kr, level, grid, ragged, kids)
	return b, c, err
}
