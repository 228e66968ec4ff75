package dirtree

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Limits of an entry (formats.md 4).
const (
	MaxName   = 1024      // bytes of a name
	MaxInline = 55        // bytes of an inline file
	MaxEntry  = 16 * 1024 // bytes of an entry in all three sections, its whole name counted
)

// Entry is one entry of a directory, decrypted. It is immutable once it was
// given to Put or came from a tree; to change one, copy the struct, change the
// copy (its slices replaced, not written to), and Put that.
type Entry struct {
	Name   string
	Kind   Kind
	FileID [16]byte // new at create, kept by rename: what a draft commits to
	Mode   uint32
	UID    uint32
	GID    uint32
	Mtime  int64  // unix nanoseconds
	Size   uint64 // bytes, below 2^63
	Attrs  []Attr // strictly ascending by type

	File     filetree.Ref    // OneChunk, TreeFile; its Size is the entry's
	Data     []byte          // Symlink: the target; Inline: the contents
	Dir      caps.SlotRead   // Directory, MutableFile
	DirWrite *caps.SlotWrite // of Dir; nil if the entry or the opener hasn't it
	Foreign  ForeignCaps     // Foreign
	Frozen   caps.FrozenRead // FrozenDir

	// More are further blocks that the entry keeps alive: large attributes.
	// Their Size is not stored (it is in the attribute that uses them) and
	// reads as 0.
	More []filetree.Ref

	check func() error // set in an entry that came from a tree
}

// ForeignCaps are the capabilities of an entry of kind Foreign. Read is a
// caps.Read, or a caps.Unknown marked read-only; Verify and Write may be nil.
// Verify is only looked at if it doesn't follow from Read: a caps.Verify, or a
// caps.Unknown, of another family than ours.
type ForeignCaps struct{ Verify, Read, Write caps.Cap }

// SortKey is what the entries of a directory are sorted by: the name, with
// "/" after it for directories (formats.md 4). The name of an entry in a
// history tree is its sort key.
func (e *Entry) SortKey() string {
	if e.Kind.IsDir() {
		return e.Name + "/"
	}
	return e.Name
}

// Check compares what the entry says twice: that each verify key follows from
// the key beside it, and that the seed of a child's slot gives the slot that
// is read. Get has done it; an entry from a Scan is checked before its
// references or capabilities are used. A mismatch is Corrupt. The result is
// remembered, so only the first call costs (an Ed25519 key derivation if there
// is a seed).
func (e *Entry) Check() error {
	if e.check == nil {
		return nil
	}
	return e.check()
}

// consistent checks that the write authority in the entry is over what the
// read authority reads.
func (e *Entry) consistent() error {
	switch {
	case e.Kind.hasSlot() && e.DirWrite != nil && !e.DirWrite.Read().Equal(e.Dir):
		return fmt.Errorf("dirtree: seed of another slot: %w", kind.Invalid)
	case e.Kind == Foreign:
		return e.Foreign.consistent()
	}
	return nil
}

func (f ForeignCaps) consistent() error {
	if err := foreignRead(f.Read); err != nil {
		return err
	}
	if !f.verifyOK() {
		return fmt.Errorf("dirtree: a foreign entry shows more than a verify capability: %w", kind.Invalid)
	}
	switch w := f.Write.(type) {
	case nil:
		return nil
	case caps.Unknown:
		if stillUnknown(w) {
			return nil
		}
	case caps.Write:
		if caps.Equal(w.Read(), f.Read) {
			return nil
		}
	}
	return fmt.Errorf("dirtree: write capability of another object: %w", kind.Invalid)
}

// foreignRead checks that c may stand where every reader of a directory sees
// it: that it allows reading at most, and is not one of our own, which have
// kinds of their own.
func foreignRead(c caps.Cap) error {
	switch c := c.(type) {
	case caps.Unknown:
		if c.ReadOnly() && stillUnknown(c) {
			return nil
		}
	case caps.Read:
		switch c.Form() {
		case caps.FormSlot, caps.FormFile, caps.FormFrozen, caps.FormUnknown:
			return fmt.Errorf("dirtree: %v capability in a foreign entry: %w", c.Form(), kind.Invalid)
		}
		return nil
	}
	return fmt.Errorf("dirtree: a foreign entry needs a read capability: %w", kind.Invalid)
}

// verifyOK checks that what stands in V, where everybody with a verify key sees
// it, verifies at most, and is not one of our own, which keep nothing alive there.
func (f ForeignCaps) verifyOK() bool {
	switch v := f.verify().(type) {
	case nil:
		return true
	case caps.Unknown:
		return stillUnknown(v) && !(f.Read != nil && caps.Equal(v, f.Read)) && !(f.Write != nil && caps.Equal(v, f.Write))
	case caps.Verify:
		switch v.Form() {
		case caps.FormSlot, caps.FormFile, caps.FormFrozen, caps.FormUnknown:
			return false
		}
		return true
	}
	return false
}

// verify is the capability that stands in V: the one that follows from the
// read capability, else the one given.
func (f ForeignCaps) verify() caps.Cap {
	if f.Read != nil {
		if v, ok := f.Read.Verify(); ok {
			return v
		}
		if f.Read.Authority() == caps.AuthorityRead {
			return nil // a literal: nothing is stored
		}
	}
	return f.Verify
}

// ownBytes is what the entry adds to its directory's byte count.
func (e *Entry) ownBytes() int64 {
	if e.Kind.IsFile() {
		return int64(e.Size)
	}
	return 0
}

func (e *Entry) redacted() string { return fmt.Sprintf("entry(%v %x)", e.Kind, e.FileID) }

// Format prints the kind and the file id, whatever the verb: names, contents
// and keys are secrets.
func (e Entry) Format(s fmt.State, _ rune) { io.WriteString(s, e.redacted()) }

// LogValue logs the kind and the file id.
func (e Entry) LogValue() slog.Value { return slog.StringValue(e.redacted()) }

// MarshalJSON gives the kind and the file id, for loggers that meet an entry
// inside of something else.
func (e Entry) MarshalJSON() ([]byte, error) { return []byte(`"` + e.redacted() + `"`), nil }
