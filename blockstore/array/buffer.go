package array

import (
	"sync"
	"sync/atomic"

	"github.com/truckee-fs/truckee/blockstore"
)

// Once gives the room of a caller's to the first who asks, and nil to all others:
// only one member may read into it.
func Once(room []byte) func() []byte {
	var given atomic.Bool
	return func() []byte {
		if given.Swap(true) {
			return nil
		}
		return room
	}
}

// Buffers are reused buffers for the parts of blocks that are being written, or read
// and put together.
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

// Room returns memory for GetRangeIn of n bytes; nil if they are too few, or too many.
func (b *Buffers) Room(n int64) []byte {
	if n < bufferMin || n > bufferMax-blockstore.RangeRoom(0) {
		return nil
	}
	return b.Get(int(blockstore.RangeRoom(n)))
}

// Back takes a Room back when what was read is no longer needed, if that lies in it:
// otherwise something may still write to it.
func (b *Buffers) Back(room, data []byte) {
	if blockstore.InRoom(data, room) {
		b.Put(room)
	}
}

// Put takes back what Get returned.
func (b *Buffers) Put(buf []byte) {
	if n := cap(buf); n > 0 && n%bufferStep == 0 && n <= bufferMax {
		b.pools[n/bufferStep-1].Put(&buf)
	}
}
