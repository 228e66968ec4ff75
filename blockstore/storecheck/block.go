package storecheck

import (
	"crypto/rand"
	"crypto/sha256"

	"github.com/truckee-fs/truckee/blockstore"
)

// Chunk makes a block that CheckID accepts, as a chunk of n plaintext bytes
// would be, n >= 1; its frames are random bytes, sealed by no key.
func Chunk(n int) (blockstore.ID, []byte) {
	h := blockstore.ChunkHeader(n)
	block := make([]byte, h.ChunkSize())
	h.Append(block[:0])
	rand.Read(block[h.HeadSize():])
	for i := range int(h.Len2) {
		off, n := h.Frame(i)
		sum := sha256.Sum256(block[off : off+n])
		copy(block[blockstore.HeaderSize+blockstore.HashSize*i:], sum[:])
	}
	return blockstore.NodeID(block[:h.HeadSize()]), block
}

// FileNode makes a block that CheckID accepts, of the type of a file node, with
// two sections of n random bytes, n >= TagSize.
func FileNode(n int) (blockstore.ID, []byte) {
	h := blockstore.Header{Type: blockstore.TypeFileNode, Suite: blockstore.Suite1, Len1: uint32(n), Len2: uint32(n)}
	block := make([]byte, blockstore.HeaderSize+2*n)
	h.Append(block[:0])
	rand.Read(block[blockstore.HeaderSize:])
	return blockstore.NodeID(block), block
}
