package blockstore_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestHeaderBytes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		h    blockstore.Header
		want string
	}{
		{"a chunk of one byte", blockstore.ChunkHeader(1), "546b010100000e000000000100000001"},
		{"a chunk of 1 MiB", blockstore.ChunkHeader(1 << 20), "546b010100000e000010000000000040"},
		{"a chunk of 16 KiB and one byte", blockstore.ChunkHeader(1<<14 + 1), "546b010100000e000000400100000002"},
		{
			"a chunk of 64 KiB and one byte with wide frames",
			blockstore.Header{Type: blockstore.TypeChunk, Suite: 1, FrameLog: 16, Len1: 1<<16 + 1, Len2: 2},
			"546b0101000010000001000100000002",
		},
		{
			"a padded chunk",
			blockstore.Header{Type: blockstore.TypeChunk, Suite: 1, Flags: blockstore.FlagPadded, FrameLog: 14, Len1: 4096, Len2: 1},
			"546b010101000e000000100000000001",
		},
		{
			"a ragged file node of level 2",
			blockstore.Header{Type: blockstore.TypeFileNode, Suite: 1, Flags: blockstore.FlagRagged, Level: 2, Len1: 256, Len2: 80},
			"546b0201020200000000010000000050",
		},
		{
			"a ragged and patched file node",
			blockstore.Header{Type: blockstore.TypeFileNode, Suite: 1, Flags: blockstore.FlagRagged | blockstore.FlagPatched, Len1: 256, Len2: 80},
			"546b0201060000000000010000000050",
		},
		{
			"a directory leaf",
			blockstore.Header{Type: blockstore.TypeDirNode, Suite: 1, Len1: 16, Len2: 16},
			"546b0301000000000000001000000010",
		},
	}
	for _, tt := range tests {
		b := tt.h.Append(nil)
		if got := hex.EncodeToString(b); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if got, err := blockstore.ParseHeader(b); err != nil || got != tt.h {
			t.Errorf("%s: parses as %+v, %v", tt.name, got, err)
		}
	}
}

func TestParseHeaderRefusesWhatVersion1DoesNotAllow(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"too short":               "546b01010000100000000001000000",
		"another magic":           "546c0101000010000000000100000001",
		"type 0":                  "546b0001000010000000000100000001",
		"type 4":                  "546b0401000000000000001000000010",
		"suite 2":                 "546b0102000010000000000100000001",
		"ragged chunk":            "546b0101020010000000000100000001",
		"unknown flag":            "546b0101800010000000000100000001",
		"chunk with a level":      "546b0101000110000000000100000001",
		"frames of 32 KiB":        "546b010100000f000000000100000001",
		"frames of 128 KiB":       "546b0101000011000000000100000001",
		"byte 7 set":              "546b0101000010010000000100000001",
		"empty chunk":             "546b0101000010000000000000000000",
		"a frame too many":        "546b0101000010000000000100000002",
		"a frame too few":         "546b0101000010000001000100000001",
		"chunk above MaxChunk":    "546b0101000010000040000100000041",
		"frame count overflowing": "546b01010000100000000001ffffffff",
		"node with a frame size":  "546b0201000010000000001000000010",
		"padded node":             "546b0201010000000000001000000010",
		"section below a tag":     "546b0201000000000000000f00000010",
		"ragged directory":        "546b0301020000000000001000000010",
		"patched chunk":           "546b0101040010000000000100000001",
		"patched directory":       "546b0301040000000000001000000010",
		"patched node of level 1": "546b0201040100000000001000000010",
		"node with flag 8":        "546b0201080000000000001000000010",
	}
	for name, text := range tests {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if h, err := blockstore.ParseHeader(b); kind.Of(err) != kind.Corrupt {
			t.Errorf("%s: parses as %+v, %v", name, h, err)
		}
	}
}

func TestChunkArithmetic(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 1<<14 - 1, 1 << 14, 1<<14 + 1, 1 << 20, blockstore.MaxChunk} {
		h := blockstore.ChunkHeader(n)
		end := h.HeadSize()
		for i := range int(h.Len2) {
			off, size := h.Frame(i)
			if off != end || size <= blockstore.TagSize {
				t.Fatalf("chunk of %d: frame %d of %d bytes lies at %d, want %d", n, i, size, off, end)
			}
			end += size
		}
		if end != h.ChunkSize() || end != blockstore.ChunkBlockSize(int64(n)) || end > blockstore.MaxBlock {
			t.Errorf("chunk of %d: frames end at %d, ChunkSize %d, ChunkBlockSize %d", n, end, h.ChunkSize(), blockstore.ChunkBlockSize(int64(n)))
		}
	}
}

// A header that parses is written back to the same bytes.
func FuzzHeader(f *testing.F) {
	f.Add(blockstore.ChunkHeader(100_000).Append(nil))
	f.Add(blockstore.Header{Type: blockstore.TypeFileNode, Suite: 1, Flags: 2, Level: 3, Len1: 16, Len2: 64}.Append(nil))
	f.Add(blockstore.Header{Type: blockstore.TypeDirNode, Suite: 1, Level: 1, Len1: 90, Len2: 64}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := blockstore.ParseHeader(b)
		if err != nil {
			if kind.Of(err) != kind.Corrupt {
				t.Fatalf("error of kind %v", kind.Of(err))
			}
			return
		}
		if !bytes.Equal(h.Append(nil), b[:blockstore.HeaderSize]) {
			t.Fatalf("%x parses as %+v", b[:blockstore.HeaderSize], h)
		}
	})
}

// A block that passes for an id passes for no other, and not with a byte changed.
func FuzzCheckID(f *testing.F) {
	for _, n := range []int{1, 70_000} {
		_, block := storecheck.Chunk(n)
		f.Add(block, uint32(n), byte(1))
	}
	_, node := storecheck.FileNode(64)
	f.Add(node, uint32(20), byte(128))
	f.Fuzz(func(t *testing.T, block []byte, at uint32, flip byte) {
		id := blockstore.NodeID(block)
		if h, err := blockstore.ParseHeader(block); err == nil && h.Type == blockstore.TypeChunk {
			id = blockstore.NodeID(block[:min(h.HeadSize(), int64(len(block)))])
		}
		if err := blockstore.CheckID(id, block); err != nil {
			if kind.Of(err) != kind.Corrupt {
				t.Fatalf("error of kind %v", kind.Of(err))
			}
			return
		}
		other := id
		other[at%32] ^= flip | 1
		if blockstore.CheckID(other, block) == nil {
			t.Fatal("the block passes for another id")
		}
		block[int(at)%len(block)] ^= flip | 1
		if blockstore.CheckID(id, block) == nil {
			t.Fatalf("the block passes with byte %d changed", int(at)%len(block))
		}
	})
}
