package caps

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

// FrozenRead is the authority to read one frozen directory, an immutable deep
// copy of names (formats.md 1, DIR3-IMM). Root is zero if it is empty.
type FrozenRead struct {
	Key   Key // rk'
	Root  RootID
	Level uint8 // of the root node, at most 7
}

// Verify weakens f: vk' = KDF(Key, "dir-verify", "").
func (f FrozenRead) Verify() FrozenVerify {
	return FrozenVerify{Key: f.Key.Derive("dir-verify"), Root: f.Root, Level: f.Level}
}

// FrozenVerify is the authority to walk and check one frozen directory without
// reading names or data. Key is vk'.
type FrozenVerify struct {
	Key   Key
	Root  RootID
	Level uint8
}
