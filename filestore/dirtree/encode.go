package dirtree

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// admit checks that e may be stored in a tree of form f, and returns a copy of
// it with its encoding. NameInvalid, Invalid or TooLarge otherwise.
func (f form) admit(e *Entry) (*item, error) {
	if !f.nameOK(e.Name) {
		return nil, fmt.Errorf("dirtree: put: %w", kind.NameInvalid)
	}
	if !f.admits(e.Kind) || e.Kind > lastKind || !f.fits(e) {
		return nil, fmt.Errorf("dirtree: put: a %v can't stand here: %w", e.Kind, kind.Invalid)
	}
	it := &item{e: *e}
	it.e.check = it.check
	if f == formFrozen {
		it.e.DirWrite, it.e.Foreign.Write = nil, nil
	}
	if err := it.e.valid(); err != nil {
		return nil, fmt.Errorf("dirtree: put: %w", err)
	}
	it.key = it.e.SortKey()
	b := appendV(make([]byte, 0, 256), &it.e)
	v := len(b)
	b = appendR(b, &it.e)
	r := len(b)
	if f != formFrozen {
		b = appendW(b, &it.e)
	}
	it.v, it.r, it.w = b[:v:v], b[v:r:r], b[r:]
	if it.size() > f.maxEntry() {
		return nil, fmt.Errorf("dirtree: put: entry over %d bytes: %w", MaxEntry, kind.TooLarge)
	}
	it.checked.Store(true)
	return it, nil
}

// nameOK reports whether a name can stand in a tree of form f.
func (f form) nameOK(name string) bool {
	switch f {
	case formHistory:
		_, _, _, ok := ParseHistoryKey(name)
		return ok
	case formFile:
		return name == ""
	}
	return len(name) <= MaxName && strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0
}

// maxEntry is the most bytes of an entry: whatever stands in a directory must be
// able to go to its history.
func (f form) maxEntry() int {
	if f == formHistory {
		return MaxEntry + historySuffix
	}
	return MaxEntry
}

// fits reports whether e's name, which is one that can stand in a tree of form
// f, can do so with e's kind: a history key tells whether it is a directory's.
func (f form) fits(e *Entry) bool {
	if f != formHistory {
		return true
	}
	sortKey, _, _, ok := ParseHistoryKey(e.Name)
	return ok && strings.HasSuffix(sortKey, "/") == e.Kind.IsDir()
}

// valid checks the fields that a caller may get wrong.
func (e *Entry) valid() error {
	for i, a := range e.Attrs {
		if len(a.Value) > math.MaxUint16 {
			return fmt.Errorf("attribute %d: %w", a.Type, kind.TooLarge)
		}
		if i > 0 && a.Type <= e.Attrs[i-1].Type {
			return fmt.Errorf("attributes out of order: %w", kind.Invalid)
		}
	}
	if len(e.More) > math.MaxUint8 {
		return fmt.Errorf("%d further blocks: %w", len(e.More), kind.TooLarge)
	}
	for _, ref := range e.More {
		if !usable(ref, true) {
			return fmt.Errorf("further block without id or key: %w", kind.Invalid)
		}
	}
	if !e.refValid() || !e.sizeValid() {
		return fmt.Errorf("%v with fields that don't fit: %w", e.Kind, kind.Invalid)
	}
	return e.consistent()
}

// usable reports whether ref names a block: a chunk if chunks are allowed, or
// a node.
func usable(ref filetree.Ref, chunk bool) bool {
	levelOK := ref.Level <= maxFileLevel || chunk && ref.Level == caps.LevelChunk
	return levelOK && !ref.ID.IsZero() && !ref.Key.IsZero()
}

// refValid reports whether what the kind refers to is there.
func (e *Entry) refValid() bool {
	switch e.Kind {
	case OneChunk:
		return e.File.Level == caps.LevelChunk && usable(e.File, true)
	case TreeFile:
		return usable(e.File, false)
	case Directory:
		return slotUsable(e.Dir, caps.SlotDirectory)
	case MutableFile:
		return slotUsable(e.Dir, caps.SlotFile)
	case FrozenDir:
		f := e.Frozen
		return !f.Key.IsZero() && f.Level <= maxFrozenLevel && (f.Root != caps.RootID{} || f.Level == 0)
	}
	return true
}

// slotUsable reports whether r names a slot of type t. A leaf with the zero id
// in it would not be read again.
func slotUsable(r caps.SlotRead, t caps.SlotType) bool {
	return r.Type() == t && r.ID() != caps.SlotID{} && !r.ReadKey().IsZero()
}

// sizeValid reports whether all copies of a size agree.
func (e *Entry) sizeValid() bool {
	switch e.Kind {
	case EmptyFile:
		return e.Size == 0
	case OneChunk, TreeFile:
		return e.Size > 0 && e.Size <= math.MaxInt64 && e.File.Size == e.Size
	case Inline:
		return len(e.Data) <= MaxInline && e.Size == uint64(len(e.Data))
	}
	return e.Size <= math.MaxInt64 && len(e.Data) <= math.MaxUint16
}

// appendR appends the R part of e that follows its name:
//
//	file id[16], uvarint mode, uid, gid, i64 mtime, uvarint size,
//	u16 k, k x { u16 type, u16 length, bytes }, the kind's keys or bytes, m x key[32]
func appendR(b []byte, e *Entry) []byte {
	b = append(b, e.FileID[:]...)
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendUvarint(b, uint64(e.UID))
	b = binary.AppendUvarint(b, uint64(e.GID))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Mtime))
	b = binary.AppendUvarint(b, e.Size)
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Attrs)))
	for _, a := range e.Attrs {
		b = binary.BigEndian.AppendUint16(b, uint16(a.Type))
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		b = append(b, a.Value...)
	}
	switch e.Kind {
	case OneChunk, TreeFile:
		b = appendKey(b, e.File.Key)
	case Directory, MutableFile:
		b = appendKey(b, e.Dir.ReadKey())
	case Symlink, Inline:
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.Data)))
		b = append(b, e.Data...)
	case Foreign:
		b = appendText(b, e.Foreign.Read)
	case FrozenDir:
		b = appendKey(b, e.Frozen.Key)
	}
	for _, ref := range e.More {
		b = appendKey(b, ref.Key)
	}
	return b
}

// appendW appends the W part of e: for kinds 3, 6 and 7 u8 present, then the
// seed or u16 + write capability; nothing for the others.
func appendW(b []byte, e *Entry) []byte {
	switch {
	case e.Kind.hasSlot():
		if e.DirWrite == nil {
			return append(b, 0)
		}
		return appendKey(append(b, 1), e.DirWrite.Seed())
	case e.Kind == Foreign:
		if e.Foreign.Write == nil {
			return append(b, 0)
		}
		return appendText(append(b, 1), e.Foreign.Write)
	}
	return b
}
