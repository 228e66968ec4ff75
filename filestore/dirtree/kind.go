package dirtree

// Kind says what an entry is (formats.md 4).
type Kind uint8

// The kinds of entries.
const (
	EmptyFile   Kind = 0 // a file without contents
	OneChunk    Kind = 1 // a file of one chunk
	TreeFile    Kind = 2 // a file whose contents are a tree of chunks
	Directory   Kind = 3 // a child directory with a slot of its own
	Symlink     Kind = 4 // a symbolic link; Data is the target
	Inline      Kind = 5 // a file of at most MaxInline bytes; Data is the contents
	MutableFile Kind = 6 // a file with a slot of its own
	Foreign     Kind = 7 // a capability of another family, or of the future
	FrozenDir   Kind = 8 // an immutable directory
)

const lastKind = FrozenDir

var kindNames = [...]string{
	"empty file", "one-chunk file", "tree file", "directory", "symlink", "inline file",
	"mutable file", "foreign", "frozen directory",
}

// String names the kind.
func (k Kind) String() string {
	if k <= lastKind {
		return kindNames[k]
	}
	return "unknown kind"
}

// IsDir reports whether an entry of this kind is a directory, whose sort key
// ends in "/". A foreign capability sorts as a file, whatever it leads to.
func (k Kind) IsDir() bool { return k == Directory || k == FrozenDir }

// IsFile reports whether the entry is a file whose bytes belong to the
// directory itself, and not to a slot or a capability that it leads to.
func (k Kind) IsFile() bool {
	return k == EmptyFile || k == OneChunk || k == TreeFile || k == Inline
}

// hasSlot reports whether the entry leads to a slot.
func (k Kind) hasSlot() bool { return k == Directory || k == MutableFile }

// form is what a tree holds, which decides how its entries may look.
type form uint8

const (
	formDirectory form = iota // the names of a live directory
	formHistory               // noncurrent versions and hidden directories: names are history keys (formats.md 5)
	formFile                  // a mutable file: one leaf, one entry without a name
	formFrozen                // a frozen directory: no W, nothing mutable below
)

// admits reports whether an entry of kind k may stand in the tree.
func (f form) admits(k Kind) bool {
	switch f {
	case formHistory:
		return k != FrozenDir
	case formFile:
		return k.IsFile()
	case formFrozen:
		return !k.hasSlot()
	}
	return true
}
