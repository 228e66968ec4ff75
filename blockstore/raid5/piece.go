package raid5

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The payload of a block is its length, u32, and its bytes. It is cut into n-1
// pieces of one length L = ceil(payload / (n-1)); the last ones may be shorter,
// or empty, and count as padded with zeros. Piece n-1 is the XOR of them all, L
// bytes. Piece k of a block lies on member (p+1+k) mod n, p = the first four
// bytes of the id, u32, mod n: so the parity is on member p.
//
// Stored is a header (formats.md 15), then the piece, without padding:
//
//	0 2 magic "Tk"   2 1 'P'   3 1 version 1   4 1 n   5 1 piece k   6 2 zero
//	8 4 length of the block   12 4 zero   16 32 id of the block
//	48 4 CRC32C of bytes 0 to 47 and the piece   52 12 zero   64 .. the piece
//
// A CRC and no hash: whoever means to can compute the hash of other bytes as
// well, so that only the block's own id proves anything; what the CRC adds is to
// tell which piece an accident damaged.
const (
	headerSize = 64
	prefixSize = 4
	version    = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// stripe is how a block of some length lies on n members.
type stripe struct {
	n, length int
}

// pieceLen is L.
func (s stripe) pieceLen() int { return (prefixSize + s.length + s.n - 2) / (s.n - 1) }

// span is which part of the payload piece k holds; of the parity the span that
// each piece has at most.
func (s stripe) span(k int) (from, to int) {
	l, end := s.pieceLen(), prefixSize+s.length
	if k == s.n-1 {
		return 0, l
	}
	return min(k*l, end), min((k+1)*l, end)
}

// size is how many bytes of piece k are stored, without header.
func (s stripe) size(k int) int {
	from, to := s.span(k)
	return to - from
}

// parityMember is the member that holds the parity of a block.
func parityMember(id blockstore.ID, n int) int {
	return int(binary.BigEndian.Uint32(id[:]) % uint32(n))
}

// memberOf is the member that holds piece k, pieceOn the piece that member i holds.
func memberOf(id blockstore.ID, n, k int) int { return (parityMember(id, n) + 1 + k) % n }

func pieceOn(id blockstore.ID, n, i int) int { return (i - parityMember(id, n) - 1 + n) % n }

// storedSize is how many bytes encode needs for a block on n members.
func (s stripe) storedSize() int {
	return s.n*headerSize + prefixSize + s.length + s.pieceLen()
}

// encode makes the pieces of a block, with their headers, in buf of storedSize
// bytes.
func encode(buf []byte, n int, id blockstore.ID, block []byte) [][]byte {
	s := stripe{n, len(block)}
	pieces := make([][]byte, n)
	for k := range n {
		end := headerSize + s.size(k)
		pieces[k], buf = buf[:end:end], buf[end:]
	}
	var prefix [prefixSize]byte
	binary.BigEndian.PutUint32(prefix[:], uint32(len(block)))
	for k := range n - 1 {
		from, to := s.span(k)
		body := pieces[k][headerSize:]
		if from < prefixSize { // of a block of a few bytes even this is spread
			c := copy(body, prefix[from:])
			body, from = body[c:], from+c
		}
		if from < to {
			copy(body, block[from-prefixSize:to-prefixSize])
		}
	}
	parity := pieces[n-1][headerSize:]
	copy(parity, pieces[0][headerSize:])
	for k := 1; k < n-1; k++ {
		body := pieces[k][headerSize:]
		subtle.XORBytes(parity, parity, body)
	}
	for k, piece := range pieces {
		sealPiece(piece, n, k, len(block), id)
	}
	return pieces
}

// sealPiece writes the header of a piece.
func sealPiece(piece []byte, n, k, length int, id blockstore.ID) {
	h := piece[:headerSize]
	clear(h)
	h[0], h[1], h[2], h[3], h[4], h[5] = 'T', 'k', 'P', version, byte(n), byte(k)
	binary.BigEndian.PutUint32(h[8:], uint32(length))
	copy(h[16:], id[:])
	binary.BigEndian.PutUint32(h[48:], pieceSum(piece))
}

func pieceSum(piece []byte) uint32 {
	return crc32.Update(crc32.Checksum(piece[:48], castagnoli), castagnoli, piece[headerSize:])
}

// header is what the first bytes of a stored piece say.
type header struct {
	stripe
	k int
}

// parseHeader reads a header, which can't be checked without the piece: Corrupt
// if it isn't the header of any piece of id.
func parseHeader(id blockstore.ID, b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("raid5: piece of %v has %d bytes: %w", id, len(b), kind.Corrupt)
	}
	h := header{stripe{int(b[4]), int(binary.BigEndian.Uint32(b[8:]))}, int(b[5])}
	switch {
	case b[0] != 'T', b[1] != 'k', b[2] != 'P', b[3] != version, h.n < 3, h.k >= h.n, h.length > blockstore.MaxBlock,
		!zero(b[6:8]), !zero(b[12:16]), !zero(b[52:headerSize]):
		return header{}, fmt.Errorf("raid5: header %x is none of a piece: %w", b[:16], kind.Corrupt)
	case !bytes.Equal(b[16:48], id[:]):
		return header{}, fmt.Errorf("raid5: a piece of %x in the place of %v: %w", b[16:48], id, kind.Corrupt)
	}
	return h, nil
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// parsePiece reads and checks a stored piece of id, and gives its bytes.
func parsePiece(id blockstore.ID, b []byte) (header, []byte, error) {
	h, err := parseHeader(id, b)
	if err != nil {
		return header{}, nil, err
	}
	if len(b) != headerSize+h.size(h.k) || binary.BigEndian.Uint32(b[48:]) != pieceSum(b) {
		return header{}, nil, fmt.Errorf("raid5: piece %d of %v is damaged: %w", h.k, id, kind.Corrupt)
	}
	return h, b[headerSize:], nil
}

// checkPiece is the blockstore.Check of what the members hold.
func checkPiece(id blockstore.ID, b []byte) error {
	_, _, err := parsePiece(id, b)
	return err
}

// decode makes the block from pieces, by k, of which one may be nil, in room if it
// fits. It is Corrupt if they don't fit together; that they are the right ones, only the
// block's id can tell.
func decode(s stripe, pieces [][]byte, room []byte) ([]byte, error) {
	lost := -1
	for k, piece := range pieces {
		switch {
		case piece == nil && lost >= 0:
			return nil, fmt.Errorf("raid5: pieces %d and %d are missing: %w", lost, k, kind.NotExist)
		case piece == nil:
			lost = k
		case len(piece) != s.size(k):
			return nil, fmt.Errorf("raid5: piece %d has %d bytes instead of %d: %w", k, len(piece), s.size(k), kind.Corrupt)
		}
	}
	payload := within(room, prefixSize+s.length)
	for k, piece := range pieces[:s.n-1] {
		from, to := s.span(k)
		if k == lost {
			missing(payload[from:to], k, pieces)
		} else {
			copy(payload[from:to], piece)
		}
	}
	if got := binary.BigEndian.Uint32(payload); int(got) != s.length {
		return nil, fmt.Errorf("raid5: pieces of %d bytes make a block of %d: %w", s.length, got, kind.Corrupt)
	}
	return payload[prefixSize:], nil
}

// missing computes the bytes of piece k, or as many of its first bytes as dst
// takes, from all others, which count as padded with zeros.
func missing(dst []byte, k int, pieces [][]byte) {
	clear(dst)
	for j, piece := range pieces {
		if j != k {
			n := min(len(dst), len(piece))
			subtle.XORBytes(dst[:n], dst[:n], piece[:n])
		}
	}
}
