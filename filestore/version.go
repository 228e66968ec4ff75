package filestore

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// VersionID names one version of an object. The zero VersionID means the latest.
type VersionID struct {
	// V and I say which commit of the directory made the version, and its place
	// among those that this commit made (formats 5): a later version of a key
	// has a greater V, or the same and a greater I.
	V uint64
	I uint16
	// Null is the version that a key has from times without versioning, or with
	// suspended versioning: there is one at most, whatever V and I say.
	Null bool
}

// nullVersion names the null version of a key.
var nullVersion = VersionID{Null: true}

// versionText is the text form of ids: 16 digits for the ten bytes of V and I.
var versionText = base32.HexEncoding.WithPadding(base32.NoPadding)

// IsLatest reports whether v means whichever version is the latest.
func (v VersionID) IsLatest() bool { return v == VersionID{} }

// String gives the id as S3 shows it: "null", or 16 letters and digits that mean
// nothing to a client; empty for the zero id.
func (v VersionID) String() string {
	switch {
	case v.Null:
		return "null"
	case v.IsLatest():
		return ""
	}
	var b [10]byte
	binary.BigEndian.PutUint64(b[:], v.V)
	binary.BigEndian.PutUint16(b[8:], v.I)
	return versionText.EncodeToString(b[:])
}

// ParseVersionID reads what String gives. Invalid for anything else, the empty
// text included.
func ParseVersionID(s string) (VersionID, error) {
	if s == "null" {
		return nullVersion, nil
	}
	b, err := versionText.DecodeString(s)
	if err != nil || len(b) != 10 || versionText.EncodeToString(b) != s {
		return VersionID{}, fmt.Errorf("a version id: %w", kind.Invalid)
	}
	v := VersionID{V: binary.BigEndian.Uint64(b), I: binary.BigEndian.Uint16(b[8:])}
	if v.V == 0 {
		return VersionID{}, fmt.Errorf("a version id: %w", kind.Invalid)
	}
	return v, nil
}

// same reports whether two ids name one version of a key.
func (v VersionID) same(o VersionID) bool {
	if v.Null || o.Null {
		return v.Null == o.Null
	}
	return v == o
}

// before reports whether v was made before o.
func (v VersionID) before(o VersionID) bool { return v.V < o.V || v.V == o.V && v.I < o.I }

// historyKey is where a version of a sort key stands in a history tree.
func (v VersionID) historyKey(sortKey string) string {
	if v.Null {
		return dirtree.HistoryKey(sortKey, 0, 0)
	}
	return dirtree.HistoryKey(sortKey, v.V, v.I)
}

// Attribute 7 (formats 4): u64 v, u16 i, and a byte 1 if it is a null version.
const (
	versionSize     = 10
	versionNullSize = 11
)

func (v VersionID) attr() dirtree.Attr {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(nil, v.V), v.I)
	if v.Null {
		b = append(b, 1)
	}
	return dirtree.Attr{Type: dirtree.AttrVersion, Value: b}
}

// versionOf is the version that an entry is: the null version if it doesn't say.
func versionOf(e *dirtree.Entry) VersionID {
	b, ok := e.Attr(dirtree.AttrVersion)
	if !ok || len(b) != versionSize && len(b) != versionNullSize {
		return nullVersion
	}
	return VersionID{V: binary.BigEndian.Uint64(b), I: binary.BigEndian.Uint16(b[8:]), Null: len(b) == versionNullSize}
}

// isMarker reports whether an entry stands for an object that was deleted.
func isMarker(e *dirtree.Entry) bool {
	_, is := e.Attr(dirtree.AttrDeleteMarker)
	return is
}

// isObject reports whether an entry is an object: a file of any kind.
func isObject(e *dirtree.Entry) bool {
	return e != nil && (e.Kind.IsFile() || e.Kind == dirtree.MutableFile)
}
