package blockstore

import (
	"encoding/binary"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Sizes in bytes of the parts of a block (formats.md 2).
const (
	HeaderSize = 16      // the header
	FrameLog   = 14      // log2 of FrameSize, byte 6 of the header of a new chunk
	FrameSize  = 1 << 14 // plaintext of one frame of a new chunk; the last may be shorter
	HashSize   = 32      // one frame hash
	TagSize    = 16      // what sealing adds to each frame and section
	MaxChunk   = 4 << 20 // plaintext of the largest chunk

	// WideFrameLog is the other value that byte 6 of a chunk's header may have:
	// frames of 64 KiB, read and no longer made.
	WideFrameLog = 16
)

// Type is byte 2 of a block: what its body holds.
type Type byte

// The types of version 1.
const (
	TypeChunk    Type = 1 // data chunk
	TypeFileNode Type = 2 // node of a file's tree
	TypeDirNode  Type = 3 // node of a directory's tree
)

// Suite1 is SHA-256, AES-256-GCM and Ed25519, the only suite of version 1.
const Suite1 = 1

// The bits of a block's flags byte.
const (
	FlagPadded = 1 << 0 // the tail of a chunk's plaintext is padding
	FlagRagged = 1 << 1 // the children of a file node carry their lengths

	// FlagPatched: something is written over children of a file node of level 0.
	FlagPatched = 1 << 2
)

// Header is the first HeaderSize bytes of every block:
//
//	0 2 magic "Tk"   2 1 type   3 1 suite   4 1 flags   5 1 level
//	6 1 log2 frame size of a chunk, FrameLog or WideFrameLog, else 0   7 1 zero
//	8 4 length of section 1 (chunk: plaintext bytes of the block)
//	12 4 length of section 2 (chunk: number of frames)
type Header struct {
	Type     Type
	Suite    byte
	Flags    byte
	Level    byte
	FrameLog byte
	Len1     uint32
	Len2     uint32
}

// ChunkHeader is the header of a chunk of n plaintext bytes, 1 to MaxChunk,
// without flags.
func ChunkHeader(n int) Header {
	return Header{Type: TypeChunk, Suite: Suite1, FrameLog: FrameLog, Len1: uint32(n), Len2: uint32((n + FrameSize - 1) / FrameSize)}
}

// Append appends the header's HeaderSize bytes to b.
func (h Header) Append(b []byte) []byte {
	b = append(b, 'T', 'k', byte(h.Type), h.Suite, h.Flags, h.Level, h.FrameLog, 0)
	b = binary.BigEndian.AppendUint32(b, h.Len1)
	return binary.BigEndian.AppendUint32(b, h.Len2)
}

// ParseHeader reads the header that block begins with. Whatever version 1
// doesn't allow is Corrupt; what it accepts, Append writes back to the same
// bytes. It doesn't look at the rest of the block.
func ParseHeader(block []byte) (Header, error) {
	if len(block) < HeaderSize {
		return Header{}, fmt.Errorf("blockstore: block of %d bytes: %w", len(block), kind.Corrupt)
	}
	h := Header{
		Type: Type(block[2]), Suite: block[3], Flags: block[4], Level: block[5], FrameLog: block[6],
		Len1: binary.BigEndian.Uint32(block[8:]), Len2: binary.BigEndian.Uint32(block[12:]),
	}
	if [HeaderSize]byte(h.Append(nil)) != [HeaderSize]byte(block) || !h.valid() {
		return Header{}, fmt.Errorf("blockstore: block header %x: %w", block[:HeaderSize], kind.Corrupt)
	}
	return h, nil
}

// valid reports whether the fields go together. The bound on the level is the
// trees' own.
func (h Header) valid() bool {
	if h.Suite != Suite1 {
		return false
	}
	switch h.Type {
	case TypeChunk:
		return (h.FrameLog == FrameLog || h.FrameLog == WideFrameLog) && h.Level == 0 && h.Flags&^FlagPadded == 0 &&
			h.Len1 >= 1 && h.Len1 <= MaxChunk && int64(h.Len2) == (int64(h.Len1)+h.FrameSize()-1)/h.FrameSize()
	case TypeFileNode:
		return h.FrameLog == 0 && h.Flags&^(FlagRagged|FlagPatched) == 0 && (h.Flags&FlagPatched == 0 || h.Level == 0) &&
			h.Len1 >= TagSize && h.Len2 >= TagSize
	case TypeDirNode:
		return h.FrameLog == 0 && h.Flags == 0 && h.Len1 >= TagSize && h.Len2 >= TagSize
	}
	return false
}

// FrameSize is the plaintext of one frame of a chunk; the last may be shorter.
func (h Header) FrameSize() int64 { return 1 << h.FrameLog }

// HeadSize is the length of a chunk's header and frame hashes, which its id
// is the hash of.
func (h Header) HeadSize() int64 { return HeaderSize + HashSize*int64(h.Len2) }

// ChunkSize is the length of the whole block of a chunk.
func (h Header) ChunkSize() int64 {
	return h.HeadSize() + int64(h.Len1) + TagSize*int64(h.Len2)
}

// Frame tells where in a chunk's block sealed frame i lies, its tag included.
func (h Header) Frame(i int) (off, n int64) {
	off = h.HeadSize() + int64(i)*(h.FrameSize()+TagSize)
	return off, min(h.FrameSize()+TagSize, h.ChunkSize()-off)
}

// FrameHash is the hash of sealed frame i that head, a chunk's header and
// frame hashes, promises.
func (h Header) FrameHash(head []byte, i int) [HashSize]byte {
	return [HashSize]byte(head[HeaderSize+HashSize*i:])
}

// ChunkBlockSize is the length of the block that a chunk of n plaintext bytes
// makes, 1 <= n <= MaxChunk.
func ChunkBlockSize(n int64) int64 { return ChunkHeader(int(n)).ChunkSize() }

// LeastChunkBlock is the least length that the block of a chunk of n plaintext
// bytes can have: that of one with wide frames.
func LeastChunkBlock(n int64) int64 {
	frames := (n + 1<<WideFrameLog - 1) >> WideFrameLog
	return HeaderSize + frames*(HashSize+TagSize) + n
}
