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

// AttrAtime is the time of the last access, as AtimeAttr makes it.
const AttrAtime AttrType = 1

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
