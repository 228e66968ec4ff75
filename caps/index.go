package caps

import "encoding/hex"

// SlotID names a slot, the mutable record of a directory or mutable file
// (formats.md 1 and 5). It is public.
type SlotID [32]byte

// String returns the id in hexadecimal.
func (id SlotID) String() string { return hex.EncodeToString(id[:]) }

// RootID names the block or node that an immutable object begins at
// (formats.md 2). It is public.
type RootID [32]byte

// String returns the id in hexadecimal.
func (id RootID) String() string { return hex.EncodeToString(id[:]) }

// Index is the public name of what a capability refers to, safe to log: 16
// bytes in Tahoe-LAFS's family (the storage index), 32 in generation 3 (the
// slot id or the root id). The zero Index means that the object has none: a
// literal, or an unknown capability. Indexes can be compared and be map keys.
type Index struct {
	n     uint8
	bytes [32]byte
}

func indexOf(b []byte) Index {
	i := Index{n: uint8(len(b))}
	copy(i.bytes[:], b)
	return i
}

// IsZero reports whether there is no index.
func (i Index) IsZero() bool { return i.n == 0 }

// Bytes returns a copy of the 16 or 32 bytes, nil for the zero Index.
func (i Index) Bytes() []byte {
	if i.n == 0 {
		return nil
	}
	return append([]byte(nil), i.bytes[:i.n]...)
}

// String returns the index in base32, as Tahoe-LAFS prints storage indexes;
// the zero Index is the empty string.
func (i Index) String() string { return encode32(i.bytes[:i.n]) }
