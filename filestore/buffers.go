package filestore

import (
	"sync"

	"github.com/truckee-fs/truckee/filestore/filetree"
)

// buffers are the reused buffers of frames and chunks.
type buffers struct {
	frames, chunks spare
	pages          sync.Pool
}

// bound says how much of what isn't used may be kept: half of what drafts may hold,
// and what may be on its way.
func (b *buffers) bound(o *Options) {
	b.frames.most = int(max(1, o.DirtyBytes/2/frameSize))
	b.chunks.most = int(min(max(2, o.FlightBytes/pooledChunk), 32))
}

// frame returns room for n bytes of a frame: a reused one if they are many,
// else just as much as a small file needs.
func (b *buffers) frame(n int) []byte {
	for _, small := range [...]int{4 << 10, 16 << 10} {
		if n <= small {
			return make([]byte, small)
		}
	}
	if p := b.frames.get(); p != nil {
		return p
	}
	return make([]byte, frameSize)
}

func (b *buffers) freeFrame(buf []byte) {
	if cap(buf) == frameSize {
		b.frames.put(buf[:frameSize])
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

// pooledChunk has room for a chunk of the default size, plain or sealed, and for a
// filetree.Run of one: what uploads no longer need, downloads use.
const pooledChunk = filetree.DefaultChunkSize + 56<<10

// chunk returns n bytes for a chunk.
func (b *buffers) chunk(n int64) []byte {
	if n > pooledChunk || n < pooledChunk/4 {
		return make([]byte, n)
	}
	if p := b.chunks.get(); p != nil {
		return p[:n]
	}
	return make([]byte, n, pooledChunk)
}

func (b *buffers) freeChunk(buf []byte) {
	if cap(buf) == pooledChunk {
		b.chunks.put(buf)
	}
}
