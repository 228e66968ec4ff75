package blockstoretest

import (
	"context"

	"github.com/truckee-fs/truckee/blockstore"
)

// Lie is a way to give other bytes than were put: it is given the block, in a
// slice of its own, and returns what to give instead; nil for NotExist. Swap and
// Replay of a Faulty are the lies that take more than one block.
type Lie func(block []byte) []byte

// Drop says that the block isn't there.
func Drop([]byte) []byte { return nil }

// Flip changes a bit of byte at, counted from the end if negative.
func Flip(at int) Lie {
	return func(block []byte) []byte {
		if len(block) > 0 {
			block[(at%len(block)+len(block))%len(block)] ^= 0x10
		}
		return block
	}
}

// Truncate gives the first n bytes, or all but the last -n.
func Truncate(n int) Lie {
	return func(block []byte) []byte {
		if n < 0 {
			n += len(block)
		}
		return block[:max(0, min(n, len(block)))]
	}
}

// Extend gives a byte more than there is.
func Extend(block []byte) []byte { return append(block, 0) }

// Instead gives another block.
func Instead(other []byte) Lie {
	return func([]byte) []byte { return append([]byte{}, other...) }
}

// Lie tells a lie whenever id is read; nil tells the truth again.
func (f *Faulty) Lie(id blockstore.ID, lie Lie) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lie == nil {
		delete(f.lies, id)
		return
	}
	f.lies[id] = lie
}

// LieAlways tells a lie about every block that has no lie of its own.
func (f *Faulty) LieAlways(lie Lie) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.always = lie
}

// Swap gives each of two stored blocks for the other.
func (f *Faulty) Swap(ctx context.Context, a, b blockstore.ID) error {
	blockA, err := f.inner.Get(ctx, a)
	if err != nil {
		return err
	}
	blockB, err := f.inner.Get(ctx, b)
	if err != nil {
		return err
	}
	f.Lie(a, Instead(blockB))
	f.Lie(b, Instead(blockA))
	return nil
}

// Replay makes blocks that are deleted from now on readable as before.
func (f *Faulty) Replay() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep = true
}
