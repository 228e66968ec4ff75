package filetree

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// equal reports whether both are the same patch, or none.
func (p *Patch) equal(o *Patch) bool {
	if p == nil || o == nil {
		return p == o
	}
	return p.ref().Equal(o.ref()) && slices.Equal(p.Extents, o.Extents)
}

// craftPatch is a patch of these extents that isn't there.
func craftPatch(no byte, extents ...Extent) *Patch {
	p := &Patch{ID: blockstore.ID{2, no}, Key: caps.KeyOf([32]byte{2, no}), Extents: extents}
	for _, x := range extents {
		p.Len += int64(x.Len)
	}
	return p
}

// patchedKids are a chunk with a patch, one without, a hole with a patch, and a short
// chunk with one over all of it.
func patchedKids() []child {
	kids := craftKids(4, craftChunk, 77)
	kids[0].patch = craftPatch(0, Extent{4096, 4096}, Extent{craftChunk - 1, 1})
	kids[2].Ref = hole(-1, craftChunk).Ref
	kids[2].patch = craftPatch(2, Extent{7, 9})
	kids[3].patch = craftPatch(3, Extent{0, 77})
	return kids
}

// TestALyingPatchIsCorrupt: nodes whose id and tags are right and that break one rule
// of formats.md 3 about patches.
func TestALyingPatchIsCorrupt(t *testing.T) {
	t.Parallel()
	const (
		kids   = 4
		vFirst = nodePrefix + kids*idSize // the first patch in V
		rFirst = kids * caps.KeySize      // and in R
		rTwo   = rFirst + patchR + 2*extentSize
		xFirst = rFirst + patchR
	)
	u32 := binary.BigEndian.PutUint32
	with := func(f func([]child) []child) func() []child { return func() []child { return f(patchedKids()) } }
	extents := func(i int, x ...Extent) func() []child {
		return with(func(kids []child) []child { kids[i].patch.Extents = x; return kids })
	}
	many := func(n int) (x []Extent) {
		for i := range n {
			x = append(x, Extent{uint32(2 * i), 1})
		}
		return x
	}
	tests := []struct {
		name string
		make func() []child // nil: patchedKids
		lie  func(*crafted)
		walk bool // a verify key can't tell
	}{
		{"no flag", nil, func(c *crafted) { c.h.Flags &^= blockstore.FlagPatched }, false},
		{"above level 0", nil, func(c *crafted) { c.h.Level = 1 }, false},
		{"a patch of no child", nil, func(c *crafted) { c.v[vFirst+2*patchV+1] = kids }, false},
		{"a patch of child 65535", nil, func(c *crafted) { c.v[vFirst+2*patchV], c.v[vFirst+2*patchV+1] = 255, 255 }, false},
		{"two patches of a child", nil, func(c *crafted) { c.v[vFirst+patchV+1] = 0 }, false},
		{"patches in another order", nil, func(c *crafted) { c.v[vFirst+1], c.v[vFirst+patchV+1] = 2, 0 }, false},
		{"a patch without id", nil, func(c *crafted) { clear(c.v[vFirst+2 : vFirst+2+idSize]) }, false},
		{"a patch without key", nil, func(c *crafted) { clear(c.r[rFirst : rFirst+caps.KeySize]) }, true},
		{"section V a byte longer", nil, func(c *crafted) { c.v = append(c.v, 0) }, false},
		{"section V a patch shorter", nil, func(c *crafted) { c.v = c.v[:len(c.v)-patchV] }, true},
		{"section V a patch longer", nil, func(c *crafted) { c.v = append(c.v, c.v[len(c.v)-patchV:]...) }, false},
		{"section R a byte longer", nil, func(c *crafted) { c.r = append(c.r, 0) }, true},
		{"section R a byte shorter", nil, func(c *crafted) { c.r = c.r[:len(c.r)-1] }, true},
		{"section R an extent longer", nil, func(c *crafted) { c.r = append(c.r, make([]byte, extentSize)...) }, true},
		{"section R without extents", nil, func(c *crafted) { c.r = c.r[:xFirst] }, false},
		{"length 0", nil, func(c *crafted) { u32(c.v[vFirst+2+idSize:], 0) }, false},
		{"length of one byte more", nil, func(c *crafted) { u32(c.v[vFirst+2+idSize:], 4098) }, true},
		{"length over the child's", nil, func(c *crafted) { u32(c.v[vFirst+2*patchV+2+idSize:], 78) }, false},
		{"length over the bound", nil, func(c *crafted) { u32(c.v[vFirst+2+idSize:], MaxPatch+1) }, false},
		{"length 2^32 - 1", nil, func(c *crafted) { u32(c.v[vFirst+2+idSize:], 1<<32-1) }, false},
		{"no extent", nil, func(c *crafted) { c.r[rFirst+caps.KeySize+1] = 0 }, true},
		{"an extent fewer than there are", nil, func(c *crafted) { c.r[rFirst+caps.KeySize+1] = 1 }, true},
		{"an extent more than there are", nil, func(c *crafted) { c.r[rFirst+caps.KeySize+1] = 3 }, true},
		{"65535 extents", nil, func(c *crafted) { c.r[rTwo+caps.KeySize], c.r[rTwo+caps.KeySize+1] = 255, 255 }, true},
		{"33 extents", extents(0, many(MaxExtents+1)...), nil, true},
		{"too many extents together", with(func(kids []child) []child {
			for i := range kids {
				kids[i].patch = craftPatch(byte(i), many(MaxExtents+1)...)
			}
			return kids
		}), nil, false},
		{"an empty extent", extents(0, Extent{5, 0}, Extent{7, 4097}), nil, true},
		{"extents that touch", extents(0, Extent{0, 4096}, Extent{4096, 1}), nil, true},
		{"extents that overlap", extents(0, Extent{0, 4096}, Extent{4095, 1}), nil, true},
		{"extents that descend", extents(0, Extent{4097, 4096}, Extent{0, 1}), nil, true},
		{"the same extent twice", extents(3, Extent{0, 38}, Extent{0, 39}), nil, true},
		{"an extent beyond the child", extents(3, Extent{1, 77}), nil, true},
		{"an extent far beyond the child", extents(3, Extent{1 << 31, 77}), nil, true},
		{"an extent that overflows", extents(0, Extent{1<<32 - 1, 4097}), nil, true},
		{"extents of fewer bytes than the patch", extents(0, Extent{0, 4096}), nil, true},
		{"extents of more bytes than the patch", extents(0, Extent{0, 4098}), nil, true},
	}
	kr := caps.KeyOf([32]byte{42})
	for _, tt := range tests {
		for _, ragged := range []bool{false, true} {
			if ragged && tt.make == nil {
				continue // the offsets above are those of an aligned node
			}
			list := patchedKids()
			if tt.make != nil {
				list = tt.make()
			}
			c := craft(0, minGrid, ragged, list)
			if tt.lie != nil {
				tt.lie(c)
			}
			b := c.seal(t, kr)
			src := blocks{b.ID: b.Data}
			ref := Ref{b.ID, kr, c.h.Level, binary.BigEndian.Uint64(c.v)}
			for _, off := range []int64{0, int64(ref.Size) - 77} {
				n, err := NewReader(src, ref, nil).ReadAt(t.Context(), make([]byte, 10), off)
				if n != 0 || kind.Of(err) != kind.Corrupt {
					t.Errorf("%s, ragged %v: read %d, %v", tt.name, ragged, n, err)
				}
			}
			if _, _, err := Edit(t.Context(), src, ref, craftChunk, 1<<40, nil); kind.Of(err) != kind.Corrupt {
				t.Errorf("%s, ragged %v: edited: %v", tt.name, ragged, err)
			}
			err := WalkVerify(t.Context(), src, ref.Verify(), VisitFunc(func(VerifyRef) (bool, error) { return true, nil }))
			if tt.walk != (err == nil) || err != nil && kind.Of(err) != kind.Corrupt {
				t.Errorf("%s, ragged %v: walk: %v", tt.name, ragged, err)
			}
		}
	}
}

