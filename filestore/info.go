package filestore

import (
	"strings"
	"time"
)

// Path names something below a tree's root: components from the root down,
// each a name of 0 to 1024 bytes without "/" and NUL, taken literally ("." and
// ".." have no meaning here, only in symbolic links' targets). The empty path
// is the root.
type Path []string

// String gives the path as "/a/b", for messages.
func (p Path) String() string { return "/" + strings.Join(p, "/") }

// Split returns the path of the parent directory and the last component. It
// must not be called on the empty path.
func (p Path) Split() (parent Path, name string) {
	return p[:len(p)-1], p[len(p)-1]
}

// MaxName is the longest component of a Path, in bytes (formats 4).
const MaxName = 1024

// hiddenMark at the end of a component makes it mean what is no directory. No
// name holds it.
const hiddenMark = "\x00"

// Hidden is the component of a Path for the file, symlink or other entry called
// name that a directory of the same name hides (formats 4). It finds what is
// there and creates nothing.
func Hidden(name string) string { return name + hiddenMark }

// Kind says what an entry is.
type Kind uint8

// The kinds of entries. KindOther is a capability of another family, which can
// be carried along, renamed and removed, but not opened.
const (
	KindFile Kind = iota + 1
	KindDir
	KindSymlink
	KindOther
)

// FileID identifies a file for as long as it lives: it is drawn when the file
// is created and kept by renames (formats 4). All names of one mutable file
// show the same. For a directory it is the entry's id; for the root it is zero.
type FileID [16]byte

// Info describes an entry, as a frontend shows it.
type Info struct {
	Name    string // the last component; empty for the root
	Kind    Kind
	FileID  FileID
	Size    int64  // plaintext bytes; of a symlink, the length of its target; 0 for a directory
	Mode    uint32 // permission bits, 07777; the kind is not in it
	UID     uint32
	GID     uint32
	Mtime   time.Time
	Atime   time.Time // as set by a client; else Mtime
	Entries int64     // of a directory: how many it holds
	// ReadOnly: no change is possible through this tree, because the
	// capability at hand is a read capability. No-write files (Mode without
	// 0200) are not meant by it.
	ReadOnly bool
	// Hidden, in listings: a directory of the same name stands in the same
	// directory, so that the name means that one. See the func Hidden.
	Hidden  bool
	Target  string // of a symlink
	Pending bool   // created on this node, not yet committed

	// Mutable: a file with a slot of its own, to which several names may lead.
	Mutable bool
	// Frozen: a frozen directory, in which nothing changes.
	Frozen bool
	// Linked: a directory whose home is elsewhere, so that it goes on there when
	// this name is taken away.
	Linked bool
}

// AttrMask says which fields of an Attr are meant.
type AttrMask uint8

// The fields of an Attr.
const (
	AttrSize AttrMask = 1 << iota
	AttrMode
	AttrUID
	AttrGID
	AttrAtime
	AttrMtime
)

// Attr is a set of attributes to give to an entry. Only fields in Set count.
type Attr struct {
	Set   AttrMask
	Size  int64
	Mode  uint32 // permission bits, 07777; others are ignored
	UID   uint32
	GID   uint32
	Atime time.Time
	Mtime time.Time
}

// Has reports whether all the fields of m are set.
func (a Attr) Has(m AttrMask) bool { return a.Set&m == m }

// OpenOptions say how a file is opened.
type OpenOptions struct {
	Read      bool
	Write     bool
	Create    bool // make the file if it is absent (needs Write)
	Exclusive bool // with Create: fail with Exist if it is there
	Truncate  bool // cut it to zero bytes (needs Write)
	Append    bool // WriteAt writes at the then end unless its offset equals it already
	NoFollow  bool // a symlink as the last component fails with Invalid
	Mutable   bool // with Create: the file that is made is a mutable one; Exist if one of another kind is there
	Attr      Attr // attributes of a file that is created; AttrSize is ignored
}

// RenameMode says what Rename does about an existing target.
type RenameMode uint8

const (
	// NoReplace fails with Exist if the target exists.
	NoReplace RenameMode = iota + 1
	// Replace replaces it as POSIX's rename does: a file, symlink or other
	// non-directory by a non-directory, an empty directory by a directory.
	Replace
)

// Usage is what statvfs shows. The byte counts are of sealed blocks.
type Usage struct {
	BlockSize  int64
	TotalBytes int64
	FreeBytes  int64
	UsedBytes  int64
	Blocks     int64 // blocks stored
	Files      int64 // with a quota of files: how many there are; else zero
	MaxFiles   int64 // the quota; zero: none
}
