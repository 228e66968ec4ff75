package blockstore

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/sha256x2"
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
	frames := int(h.Len2)
	frame := func(i int) []byte {
		if i == frames {
			return nil
		}
		off, n := h.Frame(i)
		return block[off : off+n]
	}
	for i := 0; i < frames; i += 2 {
		if err := errors.Join(CheckFrames(h, head, i, frame(i), frame(i+1))); err != nil {
			return fmt.Errorf("chunk %v: %w", id, err)
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

// CheckFrames checks sealed frame i of the chunk whose checked head is given, and
// next, the frame that follows it: two take hardly longer than one. A nil next is
// none, and no error. Another hash, or length, is Corrupt.
func CheckFrames(h Header, head []byte, i int, frame, next []byte) (err, nextErr error) {
	if next == nil {
		return sameHash(h, head, i, sha256.Sum256(frame)), nil
	}
	sum, nextSum := sha256x2.Sum256(frame, next)
	return sameHash(h, head, i, sum), sameHash(h, head, i+1, nextSum)
}

func sameHash(h Header, head []byte, i int, sum [HashSize]byte) error {
	if sum != h.FrameHash(head, i) {
		return fmt.Errorf("blockstore: frame %d has another hash: %w", i, kind.Corrupt)
	}
	return nil
}
