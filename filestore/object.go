package filestore

import (
	"fmt"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
)

// MaxKey is the longest key of an object, in bytes.
const MaxKey = 1024

// Object describes an object of a bucket: a file, by its whole key. Directories,
// symbolic links and capabilities of other families are none.
type Object struct {
	Key   string
	Size  int64 // bytes
	Mtime time.Time

	// ETag, unquoted: of contents that were put whole their MD5 in hexadecimal, of
	// those of a multipart upload the MD5 over the parts' MD5s with "-" and their
	// number; of others, which SFTP wrote, opaque text with a "-" that can't be
	// mistaken for either and is another whenever the contents are.
	ETag string
	Meta ObjectMeta

	Version      VersionID
	Latest       bool
	DeleteMarker bool

	// By the gateways' clocks: when the contents came, zero where Mtime says that; and
	// since when the version is current no longer, zero where that isn't known.
	Placed, Superseded time.Time

	// PartSizes are the parts of an object of a multipart upload, ascending, where
	// they were asked for.
	PartSizes []Part
}

// ObjectMeta is what is kept beside an object's contents. The filestore gives
// meaning to none of it but Lock.
type ObjectMeta struct {
	Headers []Pair // by lower-case name: content type, user metadata, …
	Tags    []Pair

	// MD5 of the contents, if HasMD5; with Parts above zero the one over the MD5s
	// of so many parts.
	MD5    [16]byte
	HasMD5 bool
	Parts  int

	Checksums []Checksum
	ACL       []byte // a document
	Client    *ClientSeal
	Lock      Lock
}

// Pair is a name with a value.
type Pair struct{ Name, Value string }

// Checksum is one over an object's or a part's contents. Composite: it is over
// the parts' checksums.
type Checksum struct {
	Algorithm string // as its frontend names it
	Value     []byte
	Composite bool
}

// ClientSeal tells of an object whose contents are encrypted by a key that only
// the client has: the salt of the key and a value to check the client's by.
type ClientSeal struct{ Salt, Check [32]byte }

// Part is one part of an object of a multipart upload.
type Part struct {
	Number    int
	Size      int64 // bytes
	Checksums []Checksum
	Salt      [32]byte // of the client's key, where the object has a ClientSeal
}

// Conditions are demands on the object that is there when a change is committed,
// judged inside of the commit at every attempt. What doesn't hold is an UnmetError;
// where nothing is there but something is demanded of it, the error is Precondition
// and NotExist. The zero Conditions demand nothing.
type Conditions struct {
	Match     []string // one of these ETags; "*": any object
	NoneMatch []string // none of these ETags; "*": no object

	ModifiedSince   time.Time // changed after it
	UnmodifiedSince time.Time // not changed after it
	Mtime           time.Time // changed at it, to the second
	Size            *int64

	Version    *VersionID // this one; of null versions, too, the very one that was made then
	Noncurrent bool       // current no longer: of a version that was named
}

// CommitOptions say how a new object is committed. A zero Mtime is now.
type CommitOptions struct {
	If    Conditions
	Mtime time.Time
}

// DeleteOptions say how an object is deleted. BypassGovernance: a retention by
// LockGovernance doesn't hold.
type DeleteOptions struct {
	If               Conditions
	BypassGovernance bool
}

// Deleted tells what a deletion has done: removed a version, or, where Marker,
// made a delete marker with the version.
type Deleted struct {
	Version VersionID
	Marker  bool
}

// DeleteRequest is one of several deletions, DeleteResult what came of it.
type DeleteRequest struct {
	Key     string
	Version VersionID
	DeleteOptions
}

// DeleteResult is the outcome of a DeleteRequest.
type DeleteResult struct {
	Deleted
	Err error
}

// objectKey is a key as it lies in directories: the names of those that lead to
// it, and its own (formats 4).
type objectKey struct {
	dirs []string
	name string
}

// parseKey takes a key apart. NameInvalid for one that nothing can be stored
// under: an empty one, one of more than MaxKey bytes, or one with NUL in it.
func parseKey(key string) (objectKey, error) {
	switch {
	case key == "":
		return objectKey{}, fmt.Errorf("an empty key: %w", kind.NameInvalid)
	case len(key) > MaxKey:
		return objectKey{}, fmt.Errorf("a key of %d bytes: %w", len(key), kind.NameInvalid)
	case strings.Contains(key, "\x00"):
		return objectKey{}, fmt.Errorf("a key with NUL in it: %w", kind.NameInvalid)
	}
	parts := strings.Split(key, "/")
	last := len(parts) - 1
	return objectKey{dirs: parts[:last], name: parts[last]}, nil
}
