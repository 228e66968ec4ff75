package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// entryFor is the entry of a capability, but for its name.
func entryFor(l caps.Link) (*dirtree.Entry, error) {
	read, known := l.Read.(caps.Read)
	_, opaque := l.Read.(caps.Unknown)
	if !known && !opaque {
		return nil, fmt.Errorf("a capability that can't read isn't linked: %w", kind.Invalid)
	}
	if !known || immutableRoot(read) == nil && read.Form() != caps.FormSlot {
		return &dirtree.Entry{Kind: dirtree.Foreign, Mode: defaultFileMode, Size: sizeOf(l.Read), Foreign: dirtree.ForeignCaps{Read: l.Read, Write: l.Write}}, nil
	}
	if slot, ok := read.SlotRead(); ok {
		e := &dirtree.Entry{Kind: dirtree.Directory, Mode: defaultDirMode, Dir: slot}
		if slot.Type() == caps.SlotFile {
			e.Kind, e.Mode = dirtree.MutableFile, defaultFileMode
		}
		if w, ok := l.Write.(caps.Write); ok {
			if s, ok := w.SlotWrite(); ok {
				e.DirWrite = &s
			}
		}
		return e, nil
	}
	e := immutableRoot(read)
	switch {
	case e.Kind == dirtree.Inline && e.Size == 0:
		e.Kind, e.Data = dirtree.EmptyFile, nil
	case e.Kind == dirtree.Inline && e.Size > dirtree.MaxInline:
		e.Kind, e.Data, e.Foreign = dirtree.Foreign, nil, dirtree.ForeignCaps{Read: read}
	}
	return e, nil
}

// sizeOf is what a capability of another family tells of its object's size; 0 if
// it doesn't.
func sizeOf(c caps.Cap) uint64 {
	if r, ok := c.(caps.Read); ok && !r.IsDir() {
		n, _ := r.Size()
		return n
	}
	return 0
}

// probe reads the first block of what never changes, so that a key that doesn't
// fit, or something that isn't stored here, is noticed.
func (t *Tree) probe(ctx context.Context, e *dirtree.Entry) error {
	if e.Kind == dirtree.FrozenDir {
		for _, err := range t.fs.frozen(e.Frozen).dir.Scan(ctx, "") {
			return notHere(err) // of its first block, whatever is in it
		}
		return nil
	}
	b := t.fs.baseOf(e)
	return notHere(b.readAt(ctx, make([]byte, min(b.size, 1)), 0))
}

// notHere says what an absent first block means.
func notHere(err error) error {
	if fault := new(dirtree.NodeError); errors.As(err, &fault) && fault.Fault != dirtree.Missing {
		return err
	}
	if kind.Of(err) == kind.Corrupt {
		return fmt.Errorf("what the capability names is not stored here, not any more, or is damaged: %w", err)
	}
	return err
}
