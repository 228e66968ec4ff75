package filestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// How the attributes of objects are written (formats 4).

// appendPairs writes u16 n, n x { u16 + name, u16 + value }.
func appendPairs(b []byte, pairs []Pair) ([]byte, error) {
	if len(pairs) > math.MaxUint16 {
		return nil, fmt.Errorf("%d headers or tags: %w", len(pairs), kind.TooLarge)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(pairs)))
	for _, p := range pairs {
		for _, s := range [...]string{p.Name, p.Value} {
			if len(s) > math.MaxUint16 {
				return nil, fmt.Errorf("a header or tag of %d bytes: %w", len(s), kind.TooLarge)
			}
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
		}
	}
	return b, nil
}

// appendChecksums writes u8 n, n x { u8 + algorithm, u8 flags, u8 + value }; bit 0 of
// the flags: composite.
func appendChecksums(b []byte, sums []Checksum) ([]byte, error) {
	if len(sums) > math.MaxUint8 {
		return nil, fmt.Errorf("%d checksums: %w", len(sums), kind.TooLarge)
	}
	b = append(b, byte(len(sums)))
	for _, s := range sums {
		if len(s.Algorithm) > math.MaxUint8 || len(s.Value) > math.MaxUint8 {
			return nil, fmt.Errorf("a checksum of %d bytes: %w", len(s.Value), kind.TooLarge)
		}
		b = append(append(b, byte(len(s.Algorithm))), s.Algorithm...)
		flags := byte(0)
		if s.Composite {
			flags = 1
		}
		b = append(append(b, flags, byte(len(s.Value))), s.Value...)
	}
	return b, nil
}

// encodeParts writes u32 n, n x { u32 number, u64 size, checksums, u8 flags, with bit 0
// salt[32] }.
func encodeParts(parts []Part) ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(parts)))
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(p.Number))
		b = binary.BigEndian.AppendUint64(b, uint64(p.Size))
		var err error
		if b, err = appendChecksums(b, p.Checksums); err != nil {
			return nil, err
		}
		if p.Salt == [32]byte{} {
			b = append(b, 0)
			continue
		}
		b = append(append(b, 1), p.Salt[:]...)
	}
	return b, nil
}

// attrReader takes the value of an attribute apart, from its front. What doesn't
// fit sets bad, and reads as zero from then on.
type attrReader struct {
	b   []byte
	bad bool
}

func (r *attrReader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *attrReader) u8() int {
	if p := r.take(1); p != nil {
		return int(p[0])
	}
	return 0
}

func (r *attrReader) u16() int {
	if p := r.take(2); p != nil {
		return int(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (r *attrReader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (r *attrReader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// flags reads a byte of which only the lowest bit may be set.
func (r *attrReader) flags() bool {
	v := r.u8()
	r.bad = r.bad || v > 1
	return v == 1
}

// end is Corrupt unless all was read, and all fitted.
func (r *attrReader) end() error {
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("an attribute of an object: %w", kind.Corrupt)
	}
	return nil
}

func (r *attrReader) pairs() []Pair {
	var pairs []Pair
	for range r.u16() {
		name := string(r.take(r.u16()))
		pairs = append(pairs, Pair{name, string(r.take(r.u16()))})
		if r.bad {
			return nil
		}
	}
	return pairs
}

func (r *attrReader) checksums() []Checksum {
	var sums []Checksum
	for range r.u8() {
		s := Checksum{Algorithm: string(r.take(r.u8()))}
		s.Composite = r.flags()
		s.Value = r.take(r.u8())
		if r.bad {
			return nil
		}
		sums = append(sums, s)
	}
	return sums
}

// decodeParts reads what encodeParts has written.
func decodeParts(v []byte) ([]Part, error) {
	r := attrReader{b: v}
	var parts []Part
	for range r.u32() {
		p := Part{Number: int(r.u32()), Size: int64(r.u64()), Checksums: r.checksums()}
		if r.flags() {
			copy(p.Salt[:], r.take(32))
		}
		if r.bad = r.bad || p.Size < 0; r.bad {
			break
		}
		parts = append(parts, p)
	}
	return parts, r.end()
}

// partsOf are the parts that an object was put in; nil for one that was put whole.
func (fs *FS) partsOf(ctx context.Context, e *dirtree.Entry) ([]Part, error) {
	v, err := fs.attrValue(ctx, e, dirtree.AttrParts)
	if v == nil || err != nil {
		return nil, err
	}
	return decodeParts(v)
}

// encode writes u8 mode, u8 hold, i64 until in unix nanoseconds.
func (l Lock) encode() []byte {
	b := []byte{byte(l.Mode), 0}
	if l.Hold {
		b[1] = 1
	}
	until := int64(0)
	if l.Mode != LockNone {
		until = metastore.Nanos(l.Until)
	}
	return binary.BigEndian.AppendUint64(b, uint64(until))
}

func decodeLock(v []byte) (Lock, error) {
	r := attrReader{b: v}
	l := Lock{Mode: LockMode(r.u8()), Hold: r.flags()}
	until := int64(r.u64())
	if l.Mode > LockCompliance || l.Mode == LockNone && until != 0 {
		r.bad = true
	}
	if l.Mode != LockNone {
		l.Until = time.Unix(0, until).UTC()
	}
	return l, r.end()
}
