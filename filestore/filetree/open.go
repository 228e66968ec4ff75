package filetree

import (
	"crypto/cipher"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// opener opens the frames of one chunk, whose head has been checked against the
// reference's id and size. It is not safe for concurrent use.
type opener struct {
	id   blockstore.ID
	h    blockstore.Header
	head []byte // header and frame hashes
	size int64  // plaintext bytes that the reference promises
	aead cipher.AEAD
	fc   *frameContext
}

// newOpener checks the beginning of a block, at least its head, against ref.
// limit is the chunk size of the tree, which no padding may exceed.
func newOpener(ref Ref, limit int64, block []byte) (*opener, error) {
	h, err := blockstore.CheckHead(ref.ID, block)
	if err != nil {
		return nil, err
	}
	if err := checkLength(ref, limit, h); err != nil {
		return nil, err
	}
	aead, err := newAEAD(ref.Key)
	if err != nil {
		return nil, err
	}
	head := slices.Clone(block[:h.HeadSize()])
	return &opener{ref.ID, h, head, int64(ref.Size), aead, newFrameContext(head)}, nil
}

// checkLength compares the two copies of a chunk's size: equal, unless the tail
// is padded, and then only up to limit.
func checkLength(ref Ref, limit int64, h blockstore.Header) error {
	length, padded := uint64(h.Len1), h.Flags&blockstore.FlagPadded != 0
	switch {
	case h.Type != blockstore.TypeChunk || ref.Level != LevelChunk || ref.Size == 0:
		return corruptf(ref.ID, "is of type %d, level %d, where a chunk is meant", h.Type, ref.Level)
	case !padded && length != ref.Size:
		return corruptf(ref.ID, "holds %d bytes, its reference says %d", length, ref.Size)
	case padded && (length <= ref.Size || length > uint64(limit)):
		return corruptf(ref.ID, "is padded to %d bytes, its reference says %d of at most %d", length, ref.Size, limit)
	}
	return nil
}

// frame checks sealed frame i and appends its plaintext to dst, padding
// included, after checking that the padding is zeros.
func (o *opener) frame(i int, dst, sealed []byte) ([]byte, error) {
	if err := o.check(i, sealed); err != nil {
		return dst, err
	}
	return o.unseal(i, dst, sealed)
}

// check compares sealed frame i with its hash.
func (o *opener) check(i int, sealed []byte) error {
	if err := blockstore.CheckFrame(o.h, o.head, i, sealed); err != nil {
		return fmt.Errorf("chunk %v: %w", o.id, err)
	}
	return nil
}

// unseal is frame for a sealed frame that has passed check.
func (o *opener) unseal(i int, dst, sealed []byte) ([]byte, error) {
	out, err := o.aead.Open(dst, o.fc.nonceOf(i), sealed, o.fc.adOf(i))
	if err != nil {
		return dst, corruptf(o.id, "frame %d doesn't open with the key of its reference", i)
	}
	plain := out[len(dst):]
	begin := int64(i) * o.h.FrameSize()
	if surplus := begin + int64(len(plain)) - o.size; surplus > 0 {
		pad := plain[max(0, int64(len(plain))-surplus):]
		if slices.ContainsFunc(pad, func(b byte) bool { return b != 0 }) {
			clear(plain)
			return dst, corruptf(o.id, "padding of frame %d isn't zero", i)
		}
	}
	return out, nil
}

// corruptf is an error of kind Corrupt about the block id.
func corruptf(id blockstore.ID, format string, args ...any) error {
	return fmt.Errorf("filetree: block %v %s: %w", id, fmt.Sprintf(format, args...), kind.Corrupt)
}

// verifyKey is Kv = KDF(Kr, "fnode-verify", "") (formats.md 3), and no key if
// there is no Kr.
func verifyKey(kr caps.Key) caps.Key {
	if kr.Raw() == nil {
		return caps.Key{}
	}
	return kr.Derive("fnode-verify")
}
