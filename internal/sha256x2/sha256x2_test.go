package sha256x2

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

// requireLanes skips where the processor can't compute two at a time.
func requireLanes(t testing.TB) {
	if !parallel {
		t.Skip("this processor has no SHA extensions")
	}
}

// NIST's examples for FIPS 180-4 that are long enough, each in either lane.
func TestKnownAnswers(t *testing.T) {
	requireLanes(t)
	for _, v := range []struct{ message, sum string }{
		{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
		{strings.Repeat("a", 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
	} {
		other := []byte(strings.Repeat("x", len(v.message)))
		a, b := both([]byte(v.message), other)
		c, d := both(other, []byte(v.message))
		if hex.EncodeToString(a[:]) != v.sum || hex.EncodeToString(d[:]) != v.sum || b != c || b != sha256.Sum256(other) {
			t.Errorf("the sums of %d bytes are %x and %x, not %s", len(v.message), a, d, v.sum)
		}
	}
}

// Every length around the ends of blocks, at every alignment of memory.
func TestEveryLength(t *testing.T) {
	data := randomBytes(4096)
	for n := range 1100 {
		for _, at := range []int{0, 1, 7, 31} {
			check(t, data[at:at+n], data[2000+at:2000+at+n])
		}
	}
}

// Messages of two lengths, empty ones, and one message twice.
func TestAnyTwo(t *testing.T) {
	data := randomBytes(2048)
	for _, n := range [][2]int{{0, 0}, {0, 1}, {300, 0}, {300, 301}, {1024, 64}} {
		check(t, data[:n[0]], data[1024:1024+n[1]])
	}
	check(t, data, data)
}

// Nothing beyond the ends of a message is looked at, nothing at all is written.
func TestStaysInside(t *testing.T) {
	requireLanes(t)
	data := randomBytes(4096)
	was := bytes.Clone(data)
	a, b := both(data[:500:500], data[2000:2500:2500])
	clear(data[500:2000])
	clear(data[2500:])
	c, d := both(data[:500:500], data[2000:2500:2500])
	if a != c || b != d {
		t.Error("a sum depends on what lies behind its message")
	}
	if !bytes.Equal(data[:500], was[:500]) || !bytes.Equal(data[2000:2500], was[2000:2500]) {
		t.Error("a message was changed")
	}
}

func FuzzSum256(f *testing.F) {
	f.Add([]byte("abc"), []byte("abd"), uint16(0))
	f.Add(randomBytes(1000), randomBytes(2000), uint16(999))
	f.Fuzz(func(t *testing.T, a, b []byte, n uint16) {
		check(t, a, b)
		least := min(len(a), len(b), int(n))
		check(t, a[:least], b[len(b)-least:])
	})
}

// check compares with crypto/sha256, also below the length from which Sum256 computes
// two at a time.
func check(t *testing.T, a, b []byte) {
	t.Helper()
	wantA, wantB := sha256.Sum256(a), sha256.Sum256(b)
	if gotA, gotB := Sum256(a, b); gotA != wantA || gotB != wantB {
		t.Fatalf("the sums of %d and %d bytes are %x and %x, not %x and %x", len(a), len(b), gotA, gotB, wantA, wantB)
	}
	if !parallel || len(a) != len(b) || len(a) < sha256.BlockSize {
		return
	}
	if gotA, gotB := both(a, b); gotA != wantA || gotB != wantB {
		t.Fatalf("both: the sums of %d bytes are %x and %x, not %x and %x", len(a), gotA, gotB, wantA, wantB)
	}
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(p)
	return p
}

func BenchmarkSum256(b *testing.B) {
	x, y := randomBytes(16400), randomBytes(16400)
	b.Run("two at once", func(b *testing.B) {
		b.SetBytes(int64(len(x) + len(y)))
		for b.Loop() {
			Sum256(x, y)
		}
	})
	b.Run("one after the other", func(b *testing.B) {
		b.SetBytes(int64(len(x) + len(y)))
		for b.Loop() {
			sha256.Sum256(x)
			sha256.Sum256(y)
		}
	})
}