// A patch over a hole of more than a chunk, which only a ragged node can have.
func TestAPatchOverALongHoleIsCorrupt(t *testing.T) {
	t.Parallel()
	kids := patchedKids()
	kids[2].Size = craftChunk + 1
	c := craft(0, minGrid, true, kids)
	kr := caps.KeyOf([32]byte{42})
	b := c.seal(t, kr)
	ref := Ref{b.ID, kr, 0, binary.BigEndian.Uint64(c.v)}
	if _, err := NewReader(blocks{b.ID: b.Data}, ref, nil).LeafAt(t.Context(), 0); kind.Of(err) != kind.Corrupt {
		t.Errorf("%v, want Corrupt", err)
	}
}

// The largest node is smaller than what any store of nodes takes.
func TestTheLargestPatchedNode(t *testing.T) {
	t.Parallel()
	kids := craftKids(MaxChildren, craftChunk, craftChunk)
	for i := range kids {
		var x []Extent
		for j := range MaxExtents {
			x = append(x, Extent{uint32(2 * j), 1})
		}
		kids[i].patch = craftPatch(byte(i+1), x...)
	}
	b, c, err := sealNode(randomKey(), 0, minGrid, true, kids)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Data) != maxNode || maxNode > 64<<10 {
		t.Errorf("%d bytes, bound %d", len(b.Data), maxNode)
	}
	n, err := openNode(&c, b.Data)
	if err != nil {
		t.Fatal(err)
	}
	checkOpened(t, n)
}

