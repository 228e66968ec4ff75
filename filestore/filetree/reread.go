package filetree

import (
	"context"
	"errors"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Rereader is an optional interface of a Source over stores that keep a block
// more than once. A range of a block can't be checked by the store that gives
// it, so that it may come from a damaged copy; whoever finds it damaged has the
// block read again, whole, from copies that are sound.
type Rereader interface {
	// Reread returns the whole block of a chunk, which has been checked against
	// its id.
	Reread(ctx context.Context, id blockstore.ID) ([]byte, error)
}

// reread gives a Source of the one chunk ref if err says that what src gave of
// it was damaged, and src has it sound after all; else nil.
func reread(ctx context.Context, src Source, ref *Ref, err error) Source {
	r, ok := src.(Rereader)
	if !ok || !errors.Is(err, kind.Corrupt) {
		return nil
	}
	block, err := r.Reread(ctx, ref.ID)
	if err != nil {
		return nil
	}
	return sound{Source: src, block: block}
}

// sound is a Source whose one chunk is at hand.
type sound struct {
	Source
	block []byte
}

// ChunkRange gives bytes of that chunk.
func (s sound) ChunkRange(_ context.Context, _ blockstore.ID, _, off, n int64) ([]byte, error) {
	off = min(off, int64(len(s.block)))
	return s.block[off : off+min(n, int64(len(s.block))-off)], nil
}
