package caps

import (
	"strconv"
	"strings"
)

// LevelChunk stands in for the level of a file that is one chunk and has no
// node (formats.md 1).
const LevelChunk = 255

// maxLevel is the highest level of a tree of nodes (formats.md 3).
const maxLevel = 7

// FileRead is the authority to read one immutable file (formats.md 1, FILE3).
// Size is the file's length in bytes, at least 1: an empty file is a literal.
type FileRead struct {
	Key   Key    // Kr of the root node; K of the chunk at LevelChunk
	Root  RootID // the block's id
	Level uint8  // of the root node, at most 7; or LevelChunk
	Size  uint64
}

// Verify weakens f: Kv = KDF(Key, "fnode-verify", ""); 32 zero bytes at
// LevelChunk, since a chunk is checked without any key.
func (f FileRead) Verify() FileVerify {
	v := FileVerify{Key: KeyOf([KeySize]byte{}), Root: f.Root, Level: f.Level, Size: f.Size}
	if f.Level != LevelChunk {
		v.Key = f.Key.Derive("fnode-verify")
	}
	return v
}

// FileVerify is the authority to walk and check the blocks of one immutable
// file without reading it. Key is Kv, 32 zero bytes at LevelChunk.
type FileVerify struct {
	Key   Key
	Root  RootID
	Level uint8
	Size  uint64
}

// OfFileRead returns the capability of f; the empty literal if its Size is 0.
func OfFileRead(f FileRead) Read {
	if f.Size == 0 {
		return Read{hide[readBody](&literal{})}
	}
	return Read{hide[readBody](&fileRead{f})}
}

// OfFileVerify returns the capability of f.
func OfFileVerify(f FileVerify) Verify { return Verify{hide[verifyBody](&fileVerify{f})} }

// FileRead returns the authority over the file, if r is of FormFile.
func (r Read) FileRead() (FileRead, bool) {
	b, ok := r.reads.show().(*fileRead)
	if !ok {
		return FileRead{}, false
	}
	return b.FileRead, true
}

// FileVerify returns the authority over the file, if v is of FormFile.
func (v Verify) FileVerify() (FileVerify, bool) {
	b, ok := v.checks.show().(*fileVerify)
	if !ok {
		return FileVerify{}, false
	}
	return b.FileVerify, true
}

type fileRead struct{ FileRead }

func (f *fileRead) form() Form           { return FormFile }
func (f *fileRead) isDir() bool          { return false }
func (f *fileRead) index() Index         { return indexOf(f.Root[:]) }
func (f *fileRead) verify() verifyBody   { return &fileVerify{f.FileRead.Verify()} }
func (f *fileRead) size() (uint64, bool) { return f.FileRead.Size, true }
func (f *fileRead) text() string {
	return "URI:FILE3:" + rootText(f.Key, f.Root, f.Level) + ":" + strconv.FormatUint(f.Size, 10)
}

type fileVerify struct{ FileVerify }

func (f *fileVerify) form() Form   { return FormFile }
func (f *fileVerify) isDir() bool  { return false }
func (f *fileVerify) index() Index { return indexOf(f.Root[:]) }
func (f *fileVerify) verifies()    {}
func (f *fileVerify) text() string {
	return "URI:FILE3-Verifier:" + rootText(f.Key, f.Root, f.Level) + ":" + strconv.FormatUint(f.Size, 10)
}

func parseFileRead(text string) (Cap, error) {
	f, err := parseFileFields(text)
	if err != nil {
		return nil, err
	}
	return OfFileRead(f), nil
}

func parseFileVerify(text string) (Cap, error) {
	f, err := parseFileFields(text)
	if err != nil {
		return nil, err
	}
	if f.Level == LevelChunk && !f.Key.IsZero() {
		return nil, errChunkKey
	}
	return OfFileVerify(FileVerify(f)), nil
}

func parseFileFields(text string) (FileRead, error) {
	f := strings.SplitN(text, ":", 5)
	if len(f) != 4 {
		return FileRead{}, errFields
	}
	k, root, level, err := parseRoot(f)
	if err != nil {
		return FileRead{}, err
	}
	if level > maxLevel && level != LevelChunk {
		return FileRead{}, errLevel
	}
	size, ok := parseNumber(f[3], 63)
	if !ok || size == 0 {
		return FileRead{}, errSize
	}
	return FileRead{Key: k, Root: root, Level: level, Size: size}, nil
}
