package filestore

import (
	"sync"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// buffers are the reused buffers of frames and chunks.
type buffers struct{ frames, chunks sync.Pool }

// frame returns room for n bytes of a frame: a reused one if they are many,
// else just as much as a small file needs.
func (b *buffers) frame(n int) []byte {
	for _, small := range [...]int{4 << 10, 16 << 10} {
		if n <= small {
			return make([]byte, small)
		}
	}
	if p, ok := b.frames.Get().(*[frameSize]byte); ok {
		return p[:]
	}
	return make([]byte, frameSize)
}

func (b *buffers) freeFrame(buf []byte) {
	if cap(buf) == frameSize {
		buf = buf[:frameSize]
		b.frames.Put((*[frameSize]byte)(buf))
	}
}

// pooledChunk has room for a chunk of the default size, plain or sealed.
const pooledChunk = filetree.DefaultChunkSize + 8<<10

// chunk returns n bytes for a chunk.
func (b *buffers) chunk(n int64) []byte {
	if n > pooledChunk || n < pooledChunk/4 {
		return make([]byte, n)
	}
	if p, ok := b.chunks.Get().(*[pooledChunk]byte); ok {
		return p[:n]
	}
	return new([pooledChunk]byte)[:n]
}

func (b *buffers) freeChunk(buf []byte) {
	if cap(buf) == pooledChunk {
		b.chunks.Put((*[pooledChunk]byte)(buf[:pooledChunk]))
	}
}
