package filetree

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Padding says how far the plaintext of a file's last chunk is filled up with
// zeros, so that the length of its block tells less about the file's.
type Padding uint8

// The paddings. None reaches beyond the chunk size.
const (
	PadNone       Padding = iota
	Pad4096               // to a multiple of 4096 bytes
	PadPowerOfTwo         // to a power of two
)

// Sealer seals chunks by one policy. The zero Sealer draws a random key for each
// chunk and pads nothing. It is safe for concurrent use.
type Sealer struct {
	// Secret, if set, makes keys convergent: equal chunks sealed under one
	// secret become one block, and whoever learns the secret can confirm
	// guessed contents by their ids (formats.md 6).
	Secret caps.Key

	// Pad is applied to chunks shorter than ChunkSize, which is the chunk size
	// of the file, a power of two; zero: MaxChunkSize.
	Pad       Padding
	ChunkSize int
}

// SealChunk seals plain, 1 to MaxChunkSize bytes, as one chunk under a fresh
// random key and returns its block and the key. The block is written over dst
// if that has the capacity (SealedLen), else allocated; plain and dst must not
// overlap. Invalid if plain is empty or too long.
func SealChunk(dst, plain []byte) (Block, caps.Key, error) { return Sealer{}.Seal(dst, plain) }

// SealChunkConvergent is SealChunk with the key HMAC-SHA256(secret,
// "truckee/1/conv" + 0x00 + header + plaintext) (formats.md 2).
func SealChunkConvergent(secret caps.Key, dst, plain []byte) (Block, caps.Key, error) {
	return Sealer{Secret: secret}.Seal(dst, plain)
}

// Seal is SealChunk by the sealer's policy. The reference to the chunk has the
// Size len(plain), also if the block was padded.
func (s Sealer) Seal(dst, plain []byte) (Block, caps.Key, error) {
	if len(plain) == 0 || len(plain) > MaxChunkSize {
		return Block{}, caps.Key{}, fmt.Errorf("filetree: seal a chunk of %d bytes: %w", len(plain), kind.Invalid)
	}
	h := blockstore.ChunkHeader(s.padded(len(plain)))
	if int(h.Len1) > len(plain) {
		h.Flags |= blockstore.FlagPadded
	}
	key := s.key(h, plain)
	b, err := sealChunk(key, h, dst, plain)
	return b, key, err
}

// key draws a random key, or derives one from header and padded plaintext.
// Those are all that it will encrypt: only then do equal keys mean equal
// plaintexts, which the fixed nonces need.
func (s Sealer) key(h blockstore.Header, plain []byte) caps.Key {
	if s.Secret.IsZero() {
		return randomKey()
	}
	return s.Secret.Derive("conv", h.Append(nil), plain, make([]byte, int(h.Len1)-len(plain)))
}

func (s Sealer) padded(n int) int {
	limit := s.ChunkSize
	if limit == 0 {
		limit = MaxChunkSize
	}
	want := n
	switch s.Pad {
	case Pad4096:
		want = (n + 4095) &^ 4095
	case PadPowerOfTwo:
		want = 1 << bits.Len(uint(n-1))
	}
	return max(n, min(want, limit))
}

// randomKey draws a key; crypto/rand ends the program if the system has no
// randomness.
func randomKey() caps.Key {
	var b [caps.KeySize]byte
	rand.Read(b[:])
	return caps.KeyOf(b)
}

// sealChunk seals plain and the zeros that h.Len1 asks for beyond it.
func sealChunk(key caps.Key, h blockstore.Header, dst, plain []byte) (Block, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return Block{}, err
	}
	out := dst[:0]
	if total := int(h.ChunkSize()); cap(out) >= total {
		out = out[:total]
	} else {
		out = make([]byte, total)
	}
	head := h.Append(out[:0])
	fc := newFrameContext(head)
	for i := range int(h.Len2) {
		off, n := h.Frame(i)
		sealed := out[off : off+n : off+n]
		part := framePart(h, i, plain, sealed)
		aead.Seal(sealed[:0], fc.nonceOf(i), part, fc.adOf(i))
		sum := sha256.Sum256(sealed)
		head = append(head, sum[:]...)
	}
	return Block{ID: blockstore.NodeID(head), Data: out}, nil
}

// framePart is the plaintext of frame i: a part of plain, or, where padding
// begins, the rest of plain and zeros, laid out in sealed to be sealed in place.
func framePart(h blockstore.Header, i int, plain, sealed []byte) []byte {
	lo := i * blockstore.FrameSize
	hi := min(lo+blockstore.FrameSize, int(h.Len1))
	if hi <= len(plain) {
		return plain[lo:hi]
	}
	n := copy(sealed, plain[min(lo, len(plain)):])
	clear(sealed[n : hi-lo])
	return sealed[:hi-lo]
}

// frameContext holds what goes into the seal of each frame of one chunk: the
// nonce, u96 i, and the additional data, header + u32 i.
type frameContext struct {
	nonce [12]byte
	ad    [blockstore.HeaderSize + 4]byte
}

func newFrameContext(head []byte) *frameContext {
	c := new(frameContext)
	copy(c.ad[:blockstore.HeaderSize], head)
	return c
}

func (c *frameContext) nonceOf(i int) []byte {
	binary.BigEndian.PutUint32(c.nonce[8:], uint32(i))
	return c.nonce[:]
}

func (c *frameContext) adOf(i int) []byte {
	binary.BigEndian.PutUint32(c.ad[blockstore.HeaderSize:], uint32(i))
	return c.ad[:]
}

// newAEAD is AES-256-GCM under k. A reference without a key is Corrupt.
func newAEAD(k caps.Key) (cipher.AEAD, error) {
	raw := k.Raw()
	if raw == nil {
		return nil, fmt.Errorf("filetree: reference without a key: %w", kind.Corrupt)
	}
	block, err := aes.NewCipher(raw[:])
	if err != nil {
		return nil, fmt.Errorf("filetree: %w: %w", err, kind.Other)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("filetree: %w: %w", err, kind.Other)
	}
	return aead, nil
}
