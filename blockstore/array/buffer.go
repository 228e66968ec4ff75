package array

import "sync"

// Buffers are reused buffers for the parts of blocks that are being written.
type Buffers struct {
	pools [bufferMax / bufferStep]sync.Pool
}

// Buffers are kept by size, in steps; small ones are not worth it.
const (
	bufferStep = 256 << 10
	bufferMin  = 64 << 10
	bufferMax  = 8 << 20
)

// Get returns n bytes, not zeroed.
func (b *Buffers) Get(n int) []byte {
	if n < bufferMin || n > bufferMax {
		return make([]byte, n)
	}
	step := (n - 1) / bufferStep
	if p, ok := b.pools[step].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, (step+1)*bufferStep)
}

// Put takes back what Get returned.
func (b *Buffers) Put(buf []byte) {
	if n := cap(buf); n > 0 && n%bufferStep == 0 && n <= bufferMax {
		b.pools[n/bufferStep-1].Put(&buf)
	}
}
