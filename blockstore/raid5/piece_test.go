package raid5

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	"github.com/truckee-fs/truckee/internal/kind"
)

// The layout, byte by byte: a block of 10 bytes on 3 members is two pieces of 7
// bytes, the length in front, and their XOR. docs/formats.md 15 has these vectors.
func TestPieceVectors(t *testing.T) {
	t.Parallel()
	id := blockstore.ID(bytes.Repeat([]byte{0x10, 0x20, 0x30, 0x40}, 8))
	block := []byte("0123456789")
	pieces := encode(make([]byte, stripe{3, 10}.storedSize()), 3, id, block)
	want := []string{
		"546b500103000000" + "0000000a" + "00000000" + hex.EncodeToString(id[:]) + "29b86a0f" + "000000000000000000000000" + "0000000a303132",
		"546b500103010000" + "0000000a" + "00000000" + hex.EncodeToString(id[:]) + "ba7ae767" + "000000000000000000000000" + "33343536373839",
		"546b500103020000" + "0000000a" + "00000000" + hex.EncodeToString(id[:]) + "c762fe06" + "000000000000000000000000" + "3334353c07090b",
	}
	for k, piece := range pieces {
		if got := hex.EncodeToString(piece); got != want[k] {
			t.Errorf("piece %d is\n%s, want\n%s", k, got, want[k])
		}
	}
	// 0x10203040 mod 3 = 1: the parity is on member 1, piece 0 on member 2.
	for k, i := range []int{2, 0, 1} {
		if got := memberOf(id, 3, k); got != i || pieceOn(id, 3, i) != k {
			t.Errorf("piece %d is on member %d, want %d; there is piece %d", k, got, i, pieceOn(id, 3, i))
		}
	}
}

// Whatever one piece is lost, the others make the block, for every length about
// the places where pieces begin and end.
func TestAnyPieceMayBeMissing(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 4, 5, 8, 64} {
		for _, length := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 60, 61, 62, 63, 64, 65, 66, 127, 128, 1000, 70_001} {
			id, block := blockstore.ID{byte(n), byte(length)}, bytes.Repeat([]byte("truckee"), length/7+1)[:length]
			stored := encode(make([]byte, stripe{n, length}.storedSize()), n, id, block)
			total := -prefixSize
			bodies := make([][]byte, n)
			for k, b := range stored {
				h, body, err := parsePiece(id, b)
				if err != nil || h.n != n || h.k != k || h.length != length {
					t.Fatalf("n=%d length=%d: piece %d: %+v, %v", n, length, k, h, err)
				}
				bodies[k] = notNil(body)
				if k < n-1 {
					total += len(body)
				}
			}
			if total != length {
				t.Errorf("n=%d length=%d: the pieces hold %d", n, length, total)
			}
			for lost := range n {
				there := append([][]byte{}, bodies...)
				there[lost] = nil
				used := bytes.Repeat([]byte{0xa5}, lost%2*(prefixSize+length)) // room enough, or none
				if got, err := decode(stripe{n, length}, there, used); err != nil || !bytes.Equal(got, block) {
					t.Errorf("n=%d length=%d without piece %d: %d bytes, %v", n, length, lost, len(got), err)
				}
				there[(lost+1)%n] = nil
				if got, err := decode(stripe{n, length}, there, used); kind.Of(err) != kind.NotExist {
					t.Errorf("n=%d length=%d without pieces %d and %d: %d bytes, %v", n, length, lost, (lost+1)%n, len(got), err)
				}
			}
		}
	}
}

func TestParityGoesRound(t *testing.T) {
	t.Parallel()
	const n, blocks = 5, 5000
	var parity [n]int
	for range blocks {
		id, _ := storecheck.Chunk(1)
		parity[parityMember(id, n)]++
		seen := map[int]bool{}
		for k := range n {
			seen[memberOf(id, n, k)] = true
		}
		if len(seen) != n {
			t.Fatalf("block %v lies on %d members", id, len(seen))
		}
	}
	for i, count := range parity {
		if count < blocks/n*8/10 || count > blocks/n*12/10 {
			t.Errorf("member %d has the parity of %d blocks of %d", i, count, blocks)
		}
	}
}

// Every bit of a stored piece is covered: by the checksum, by the id, or because
// it must be zero.
func TestDamagedPiecesAreCorrupt(t *testing.T) {
	t.Parallel()
	id, block := storecheck.Chunk(100)
	for _, piece := range encode(make([]byte, stripe{3, len(block)}.storedSize()), 3, id, block) {
		for bit := range 8 * len(piece) {
			piece[bit/8] ^= 1 << (bit % 8)
			if err := checkPiece(id, piece); kind.Of(err) != kind.Corrupt {
				t.Fatalf("bit %d flipped: %v", bit, err)
			}
			piece[bit/8] ^= 1 << (bit % 8)
		}
		for n := range len(piece) {
			if err := checkPiece(id, piece[:n]); kind.Of(err) != kind.Corrupt {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
		}
		if err := checkPiece(id, append(bytes.Clone(piece), 0)); kind.Of(err) != kind.Corrupt {
			t.Error("a byte more is taken")
		}
		other, _ := storecheck.Chunk(1)
		if err := checkPiece(other, piece); kind.Of(err) != kind.Corrupt {
			t.Errorf("as a piece of another block: %v", err)
		}
		if err := checkPiece(id, piece); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParsePiece(f *testing.F) {
	id, block := storecheck.Chunk(50)
	id[0] = 0
	for _, piece := range encode(make([]byte, stripe{3, len(block)}.storedSize()), 3, id, block) {
		f.Add(id[:], piece)
		f.Add(id[:], piece[:headerSize])
	}
	f.Fuzz(func(t *testing.T, key, b []byte) {
		var id blockstore.ID
		copy(id[:], key)
		h, body, err := parsePiece(id, b)
		if err != nil {
			if kind.Of(err) != kind.Corrupt {
				t.Errorf("%v", err)
			}
			return
		}
		again := append(make([]byte, headerSize), body...)
		sealPiece(again, h.n, h.k, h.length, id)
		if !bytes.Equal(again, b) {
			t.Errorf("%x reads as %+v, which writes %x", b, h, again)
		}
	})
}
