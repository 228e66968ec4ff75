package filetree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
)

// hexBytes are bytes that JSON holds in hex.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func (h hexBytes) key(t *testing.T) caps.Key {
	t.Helper()
	if bytes.Equal(h, make([]byte, 32)) {
		return caps.Key{}
	}
	k, err := caps.KeyFromSlice(h)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// vectors is testdata/vectors.json, which testdata/vectors.py wrote from the
// text of formats.md 2 and 3.
type vectors struct {
	Chunks []struct {
		FrameLog              byte `json:"frame_log"`
		Plain, Padded, Length int
		Key, ID, SHA256       hexBytes
		Secret, Block         hexBytes // where given
	}
	Nodes []struct {
		Name              string
		Kr, Kv, ID, Block hexBytes
		Level, Grid       uint8
		Ragged            bool
		Kids              []struct {
			ID, Key hexBytes
			Size    uint64
		}
		Patches []struct {
			Child   int
			ID, Key hexBytes
			Extents [][2]uint32
		}
	}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Chunks) < 18 || len(v.Nodes) < 8 {
		t.Fatalf("%d chunks and %d nodes", len(v.Chunks), len(v.Nodes))
	}
	return v
}

func vectorPlain(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i/256)
	}
	return b
}

func TestChunkVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Chunks {
		plain := vectorPlain(v.Plain)
		h := blockstore.ChunkHeader(v.Padded)
		h.FrameLog = v.FrameLog
		h.Len2 = uint32(ceilDiv(int64(v.Padded), h.FrameSize()))
		if v.Padded > v.Plain {
			h.Flags = blockstore.FlagPadded
		}
		pieces := slices.Collect(slices.Chunk(plain, int(h.FrameSize())))
		key := v.Key.key(t)
		if v.Secret != nil {
			if key = (Sealer{Secret: v.Secret.key(t)}).key(h, pieces, len(plain)); !bytes.Equal(key.Raw()[:], v.Key) {
				t.Errorf("%d padded to %d: another convergent key", v.Plain, v.Padded)
			}
		}
		b, err := sealChunk(key, h, nil, pieces)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b.Data)
		if !bytes.Equal(b.ID[:], v.ID) || !bytes.Equal(sum[:], v.SHA256) || len(b.Data) != v.Length {
			t.Errorf("%d padded to %d: another block than the vector's", v.Plain, v.Padded)
		}
		if v.Block != nil && !bytes.Equal(b.Data, v.Block) {
			t.Errorf("%d padded to %d: got %x, want %x", v.Plain, v.Padded, b.Data, v.Block)
		}
		if v.Padded == v.Plain && v.FrameLog == blockstore.FrameLog && int64(v.Length) != SealedLen(int64(v.Plain)) {
			t.Errorf("SealedLen(%d) = %d, want %d", v.Plain, SealedLen(int64(v.Plain)), v.Length)
		}
		got, err := OpenChunk(nil, Ref{b.ID, key, LevelChunk, uint64(v.Plain)}, b.Data)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d padded to %d: opened %d bytes, %v", v.Plain, v.Padded, len(got), err)
		}
	}
}

func TestNodeVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t).Nodes {
		var kids []child
		for _, k := range v.Kids {
			c := child{Ref: Ref{ID: blockstore.ID(k.ID), Key: k.Key.key(t), Level: v.Level - 1, Size: k.Size}}
			if v.Level > 0 && !c.IsHole() {
				c.kv = verifyKey(c.Key)
			}
			kids = append(kids, c)
		}
		for _, p := range v.Patches {
			over := &Patch{ID: blockstore.ID(p.ID), Key: p.Key.key(t)}
			for _, x := range p.Extents {
				over.Extents = append(over.Extents, Extent{x[0], x[1]})
				over.Len += int64(x[1])
			}
			kids[p.Child].patch = over
		}
		b, c, err := sealNode(v.Kr.key(t), v.Level, v.Grid, v.Ragged, kids)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Data, v.Block) || !bytes.Equal(b.ID[:], v.ID) || !bytes.Equal(c.kv.Raw()[:], v.Kv) {
			t.Errorf("%s: got %x, want %x", v.Name, b.Data, v.Block)
		}
		if err := blockstore.CheckID(b.ID, v.Block); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		n, err := openNode(&c, v.Block)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		for i := range kids {
			if got := n.child(i); !got.Equal(kids[i].Ref) || !got.kv.Equal(kids[i].kv) || !got.patch.equal(kids[i].patch) {
				t.Errorf("%s: child %d is %v of %d bytes, level %d", v.Name, i, got.ID, got.Size, got.Level)
			}
		}
	}
}
