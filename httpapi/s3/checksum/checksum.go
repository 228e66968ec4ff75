// Package checksum has the checksums that S3 carries beside an object: CRC-32,
// CRC-32C, CRC-64/NVME, SHA-1, SHA-256, SHA-512, MD5, and xxHash in three forms,
// how S3 writes each, and how those of the parts of a multipart upload become the
// object's: the composite kind, a checksum over the checksums of the parts, and the
// full-object kind, which for CRCs follows from those of the parts and their lengths
// without the data.
package checksum

import (
	"crypto/md5"  // S3 offers it as a checksum
	"crypto/sha1" // S3 offers it as a checksum
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"
)

// Algorithm is one of S3's, by its name there.
type Algorithm string

// The algorithms.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
	SHA512    Algorithm = "SHA512"
	MD5       Algorithm = "MD5"
	XXHash64  Algorithm = "XXHASH64"  // XXH64, seed zero, its canonical (big-endian) form
	XXHash3   Algorithm = "XXHASH3"   // XXH3 of 64 bits, likewise
	XXHash128 Algorithm = "XXHASH128" // XXH3 of 128 bits, likewise
)

// All lists the algorithms in the order in which S3 does.
func All() []Algorithm {
	return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHash64, XXHash3, XXHash128}
}

// Parse reads a name, in any case of letters.
func Parse(name string) (Algorithm, bool) {
	for _, a := range All() {
		if strings.EqualFold(name, string(a)) {
			return a, true
		}
	}
	return "", false
}

// headerPrefix is that of the headers and trailers that carry values.
const headerPrefix = "x-amz-checksum-"

// OfHeader tells whose value a header has, by its lower-case name.
func OfHeader(name string) (Algorithm, bool) {
	word, ok := strings.CutPrefix(name, headerPrefix)
	if !ok || word != strings.ToLower(word) {
		return "", false
	}
	return Parse(word)
}

// Header is the lower-case name of the header that has a value.
func (a Algorithm) Header() string { return headerPrefix + strings.ToLower(string(a)) }

// Element is the name of the XML element that has a value.
func (a Algorithm) Element() string { return "Checksum" + string(a) }

// Size is the length of a value, in bytes.
func (a Algorithm) Size() int {
	switch a {
	case CRC32, CRC32C:
		return 4
	case CRC64NVME, XXHash64, XXHash3:
		return 8
	case MD5, XXHash128:
		return md5.Size
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	return 0
}

// IsCRC reports whether values of parts combine to that of the whole.
func (a Algorithm) IsCRC() bool { return a == CRC32 || a == CRC32C || a == CRC64NVME }

// New returns a new computation, nil for a name that is none of the algorithms.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	case MD5:
		return md5.New()
	case XXHash64:
		return xxhash.New()
	case XXHash3:
		return xxh3.New()
	case XXHash128:
		return xxh3.New128()
	}
	return nil
}

// Decode reads a value as S3 writes it, in base64; false if it is none of a.
func (a Algorithm) Decode(text string) ([]byte, bool) {
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	return sum, err == nil && len(sum) == a.Size() && len(sum) > 0
}

// Encode writes a value as S3 does.
func Encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// Composite is the checksum over the checksums of the parts, in their order.
func (a Algorithm) Composite(parts [][]byte) []byte {
	h := a.New()
	for _, sum := range parts {
		h.Write(sum)
	}
	return h.Sum(nil)
}
