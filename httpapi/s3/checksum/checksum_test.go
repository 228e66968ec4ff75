package checksum_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/truckee-fs/truckee/httpapi/s3/checksum"
)

// The check values of the catalogue of parametrised CRC algorithms, and those of
// FIPS 180 by the standard library.
func TestKnownValues(t *testing.T) {
	t.Parallel()
	known := map[checksum.Algorithm]string{
		checksum.CRC32: "cbf43926", checksum.CRC32C: "e3069283", checksum.CRC64NVME: "ae8b14860a799888",
		checksum.SHA1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441", checksum.SHA256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
		checksum.SHA512: "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
		checksum.MD5:    "25f9e794323b453885f5181f1b624d0b", checksum.XXHash64: "8cb841db40e6ae83", // of xxHash as the AWS Common Runtime has them
		checksum.XXHash3: "72dcb18b67a17dff", checksum.XXHash128: "33119477ede5dcd5e9716427681d5860",
	}
	for _, a := range checksum.All() {
		h := a.New()
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != known[a] {
			t.Errorf("%s: %s", a, got)
		}
		if h.Size() != a.Size() {
			t.Errorf("%s: size %d", a, h.Size())
		}
		h.Reset()
		h.Write([]byte("12345"))
		h.Write([]byte("6789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != known[a] {
			t.Errorf("%s in two writes: %s", a, got)
		}
		if b, ok := checksum.OfHeader(a.Header()); !ok || b != a {
			t.Errorf("%s: header %s is %v", a, a.Header(), b)
		}
		if sum, ok := a.Decode(checksum.Encode(h.Sum(nil))); !ok || !bytes.Equal(sum, h.Sum(nil)) {
			t.Errorf("%s: a value does not survive", a)
		}
		if _, ok := a.Decode(checksum.Encode(h.Sum(nil)[1:])); ok {
			t.Errorf("%s: a short value is read", a)
		}
	}
}

func TestPartsCombine(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, a := range checksum.All() {
		for range 50 {
			whole := a.New()
			var parts []checksum.Part
			for range random.IntN(6) {
				data := make([]byte, random.IntN(5000)*random.IntN(2))
				for i := range data {
					data[i] = byte(random.Uint32())
				}
				whole.Write(data)
				h := a.New()
				h.Write(data)
				parts = append(parts, checksum.Part{Sum: h.Sum(nil), Size: int64(len(data))})
			}
			got := a.Combine(parts)
			if !a.IsCRC() {
				if got != nil {
					t.Fatalf("%s combines", a)
				}
				continue
			}
			if want := whole.Sum(nil); !bytes.Equal(got, want) {
				t.Fatalf("%s: %x of %d parts, want %x", a, got, len(parts), want)
			}
		}
	}
}

func TestWrongPartsDoNotCombine(t *testing.T) {
	t.Parallel()
	if got := checksum.CRC32.Combine([]checksum.Part{{Sum: []byte{1, 2, 3}, Size: 1}}); got != nil {
		t.Errorf("of 3 bytes: %x", got)
	}
	if got := checksum.CRC32.Combine([]checksum.Part{{Sum: []byte{1, 2, 3, 4}, Size: -1}}); got != nil {
		t.Errorf("of a negative size: %x", got)
	}
}

func BenchmarkSum(b *testing.B) {
	data := make([]byte, 1<<20)
	for _, a := range checksum.All() {
		b.Run(string(a), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			h := a.New()
			for b.Loop() {
				h.Write(data)
			}
		})
	}
}
