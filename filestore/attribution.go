package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/metastore"
)

// What a change belongs to: an owner, whose damage holds it from being collected
// (formats 11), and an account, which it is charged to (formats 9).

// do commits an operation that comes through the tree.
func (t *Tree) do(ctx context.Context, o *op) error {
	o.through = t
	return t.fs.commit.do(ctx, o)
}

// do commits an operation on the file, through the tree that it was first opened
// for writing through.
func (f *openFile) do(ctx context.Context, o *op) error {
	f.fs.open.mu.Lock()
	o.through, o.mixed = f.tree, f.several
	if o.through == nil {
		o.through = f.opened // attributes, set through a handle that only reads
	}
	f.fs.open.mu.Unlock()
	return f.fs.commit.do(ctx, o)
}

// openedThrough notes through which tree a handle came, and whether that may
// write. It is called with the registry's mutex held.
func (f *openFile) openedThrough(t *Tree, write bool) {
	if f.opened == nil {
		f.opened = t
	}
	switch {
	case !write:
	case f.tree == nil:
		f.tree = t
	case f.tree.rootID() != t.rootID():
		f.several = true
	}
}

// rootID is the slot that the tree's capability names, or that of the root that
// the tree is a part of; zero: none.
func (t *Tree) rootID() slotID {
	if t.part != nil {
		return t.part.of
	}
	if t.root != nil {
		return slotID(t.root.Dir.ID())
	}
	return slotID(t.read.ID())
}

// charge books what a change has added to a directory, which had count entries
// and bytes more than its base, for the operation that is being applied. A
// mutable file's own entry is none of a directory.
func (w *work) charge(count, bytes int64) {
	if w.write.Type() == caps.SlotDirectory {
		w.batch.op.files += w.edit.Count() - count
	}
	w.batch.op.bytes += w.edit.Bytes() - bytes
}

// attribute gives a request its owner and its charges.
func (g *group) attribute(req *metastore.Request) {
	req.Owner = g.owner()
	for _, w := range g.works {
		if w.changed {
			w.owner = req.OwnerOf(w.owner) // as the metastore will have it
		}
	}
	charges := make(map[slotID]*metastore.Charge)
	var order []slotID
	for _, o := range g.ops {
		t := o.through
		if t == nil || t.rootID() == (slotID{}) || o.files == 0 && o.bytes == 0 {
			continue
		}
		c := charges[t.rootID()]
		if c == nil {
			c = &metastore.Charge{Root: t.rootID()}
			charges[c.Root] = c
			order = append(order, c.Root)
		}
		c.Files, c.Bytes = c.Files+o.files, c.Bytes+o.bytes
		c.MaxFiles, c.MaxBytes = stricter(c.MaxFiles, t.o.MaxFiles), stricter(c.MaxBytes, t.o.MaxBytes)
	}
	for _, id := range order {
		if c := charges[id]; c.Files != 0 || c.Bytes != 0 {
			req.Charges = append(req.Charges, *c)
		}
	}
}

// stricter is the lesser of two bounds of which zero is none: of mounts of one
// root that have other quotas none passes its own because another's operation is
// in the same request. If one is refused each is tried alone, by its own bound.
func stricter(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// owner is the root through which all of the request comes; zero: there is none,
// or there are several.
func (g *group) owner() slotID {
	var owner slotID
	for i, o := range g.ops {
		if i > 0 && o.owner() != owner {
			return slotID{}
		}
		owner = o.owner()
	}
	return owner
}

func (o *op) owner() slotID {
	if o.through == nil || o.mixed {
		return o.root
	}
	return o.through.rootID()
}
