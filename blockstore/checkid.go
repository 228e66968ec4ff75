package blockstore

import (
	"crypto/sha256"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// CheckID checks a whole block against its id, without a key (formats.md 2).
// Of a chunk it checks the exact length, every sealed frame against its hash
// and the hash over header and hashes against id; of a node the hash over all
// its bytes, and that its sections fit. What doesn't hold is Corrupt.
func CheckID(id ID, block []byte) error {
	h, err := ParseHeader(block)
	if err != nil {
		return fmt.Errorf("block %v: %w", id, err)
	}
	if h.Type != TypeChunk {
		return checkNode(id, h, block)
	}
	if int64(len(block)) != h.ChunkSize() {
		return fmt.Errorf("blockstore: chunk %v has %d bytes, its header says %d: %w",
			id, len(block), h.ChunkSize(), kind.Corrupt)
	}
	head := block[:h.HeadSize()]
	if NodeID(head) != id {
		return fmt.Errorf("blockstore: chunk %v: head has another hash: %w", id, kind.Corrupt)
	}
	for i := range int(h.Len2) {
		off, n := h.Frame(i)
		if sha256.Sum256(block[off:off+n]) != h.FrameHash(head, i) {
			return fmt.Errorf("blockstore: chunk %v: frame %d has another hash: %w", id, i, kind.Corrupt)
		}
	}
	return nil
}

func checkNode(id ID, h Header, block []byte) error {
	rest := int64(len(block)) - HeaderSize - int64(h.Len1) - int64(h.Len2)
	fits := rest == 0
	if h.Type == TypeDirNode { // a salt, and section W, which may be absent
		rest -= dirSaltSize
		fits = rest == 0 || rest >= TagSize
	}
	if !fits {
		return fmt.Errorf("blockstore: node %v: sections don't fit its %d bytes: %w", id, len(block), kind.Corrupt)
	}
	if NodeID(block) != id {
		return fmt.Errorf("blockstore: node %v has another hash: %w", id, kind.Corrupt)
	}
	return nil
}

// dirSaltSize is the length of the salt that follows a directory node's header.
const dirSaltSize = 16

// CheckHead checks the first bytes of a chunk, at least its header and frame
// hashes, against its id, and gives its header: what a ranged read needs before
// it can check a frame. What doesn't hold is Corrupt.
func CheckHead(id ID, head []byte) (Header, error) {
	h, err := ParseHeader(head)
	if err != nil {
		return Header{}, fmt.Errorf("block %v: %w", id, err)
	}
	if h.Type != TypeChunk {
		return Header{}, fmt.Errorf("blockstore: block %v is of type %d, not a chunk: %w", id, h.Type, kind.Corrupt)
	}
	if int64(len(head)) < h.HeadSize() || NodeID(head[:h.HeadSize()]) != id {
		return Header{}, fmt.Errorf("blockstore: chunk %v: head has another hash: %w", id, kind.Corrupt)
	}
	return h, nil
}

// NodeID is the id of a node (given all its bytes) or of a chunk (given its
// header and frame hashes).
func NodeID(b []byte) ID { return sha256.Sum256(b) }

// CheckFrame checks sealed frame i of the chunk whose checked head is given.
// Another hash, or length, is Corrupt.
func CheckFrame(h Header, head []byte, i int, frame []byte) error {
	if sha256.Sum256(frame) != h.FrameHash(head, i) {
		return fmt.Errorf("blockstore: frame %d has another hash: %w", i, kind.Corrupt)
	}
	return nil
}
