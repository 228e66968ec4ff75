package filestore

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

func TestSpoolKeepsFramesSealed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSpool(dir, 4*spoolSlot)
	defer s.close()
	frames := [][]byte{bytes.Repeat([]byte("first "), 10_000), []byte("second"), bytes.Repeat([]byte("x"), frameSize)}
	var at []extent
	for _, f := range frames {
		x, err := s.write(f)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, x)
	}
	for i, f := range frames {
		got, err := s.read(make([]byte, frameSize), at[i])
		if err != nil || !bytes.Equal(got, f) {
			t.Errorf("frame %d: %d bytes, %v", i, len(got), err)
		}
	}
	raw := make([]byte, 3*spoolSlot)
	n, _ := s.file.ReadAt(raw, 0)
	for _, word := range []string{"first", "second", "xxxx"} {
		if bytes.Contains(raw[:n], []byte(word)) {
			t.Errorf("the spool shows %q", word)
		}
	}
	if names, err := os.ReadDir(dir); len(names) > 0 || err != nil {
		t.Errorf("the spool has a name: %v, %v", names, err)
	}
}

func TestSpoolNeverRepeatsANonce(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir(), 1<<20)
	defer s.close()
	seen := map[uint64]bool{}
	for range 20 {
		x, err := s.write([]byte("frame"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[x.nonce] {
			t.Fatalf("nonce %d comes twice", x.nonce)
		}
		seen[x.nonce] = true
		s.release(x)
	}
	if s.slots > 1 {
		t.Errorf("%d slots for one frame at a time", s.slots)
	}
}

func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir(), 2*spoolSlot+100)
	defer s.close()
	var at []extent
	for range 2 {
		x, err := s.write([]byte("frame"))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, x)
	}
	if _, err := s.write([]byte("one more")); !errors.Is(err, kind.NoSpace) {
		t.Errorf("a full spool answers %v", err)
	}
	s.release(at[0])
	x, err := s.write([]byte("in its place"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.read(make([]byte, frameSize), x); string(got) != "in its place" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSpoolNoticesDamage(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir(), 1<<20)
	defer s.close()
	x, err := s.write([]byte("frame"))
	if err != nil {
		t.Fatal(err)
	}
	y, err := s.write([]byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	swapped := extent{x.slot, y.nonce, x.n}
	if _, err := s.read(make([]byte, frameSize), swapped); !errors.Is(err, kind.Corrupt) {
		t.Errorf("another frame's nonce gives %v", err)
	}
}

// TestSpansAgainstABitmap adds and cuts runs at random.
func TestSpansAgainstABitmap(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		var s spans
		var bits [64]bool
		for range 20 {
			off := rng.Int64N(64)
			end := off + 1 + rng.Int64N(64-off)
			var changed, want int64
			if rng.IntN(5) == 0 {
				s, changed = s.cut(off)
				for i := off; i < 64; i++ {
					if bits[i] {
						want++
					}
					bits[i] = false
				}
			} else {
				s, changed = s.add(off, end)
				for i := off; i < end; i++ {
					if !bits[i] {
						want++
					}
					bits[i] = true
				}
			}
			if changed != want {
				t.Fatalf("%d bytes changed, want %d: %v", changed, want, s)
			}
			checkSpans(t, s, bits)
		}
	}
}

func checkSpans(t *testing.T, s spans, bits [64]bool) {
	t.Helper()
	var got [64]bool
	last := int64(-1)
	for _, x := range s {
		if x.off <= last || x.end <= x.off {
			t.Fatalf("runs overlap, touch or are empty: %v", s)
		}
		last = x.end
		for i := x.off; i < x.end; i++ {
			got[i] = true
		}
	}
	if got != bits {
		t.Fatalf("%v is not %v", s, bits)
	}
	for off := range int64(64) {
		for end := off + 1; end <= 64; end++ {
			all := true
			for i := off; i < end; i++ {
				all = all && bits[i]
			}
			if s.covers(off, end) != all {
				t.Fatalf("covers(%d, %d) is %v: %v", off, end, !all, s)
			}
		}
	}
}
