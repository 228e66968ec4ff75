package dirtree

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Attr is one attribute of an entry. Types that a version doesn't know are
// kept when the entry is rewritten. Attributes never carry block ids: what an
// entry keeps alive stands in Entry.More.
type Attr struct {
	Type  AttrType
	Value []byte // at most 65535 bytes
}

// AttrType says what an attribute's value means.
type AttrType uint16

// The types of attributes (formats.md 4). What the values of those from AttrDigest
// to AttrACL hold, is for who keeps objects in directories.
const (
	AttrAtime        AttrType = 1  // the time of the last access, as AtimeAttr makes it
	AttrDigest       AttrType = 2  // of the contents
	AttrChecksums    AttrType = 3  // of the contents
	AttrHeaders      AttrType = 4  // content type, user metadata and the like
	AttrTags         AttrType = 5  // an object's tags
	AttrLock         AttrType = 6  // what holds a version from being removed
	AttrVersion      AttrType = 7  // of the put that made the entry
	AttrDeleteMarker AttrType = 8  // the entry stands for an object that was deleted
	AttrParts        AttrType = 9  // the parts that the contents were put in
	AttrClientSeal   AttrType = 10 // the contents are encrypted by a client's key
	AttrACL          AttrType = 11 // an object's access control list
	AttrImplicit     AttrType = 12 // of a directory: it was made for what is in it, and goes with that
	AttrUpload       AttrType = 13 // of an upload in parts, in directories of uploads (formats.md 16)
	AttrPlaced       AttrType = 14 // when the contents came, where the mtime is a client's
	AttrSuperseded   AttrType = 15 // of a version: since when it is current no longer

	// AttrOutside, added to a type, says that the value lies in one of the entry's
	// further blocks (Entry.More): OutsideAttr makes the attribute.
	AttrOutside AttrType = 1 << 15
)

// AtimeAttr is the attribute for a time of last access: i64 unix nanoseconds.
func AtimeAttr(ns int64) Attr {
	return Attr{Type: AttrAtime, Value: binary.BigEndian.AppendUint64(nil, uint64(ns))}
}

// Atime is the entry's time of last access in unix nanoseconds, if it has one.
func (e *Entry) Atime() (int64, bool) {
	v, ok := e.Attr(AttrAtime)
	if !ok || len(v) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(v)), true
}

// OutsideAttr is the attribute of type t whose value of n bytes is what the
// entry's further block at index i holds: u8 index, u64 length.
func OutsideAttr(t AttrType, i uint8, n uint64) Attr {
	return Attr{Type: t | AttrOutside, Value: binary.BigEndian.AppendUint64([]byte{i}, n)}
}

// Outside tells which further block holds the value of the attribute of type t,
// and how long the value is, if the entry has one that lies outside.
func (e *Entry) Outside(t AttrType) (i int, n uint64, ok bool) {
	v, ok := e.Attr(t | AttrOutside)
	if !ok || len(v) != 9 || int(v[0]) >= len(e.More) {
		return 0, 0, false
	}
	return int(v[0]), binary.BigEndian.Uint64(v[1:]), true
}

// Attr is the value of the attribute of type t, if the entry has one.
func (e *Entry) Attr(t AttrType) ([]byte, bool) {
	i, ok := findAttr(e.Attrs, t)
	if !ok {
		return nil, false
	}
	return e.Attrs[i].Value, true
}

// WithAttr returns a copy of attrs, ascending by type, in which a stands in
// place of an attribute of its type.
func WithAttr(attrs []Attr, a Attr) []Attr {
	i, found := findAttr(attrs, a.Type)
	out := make([]Attr, 0, len(attrs)+1)
	out = append(append(out, attrs[:i]...), a)
	if found {
		i++
	}
	return append(out, attrs[i:]...)
}

// WithoutAttr returns a copy of attrs without the attribute of type t.
func WithoutAttr(attrs []Attr, t AttrType) []Attr {
	return slices.DeleteFunc(slices.Clone(attrs), func(a Attr) bool { return a.Type == t })
}

func findAttr(attrs []Attr, t AttrType) (int, bool) {
	return slices.BinarySearchFunc(attrs, t, func(a Attr, t AttrType) int { return cmp.Compare(a.Type, t) })
}