// TestALyingPatchBlockIsCorrupt: the node is right in itself, and its patch's block
// isn't what it says.
func TestALyingPatchBlockIsCorrupt(t *testing.T) {
	t.Parallel()
	text, over := bytes.Repeat([]byte("x"), craftChunk), bytes.Repeat([]byte("y"), 5000)
	src := blocks{}
	seal := func(s Sealer, plain []byte) Ref {
		t.Helper()
		b, key, err := s.Seal(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		src[b.ID] = b.Data
		return Ref{b.ID, key, LevelChunk, uint64(len(plain))}
	}
	base := seal(Sealer{}, text)
	honest := seal(Sealer{}, over)
	padded := seal(Sealer{Pad: PadPowerOfTwo}, over)
	other := seal(Sealer{}, over)
	gone := honest
	gone.ID[0] ^= 1
	tests := map[string]struct {
		id     blockstore.ID
		key    caps.Key
		n      uint32
		honest bool
	}{
		"honest":       {honest.ID, honest.Key, 5000, true},
		"shorter":      {honest.ID, honest.Key, 4999, false},
		"longer":       {honest.ID, honest.Key, 5001, false},
		"padded":       {padded.ID, padded.Key, 5000, false},
		"another key":  {honest.ID, other.Key, 5000, false},
		"the chunk":    {base.ID, base.Key, 5000, false},
		"not there":    {gone.ID, gone.Key, 5000, false},
		"with its pad": {padded.ID, padded.Key, 8192, false},
	}
	for name, tt := range tests {
		for _, below := range []Ref{base, hole(-1, craftChunk).Ref} {
			p := &Patch{tt.id, tt.key, int64(tt.n), []Extent{{300, tt.n}}}
			b, root, err := sealNode(randomKey(), 0, minGrid, false, []child{{Ref: below, patch: p}})
			if err != nil {
				t.Fatal(err)
			}
			src[b.ID] = b.Data
			cache := NewCache(1 << 20)
			for _, read := range []struct{ off, n int64 }{{290, 100}, {300, 10}, {0, craftChunk}} {
				r := NewReader(src, root.Ref, cache)
				buf := make([]byte, read.n)
				n, err := r.ReadAt(t.Context(), buf, read.off)
				if !tt.honest && (n != 0 || kind.Of(err) != kind.Corrupt) || tt.honest && err != nil {
					t.Errorf("%s: read %d from %d: %d, %v", name, read.n, read.off, n, err)
				}
				if _, err := r.Fetch(t.Context(), read.off, read.n, nil, nil); !tt.honest && kind.Of(err) != kind.Corrupt {
					t.Errorf("%s: fetched: %v", name, err)
				}
			}
			r := NewReader(src, root.Ref, cache)
			if _, err := r.Take(t.Context(), 0, nil); (err == nil) != (tt.honest && !below.IsHole()) {
				t.Errorf("%s: taken: %v", name, err)
			}
			if err := r.Prefetch(t.Context(), 0); (err == nil) != tt.honest {
				t.Errorf("%s: prefetched: %v", name, err)
			}
			if n, err := r.ReadAt(t.Context(), make([]byte, 10), 100); n != 10 || err != nil {
				t.Errorf("%s: beside the patch: %d, %v", name, n, err)
			}
		}
	}
}

// One cache serves files that pair the same two blocks in different ways.
func TestTheCacheBindsNoPatchToAChunk(t *testing.T) {
	t.Parallel()
	src := blocks{}
	seal := func(plain []byte) Ref {
		b, key, err := SealChunk(nil, plain)
		if err != nil {
			t.Fatal(err)
		}
		src[b.ID] = b.Data
		return Ref{b.ID, key, LevelChunk, uint64(len(plain))}
	}
	text, over := vectorPlain(craftChunk), bytes.Repeat([]byte("yz"), 1000)
	base, patch := seal(text), seal(over)
	cache := NewCache(8 << 20)
	for _, extents := range [][]Extent{nil, {{0, 2000}}, {{100, 1500}, {70_000, 500}}, {{craftChunk - 2000, 2000}}, nil} {
		c, want := child{Ref: base}, bytes.Clone(text)
		if extents != nil {
			c.patch = &Patch{patch.ID, patch.Key, 2000, extents}
		}
		at := 0
		for _, x := range extents {
			at += copy(want[x.Off:x.End()], over[at:])
		}
		b, root, err := sealNode(randomKey(), 0, minGrid, true, []child{c, c})
		if err != nil {
			t.Fatal(err)
		}
		src[b.ID] = b.Data
		for _, step := range []int{1000, 40_000, 2 * craftChunk} {
			r := NewReader(src, root.Ref, cache)
			var got []byte
			for len(got) < 2*craftChunk {
				p := make([]byte, min(step, 2*craftChunk-len(got)))
				if _, err := r.ReadAt(t.Context(), p, int64(len(got))); err != nil {
					t.Fatal(err)
				}
				got = append(got, p...)
			}
			if !bytes.Equal(got, append(bytes.Clone(want), want...)) {
				t.Fatalf("with extents %v, in steps of %d: other bytes", extents, step)
			}
		}
	}
}

func TestUncovered(t *testing.T) {
	t.Parallel()
	p := craftPatch(0, Extent{10, 10}, Extent{30, 5}, Extent{36, 4})
	tests := []struct{ at, end, from, to int64 }{
		{0, 5, 0, 5},
		{0, 15, 0, 10},
		{12, 18, 18, 18},
		{10, 20, 20, 20},
		{10, 21, 20, 21},
		{15, 32, 20, 30},
		{15, 36, 20, 36},
		{32, 38, 35, 36},
		{35, 36, 35, 36},
		{38, 50, 40, 50},
		{5, 45, 5, 45},
	}
	for _, tt := range tests {
		from, to := p.uncovered(tt.at, tt.end)
		if tt.from == tt.to && from == to {
			continue
		}
		if from != tt.from || to != tt.to {
			t.Errorf("%d to %d: %d to %d, want %d to %d", tt.at, tt.end, from, to, tt.from, tt.to)
		}
	}
}
