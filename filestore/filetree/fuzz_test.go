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

// FuzzNode feeds section plaintexts that passed every seal, which only a holder
// of the key can make, to the parser. What it accepts must follow the rules and
// be written back to the same bytes.
func FuzzNode(f *testing.F) {
	add := func(c *crafted) { f.Add(c.h.Level, c.h.Flags, c.v, c.r) }
	add(craft(0, minGrid, false, craftKids(3, craftChunk, 77)))
	add(craft(0, maxGrid, true, craftKids(128, 1, 1<<22)))
	add(craft(0, minGrid, false, []child{hole(-1, 5)}))
	add(craft(7, minGrid, false, []child{hole(6, MaxSize)}))
	add(craftInner(0, true, caps.KeyOf([32]byte{5})))
	add(craftInner(minGrid, false, caps.KeyOf([32]byte{5})))
	add(craft(0, minGrid, false, patchedKids()))
	add(craft(0, minGrid, true, patchedKids()))
	kr := caps.KeyOf([32]byte{42})
	f.Fuzz(func(t *testing.T, level, flags uint8, v, r []byte) {
		if len(v) > 2*maxNode || len(r) > 2*maxNode {
			return
		}
		c := crafted{h: blockstore.Header{Type: blockstore.TypeFileNode, Suite: 1, Level: level, Flags: flags}, v: v, r: r}
		b := c.seal(t, kr)
		ref := child{Ref: Ref{ID: b.ID, Key: kr, Level: level}}
		if len(v) >= 8 {
			ref.Size = binary.BigEndian.Uint64(v)
		}
		n, err := openNode(&ref, b.Data)
		if err != nil {
			if kind.Of(err) != kind.Corrupt {
				t.Fatalf("%v is not Corrupt", err)
			}
			return
		}
		checkOpened(t, n)
		var kids []child
		for i := range n.n {
			kids = append(kids, n.child(i))
		}
		again, _, err := sealNode(kr, n.level, n.grid, n.ragged(), kids)
		if err != nil || !bytes.Equal(again.Data, b.Data) {
			t.Fatalf("sealed again it is another block (%v)", err)
		}
	})
}

// checkOpened checks what the rest of the package relies on.
func checkOpened(t *testing.T, n *node) {
	t.Helper()
	at := int64(0)
	for i := range n.n {
		off, end := n.span(i)
		if off != at || end <= off || n.find(off) != i || n.find(end-1) != i {
			t.Fatalf("child %d of %d is from %d to %d, after %d", i, n.n, off, end, at)
		}
		c := n.child(i)
		if c.size() != end-off || c.depth() != int(n.level)-1 || c.Ref.IsHole() != (c.Key.Raw() == nil) {
			t.Fatalf("child %d: %d bytes, depth %d", i, c.Size, c.depth())
		}
		if n.level == 0 && !c.IsHole() && c.size() > c.limit {
			t.Fatalf("child %d: a chunk of %d bytes", i, c.Size)
		}
		if fault := c.patch.fault(c.size()); fault != "" || c.patch != nil && n.level > 0 {
			t.Fatalf("child %d: a patch %s", i, fault)
		}
		at = end
	}
	if at != n.total || n.n < 1 || n.n > MaxChildren {
		t.Fatalf("%d children end at %d of %d", n.n, at, n.total)
	}
}

// FuzzNodeBlock feeds whole blocks under their right id.
func FuzzNodeBlock(f *testing.F) {
	kr := caps.KeyOf([32]byte{42})
	for _, c := range []*crafted{craft(0, minGrid, false, craftKids(3, craftChunk, 77)), craftInner(0, true, kr), craft(0, minGrid, true, patchedKids())} {
		f.Add(c.seal(f, kr).Data, c.h.Level, binary.BigEndian.Uint64(c.v))
	}
	f.Fuzz(func(t *testing.T, block []byte, level uint8, size uint64) {
		ref := child{Ref: Ref{blockstore.NodeID(block), kr, level, size}}
		n, err := openNode(&ref, block)
		if err == nil {
			checkOpened(t, n)
		} else if kind.Of(err) != kind.Corrupt {
			t.Fatalf("%v is not Corrupt", err)
		}
	})
}

// FuzzChunk feeds blocks under the id of their own head, as a store could make
// them, to both ways of reading a chunk: they must agree, and accept only what
// was sealed with the key.
func FuzzChunk(f *testing.F) {
	key := caps.KeyOf([32]byte{3})
	seal := func(n, padded int) []byte {
		h := blockstore.ChunkHeader(padded)
		if padded > n {
			h.Flags = blockstore.FlagPadded
		}
		b, err := sealChunk(key, h, nil, slices.Collect(slices.Chunk(vectorPlain(n), blockstore.FrameSize)))
		if err != nil {
			f.Fatal(err)
		}
		return b.Data
	}
	f.Add(seal(1, 1), uint64(1))
	f.Add(seal(100, 100), uint64(100))
	f.Add(seal(100, 4096), uint64(100))
	f.Add(seal(65536, 65540), uint64(65536))
	f.Fuzz(func(t *testing.T, block []byte, size uint64) {
		head := block
		if h, err := blockstore.ParseHeader(block); err == nil {
			head = block[:min(int64(len(block)), h.HeadSize())]
		}
		ref := Ref{blockstore.NodeID(head), key, LevelChunk, size}
		whole, err := OpenChunk(nil, ref, block)
		if err != nil && (kind.Of(err) != kind.Corrupt || len(whole) > 0) {
			t.Fatalf("%d bytes, %v", len(whole), err)
		}
		if size == 0 || size > MaxChunkSize {
			return
		}
		part := make([]byte, size)
		n, rerr := NewReader(blocks{ref.ID: block}, ref, nil).ReadAt(t.Context(), part, 0)
		if rerr != nil && kind.Of(rerr) != kind.Corrupt {
			t.Fatalf("%v is not Corrupt", rerr)
		}
		if err == nil && (rerr != nil || !bytes.Equal(part, whole) || uint64(len(whole)) != size) {
			t.Fatalf("opened %d bytes, read %d, %v", len(whole), n, rerr)
		}
	})
}
