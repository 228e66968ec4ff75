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
	// Secret, if set, makes keys convergent: a chunk's is HMAC-SHA256(Secret,
	// "truckee/1/conv" + 0x00 + header + plaintext) (formats.md 2), so that equal
	// chunks sealed under one secret become one block, and whoever learns the
	// secret can confirm guessed contents by their ids (formats.md 6).
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

// Seal is SealChunk by the sealer's policy. The reference to the chunk has the
// Size len(plain), also if the block was padded. Nobody may change plain during
// the call: under a convergent key, what is encrypted would not be what the key was
// derived from, so that the key would encrypt two messages.
func (s Sealer) Seal(dst, plain []byte) (Block, caps.Key, error) {
	if len(plain) == 0 || len(plain) > MaxChunkSize {
		return Block{}, caps.Key{}, fmt.Errorf("filetree: seal a chunk of %d bytes: %w", len(plain), kind.Invalid)
	}
	return s.seal(dst, [][]byte{plain}, len(plain))
}

// SealPieces is Seal of a chunk that lies in pieces: each but the last holds the
// same multiple of blockstore.FrameSize bytes, the last no more, and none is empty.
func (s Sealer) SealPieces(dst []byte, pieces [][]byte) (Block, caps.Key, error) {
	size := 0
	for i, p := range pieces {
		if len(p) == 0 || len(p) > len(pieces[0]) || i < len(pieces)-1 && (len(p) < len(pieces[0]) || len(p)%blockstore.FrameSize != 0) {
			return Block{}, caps.Key{}, fmt.Errorf("filetree: piece %d of %d has %d bytes: %w", i, len(pieces), len(p), kind.Invalid)
		}
		size += len(p)
	}
	if size == 0 || size > MaxChunkSize {
		return Block{}, caps.Key{}, fmt.Errorf("filetree: seal a chunk of %d bytes: %w", size, kind.Invalid)
	}
	return s.seal(dst, pieces, size)
}

// maxFrames is the number of frames of the largest chunk.
const maxFrames = MaxChunkSize / blockstore.FrameSize

func (s Sealer) seal(dst []byte, pieces [][]byte, size int) (Block, caps.Key, error) {
	h := blockstore.ChunkHeader(s.padded(size))
	if int(h.Len1) > size {
		h.Flags |= blockstore.FlagPadded
	}
	key := s.key(h, pieces, size)
	b, err := sealChunk(key, h, dst, pieces)
	return b, key, err
}

// key draws a random key, or derives one from header and padded plaintext.
// Those are all that it will encrypt: only then do equal keys mean equal
// plaintexts, which the fixed nonces need.
func (s Sealer) key(h blockstore.Header, pieces [][]byte, size int) caps.Key {
	if s.Secret.IsZero() {
		return randomKey()
	}
	ctx := append([][]byte{h.Append(nil)}, pieces...)
	return s.Secret.Derive("conv", append(ctx, make([]byte, int(h.Len1)-size))...)
}

// PaddedLen is how many bytes a chunk of n is sealed as: more than n if it is padded.
func (s Sealer) PaddedLen(n int64) int64 { return int64(s.padded(int(n))) }

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

// sealChunk seals what pieces hold and the zeros that h.Len1 asks for beyond it.
func sealChunk(key caps.Key, h blockstore.Header, dst []byte, pieces [][]byte) (Block, error) {
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
		part := framePart(pieces, int64(i)*h.FrameSize(), sealed[:n-blockstore.TagSize])
		aead.Seal(sealed[:0], fc.nonceOf(i), part, fc.adOf(i))
		sum := sha256.Sum256(sealed)
		head = append(head, sum[:]...)
	}
	return Block{ID: blockstore.NodeID(head), Data: out}, nil
}

// framePart is the plaintext of the frame that begins at byte at: a part of a
// piece, or, from where padding begins, the rest of one and zeros, laid out in
// room to be sealed in place.
func framePart(pieces [][]byte, at int64, room []byte) []byte {
	var part []byte
	if i := at / int64(len(pieces[0])); i < int64(len(pieces)) {
		part = pieces[i]
		part = part[min(at%int64(len(pieces[0])), int64(len(part))):]
	}
	if len(part) >= len(room) {
		return part[:len(room)]
	}
	clear(room[copy(room, part):])
	return room
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
