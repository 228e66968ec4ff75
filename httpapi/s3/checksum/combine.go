package checksum

import (
	"encoding/binary"
	"hash/crc32"
)

// nvme is the polynomial of CRC-64/NVME, its lowest power first (NVM Express, NVM
// Command Set Specification, 64b CRC).
const nvme = 0x9a6c9329ac4bc9b5

// Part is the checksum of a part and its length in bytes.
type Part struct {
	Sum  []byte
	Size int64
}

// Combine computes the checksum of the parts put one after the other. It is nil
// for an algorithm that is no CRC, or a value of the wrong length.
func (a Algorithm) Combine(parts []Part) []byte {
	f := fieldOf(a)
	if f == nil {
		return nil
	}
	var crc uint64
	for _, p := range parts {
		if len(p.Sum) != a.Size() || p.Size < 0 {
			return nil
		}
		// The value of what was before, moved along by the bytes of this part. The
		// complements at both ends of each CRC cancel out.
		crc = f.times(crc, f.power(p.Size)) ^ number(p.Sum)
	}
	if a.Size() == 4 {
		return binary.BigEndian.AppendUint32(nil, uint32(crc))
	}
	return binary.BigEndian.AppendUint64(nil, crc)
}

func number(sum []byte) uint64 {
	if len(sum) == 4 {
		return uint64(binary.BigEndian.Uint32(sum))
	}
	return binary.BigEndian.Uint64(sum)
}

// field is the polynomials over GF(2) modulo that of a CRC, as numbers with the
// lowest power in the highest bit.
type field struct {
	polynomial uint64
	one        uint64 // the polynomial 1
}

func fieldOf(a Algorithm) *field {
	switch a {
	case CRC32:
		return &field{crc32.IEEE, 1 << 31}
	case CRC32C:
		return &field{crc32.Castagnoli, 1 << 31}
	case CRC64NVME:
		return &field{nvme, 1 << 63}
	}
	return nil
}

func (f *field) times(a, b uint64) uint64 {
	var product uint64
	for bit := f.one; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		low := b & 1
		if b >>= 1; low != 0 {
			b ^= f.polynomial
		}
	}
	return product
}

// power is x to the power of 8n: what moves a CRC along by n bytes.
func (f *field) power(n int64) uint64 {
	result, base := f.one, f.one>>8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = f.times(result, base)
		}
		base = f.times(base, base)
	}
	return result
}
