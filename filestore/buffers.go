package filestore

import (
	"sync"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// buffers are the reused buffers of frames and chunks.
type buffers struct{ frames, pages, chunks sync.Pool }

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

func (b *buffers) freeFrames(frames [][]byte) {
	for _, fr := range frames {
		b.freeFrame(fr)
	}
}

// addPages gives fr memory for the pages of set that it has none for.
func (b *buffers) addPages(fr *frame, set uint16) {
	if fr.pages == nil {
		fr.pages = new([framePages][]byte)
	}
	for i := range fr.pages {
		if set>>i&1 == 0 || fr.pages[i] != nil {
			continue
		}
		if p, ok := b.pages.Get().(*[pageSize]byte); ok {
			fr.pages[i] = p[:]
		} else {
			fr.pages[i] = make([]byte, pageSize)
		}
	}
}

// free takes the memory of fr back.
func (b *buffers) free(fr *frame) {
	if fr.buf != nil {
		b.freeFrame(fr.buf)
	}
	if fr.pages != nil {
		for _, p := range fr.pages {
			if p != nil {
				b.pages.Put((*[pageSize]byte)(p))
			}
		}
	}
	fr.buf, fr.pages = nil, nil
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
