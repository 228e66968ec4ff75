package array

import "sync"

// Buffers are reused buffers for the parts of blocks that are being written.
type Buffers struct{ pool sync.Pool }

// Buffers of this size are kept: a chunk of the default size with what its block
// and two headers add. Small ones are not worth it, larger ones are rare.
const (
	bufferSize = 1<<20 + 8<<10
	bufferMin  = 128 << 10
)

// Get returns n bytes, not zeroed.
func (b *Buffers) Get(n int) []byte {
	if n < bufferMin || n > bufferSize {
		return make([]byte, n)
	}
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:n]
	}
	return new([bufferSize]byte)[:n]
}

// Put takes back what Get returned.
func (b *Buffers) Put(buf []byte) {
	if cap(buf) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(buf[:bufferSize]))
	}
}
