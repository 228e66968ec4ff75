package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// A mutable file is a slot of its own (formats 5), whose tree is one leaf with
// one entry without a name: its contents. Seen from here it is a directory that
// holds one file, so what is written to it is drafted, rebased and committed as
// everywhere, to its own slot; the directories whose entries lead to it are not
// touched.
//
// Its size and mtime are those of the slot. Mode, owner and atime belong to the
// entry that leads to it, so that several names of one file have their own.

// mutableKey is under which the open file is known that e, an entry of kind
// MutableFile, leads to: the same for all its names.
func mutableKey(e *dirtree.Entry) fileKey { return fileKey{dir: slotID(e.Dir.ID())} }

// mutableFileID is what is shown as the file's id.
func mutableFileID(r caps.SlotRead) FileID {
	id := r.ID()
	return FileID(id[:16])
}

// contentsOf returns the entry that holds a mutable file's contents: the one
// in d, or that of an empty file. Its mtime is the slot's.
func contentsOf(ctx context.Context, d getter, mtime int64) (*dirtree.Entry, error) {
	e, err := d.Get(ctx, "")
	switch {
	case errors.Is(err, kind.NotExist):
		return &dirtree.Entry{Kind: dirtree.EmptyFile, FileID: newFileID(), Mode: defaultFileMode, Mtime: mtime}, nil
	case err != nil:
		return nil, fmt.Errorf("look up a mutable file's contents: %w", err)
	}
	now := *e
	now.Mtime = mtime
	return &now, nil
}

// contents is what a mutable file holds in the version v.
func (v *version) contents(ctx context.Context) (*dirtree.Entry, error) {
	if v.state.Tombstone {
		return nil, fmt.Errorf("the file was removed: %w", kind.NotExist)
	}
	return contentsAt(ctx, v.dir, v.state)
}

// contentsAt is what a mutable file holds by an opened record and its tree. The
// record's size and the entry's must agree before a byte is given (formats 3).
func contentsAt(ctx context.Context, d *dirtree.Dir, st dirtree.SlotState) (*dirtree.Entry, error) {
	e, err := contentsOf(ctx, d, st.Mtime)
	if err != nil {
		return nil, err
	}
	if e.Size != st.Bytes {
		return nil, fmt.Errorf("a mutable file's record tells another size than its contents: %w", kind.Corrupt)
	}
	return e, nil
}

// findContents is find for the contents of a mutable file, which move nowhere.
func (b *batch) findContents(ctx context.Context, slot caps.SlotWrite) (*work, *dirtree.Entry, error) {
	w, err := b.dir(ctx, slot)
	if errors.Is(err, kind.NotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	e, err := contentsOf(ctx, w, w.next.Mtime)
	return w, e, err
}

// createMutable makes the slot of a mutable file together with the entry that
// leads to it. A name that has appeared meanwhile fails it, whatever has it: its
// contents are not this file's to replace.
func (p *publication) createMutable(ctx context.Context, b *batch, parent *work) error {
	f := p.f
	e, err := lookup(ctx, parent, f.entry.Name)
	if err != nil {
		return err
	}
	if e != nil {
		return kind.Exist
	}
	if parent.keepsVersions() {
		return errVersioned("a mutable file")
	}
	slot := *f.newSlot
	w := b.create(slot, slotID{}, f.owner)
	w.edit = dirtree.Open(dirtree.Keys{Write: &slot}, dirtree.Root{}, b.fs.source, b.fs.nodeCache).Edit()
	if err := b.bring(p.contents); err != nil {
		return err
	}
	p.entry = dirtree.Entry{FileID: newFileID(), Mode: defaultFileMode, Mtime: f.entry.Mtime}
	p.contents.put(&p.entry)
	if p.attrs.Has(AttrMtime) {
		p.entry.Mtime = p.attrs.Mtime.UnixNano()
	}
	w.next.Mtime = p.entry.Mtime
	if err := w.put(ctx, &p.entry); err != nil {
		return err
	}
	p.link = p.attrs.of(f.entry)
	p.link.Kind, p.link.Dir, p.link.DirWrite = dirtree.MutableFile, slot.Read(), &slot
	p.in, p.key, p.at = w, fileKey{dir: slotID(slot.ID())}, spot{dir: slot}
	parent.namesChanged()
	return parent.put(ctx, &p.link)
}
