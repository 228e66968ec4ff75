package filetree

import (
	"context"
	"slices"

	"github.com/truckee-fs/truckee/caps"
)

// Build is Edit of the empty file: it makes the tree over leaves, with holes
// where none lies.
func Build(ctx context.Context, chunkSize int, leaves []Leaf, size int64) (Ref, []Block, error) {
	return Edit(ctx, nil, Ref{}, chunkSize, size, leaves)
}

// Edit is Reader.Edit of the file base.
func Edit(ctx context.Context, src Source, base Ref, chunkSize int, size int64, leaves []Leaf) (Ref, []Block, error) {
	return NewReader(src, base, nil).Edit(ctx, chunkSize, size, leaves)
}

// SealChunkConvergent is SealChunk under a convergent key.
func SealChunkConvergent(secret caps.Key, dst, plain []byte) (Block, caps.Key, error) {
	return Sealer{Secret: secret}.Seal(dst, plain)
}

// OpenChunk checks and opens a whole block that ref, of LevelChunk, refers to
// and appends its plaintext, ref.Size bytes, to dst. Corrupt if anything of the
// block isn't as formats.md 2 and 3 say, its exact length included; dst is then
// returned as it was.
func OpenChunk(dst []byte, ref Ref, sealed []byte) ([]byte, error) {
	o, err := newOpener(ref, MaxChunkSize, sealed)
	if err != nil {
		return dst, err
	}
	if int64(len(sealed)) != o.h.ChunkSize() {
		return dst, corruptf(ref.ID, "has %d bytes, its header says %d", len(sealed), o.h.ChunkSize())
	}
	old := len(dst)
	out := slices.Grow(dst, int(o.h.Len1))
	for i := range int(o.h.Len2) {
		off, n := o.h.Frame(i)
		if out, err = o.frame(i, out, sealed[off:off+n]); err != nil {
			clear(out[old:])
			return dst, err
		}
	}
	return out[:old+int(ref.Size)], nil
}
