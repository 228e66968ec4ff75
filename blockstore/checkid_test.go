package blockstore_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// TestIDVectors fixes the ids of formats.md 2, computed from the text by other
// means.
func TestIDVectors(t *testing.T) {
	t.Parallel()
	frame := bytes.Repeat([]byte{0xab}, 3+16)
	sum := sha256.Sum256(frame)
	tests := []struct {
		name, header string
		body         []byte
		id           string
	}{
		{
			"chunk", "546b0101000010000000000300000001", append(sum[:], frame...),
			"de4828d3a5ee0d44b91fafeefc4c3eeb0fd23f1b61976d4102de5831da85ef91",
		},
		{
			"file node", "546b0201000000000000001000000010", make([]byte, 32),
			"28dd26bf3c6ccef640e2883427375210cb54db2de2ad5a62c052dc13d41d8231",
		},
		{
			"directory node, W empty", "546b0301000000000000001000000010", make([]byte, 64),
			"134eaa5092ebf26d8010512393931afd920d4307101b711fb63d10ac914a90b2",
		},
		{
			"frozen directory node, W absent", "546b0301000000000000001000000010", make([]byte, 48),
			"fac8c2e4efed313b7f56ccf1f4cc23441c32756533d038e5127ff4f25f4c6166",
		},
	}
	for _, tt := range tests {
		header, err := hex.DecodeString(tt.header)
		if err != nil {
			t.Fatal(err)
		}
		id, err := hex.DecodeString(tt.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := blockstore.CheckID(blockstore.ID(id), append(header, tt.body...)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestCheckIDCatchesEveryChangedByte(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(int) (blockstore.ID, []byte){"chunk": storecheck.Chunk, "node": storecheck.FileNode} {
		id, block := make(300)
		if err := blockstore.CheckID(id, block); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range block {
			block[i] ^= 0x40
			if err := blockstore.CheckID(id, block); kind.Of(err) != kind.Corrupt {
				t.Errorf("%s with byte %d changed: %v", name, i, err)
			}
			block[i] ^= 0x40
		}
		for _, wrong := range [][]byte{nil, block[:10], block[:len(block)-1], append(bytes.Clone(block), 0)} {
			if err := blockstore.CheckID(id, wrong); kind.Of(err) != kind.Corrupt {
				t.Errorf("%s of %d bytes for %d: %v", name, len(wrong), len(block), err)
			}
		}
	}
}

func TestDirectoryNodeSectionsMustFit(t *testing.T) {
	t.Parallel()
	h := blockstore.Header{Type: blockstore.TypeDirNode, Suite: 1, Len1: 16, Len2: 16}
	for n, want := range map[int]kind.Kind{15: kind.Corrupt, 47: kind.Corrupt, 48: 0, 49: kind.Corrupt, 63: kind.Corrupt, 64: 0} {
		block := append(h.Append(nil), make([]byte, n)...)
		if err := blockstore.CheckID(blockstore.NodeID(block), block); kind.Of(err) != want {
			t.Errorf("%d bytes after the header: %v", n, err)
		}
	}
}

func TestHeadAndFrames(t *testing.T) {
	t.Parallel()
	id, block := storecheck.Chunk(150_000)
	h, err := blockstore.CheckHead(id, block[:1000])
	if err != nil {
		t.Fatal(err)
	}
	head := block[:h.HeadSize()]
	for i := range int(h.Len2) {
		off, n := h.Frame(i)
		frame := block[off : off+n]
		if err := blockstore.CheckFrame(h, head, i, frame); err != nil {
			t.Error(err)
		}
		if err := blockstore.CheckFrame(h, head, i, frame[:n-1]); kind.Of(err) != kind.Corrupt {
			t.Errorf("short frame %d: %v", i, err)
		}
		if err := blockstore.CheckFrame(h, head, (i+1)%3, frame); kind.Of(err) != kind.Corrupt {
			t.Errorf("frame %d in another's place: %v", i, err)
		}
	}
	if _, err := blockstore.CheckHead(id, head[:len(head)-1]); kind.Of(err) != kind.Corrupt {
		t.Errorf("short head: %v", err)
	}
	nodeID, node := storecheck.FileNode(64)
	if _, err := blockstore.CheckHead(nodeID, node); kind.Of(err) != kind.Corrupt {
		t.Errorf("head of a node: %v", err)
	}
}
