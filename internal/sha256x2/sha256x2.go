// Package sha256x2 computes SHA-256 (FIPS 180-4) of two messages of one length at
// the same time, in the time of one where the processor has instructions for it: the
// rounds of a message depend on one another, so that one message alone leaves the
// unit that computes them idle half of the time. Elsewhere it is crypto/sha256,
// twice. What it returns is the same.
package sha256x2

import (
	"crypto/sha256"
	"encoding/binary"
)

// state is the state of one message, in the order of the registers: f e b a h g d c.
type state [8]uint32

// initial is where every message begins.
var initial = state{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}

// words tells which word of a state is the i-th of the hash.
var words = [8]int{3, 2, 7, 6, 1, 0, 5, 4}

// parallel is whether this processor computes two at a time.
var parallel = lanes()

// least is the length in bytes from which two at a time are worth it.
const least = 256

// Sum256 returns the SHA-256 of a and that of b.
func Sum256(a, b []byte) (sumA, sumB [sha256.Size]byte) {
	if !parallel || len(a) != len(b) || len(a) < least {
		return sha256.Sum256(a), sha256.Sum256(b)
	}
	return both(a, b)
}

// both is Sum256 by the processor's own instructions, for a and b of one length, at
// least that of a block.
func both(a, b []byte) (sumA, sumB [sha256.Size]byte) {
	states := [2]state{initial, initial}
	whole := len(a) / sha256.BlockSize
	blocks(&states, &a[0], &b[0], whole)
	var ends [2][2 * sha256.BlockSize]byte
	n := end(&ends[0], a[whole*sha256.BlockSize:], len(a))
	end(&ends[1], b[whole*sha256.BlockSize:], len(b))
	blocks(&states, &ends[0][0], &ends[1][0], n)
	return states[0].sum(), states[1].sum()
}

// end lays out the end of a message of so many bytes, of which rest fills no block
// any more, and tells how many blocks that makes.
func end(p *[2 * sha256.BlockSize]byte, rest []byte, length int) int {
	p[copy(p[:], rest)] = 0x80
	n := 1
	if len(rest) >= sha256.BlockSize-8 {
		n = 2
	}
	binary.BigEndian.PutUint64(p[n*sha256.BlockSize-8:], uint64(length)*8)
	return n
}

func (s *state) sum() (sum [sha256.Size]byte) {
	for i, at := range words {
		binary.BigEndian.PutUint32(sum[4*i:], s[at])
	}
	return sum
}
