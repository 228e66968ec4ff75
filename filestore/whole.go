package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// whole collects every block that something keeps alive, in one read
// transaction and by verify keys: what a commit has to list that links what it
// did not read from a live slot (formats 11). It is an error if a node of it is
// missing or damaged, since its blocks aren't known then.
//
// It holds 32 bytes and some for each block, and a record's hash for each slot.
type whole struct {
	fs   *FS
	view metastore.View

	// dirsOnly leaves files out: what is asked for is which slots there are.
	dirsOnly bool

	blocks map[metastore.ID]struct{}
	slots  map[slotID][32]byte // directories and mutable files that were met, with their records' hashes
	met    map[metAs]bool
	todo   []dirtree.Child // directories to go into: their depth is not the stack's
}

// metAs is something that was walked, by the key it was walked with: a lying
// entry that gives a wrong key for somebody's node must not hide that node from
// who has the right one (formats 11).
type metAs struct{ id, verify [32]byte }

// meet reports whether it is the first time.
func (w *whole) meet(id [32]byte, verify caps.Key) bool {
	as := metAs{id: id}
	if raw := verify.Raw(); raw != nil {
		as.verify = *raw
	}
	first := !w.met[as]
	w.met[as] = true
	return first
}

func newWhole(fs *FS, view metastore.View) *whole {
	return &whole{
		fs: fs, view: view, blocks: make(map[metastore.ID]struct{}),
		slots: make(map[slotID][32]byte), met: make(map[metAs]bool),
	}
}

// ids lists the blocks, ascending, which is how a metastore finds them quickest.
func (w *whole) ids() []metastore.ID {
	ids := make([]metastore.ID, 0, len(w.blocks))
	for id := range w.blocks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// add walks what c leads to, and all below.
func (w *whole) add(ctx context.Context, c dirtree.Child) error {
	if err := w.child(ctx, c); err != nil {
		return err
	}
	for len(w.todo) > 0 {
		next := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		var err error
		if next.Kind == dirtree.FrozenDir {
			err = w.frozenDir(ctx, next.Frozen)
		} else {
			err = w.slot(ctx, next.Slot)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// child takes one entry: its own blocks at once, directories later.
func (w *whole) child(ctx context.Context, c dirtree.Child) error {
	switch c.Kind {
	case dirtree.MutableFile:
		if w.dirsOnly {
			break
		}
		w.todo = append(w.todo, c)
	case dirtree.Directory, dirtree.FrozenDir:
		w.todo = append(w.todo, c)
	case dirtree.OneChunk, dirtree.TreeFile:
		if err := w.file(ctx, c.File); err != nil {
			return err
		}
	}
	for _, m := range c.More {
		if err := w.file(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (w *whole) slot(ctx context.Context, v caps.SlotVerify) error {
	id := slotID(v.ID())
	if !w.meet(id, v.VerifyKey()) {
		return nil
	}
	recs, err := w.view.Slots(ctx, []slotID{id})
	if err != nil {
		return fmt.Errorf("read a slot: %w", err)
	}
	if recs[0].Bytes == nil {
		return fmt.Errorf("slot %v: slot missing: %w", id, kind.Corrupt)
	}
	p, err := dirtree.VerifySlot(id, recs[0].Bytes)
	if err != nil {
		return err
	}
	if p.Type != v.Type() {
		return fmt.Errorf("slot %v: of another type than its link says: %w", id, kind.Corrupt)
	}
	w.slots[id] = dirtree.RecordHash(recs[0].Bytes)
	for _, root := range []dirtree.Root{p.Root, p.History} {
		if err := dirtree.WalkVerify(ctx, v, root, snapshot.Nodes{View: w.view}, w.visitor(ctx, nil)); err != nil {
			return err
		}
	}
	return nil
}

func (w *whole) frozenDir(ctx context.Context, v caps.FrozenVerify) error {
	if w.dirsOnly || !w.meet(v.Root, v.Key) {
		return nil // nothing that has a slot is below it
	}
	return dirtree.WalkFrozen(ctx, v, snapshot.Nodes{View: w.view}, w.visitor(ctx, func(id [32]byte) {
		w.blocks[id] = struct{}{}
	}))
}

func (w *whole) visitor(ctx context.Context, node func(id [32]byte)) dirtree.Visitor {
	return dirtree.Visitor{
		Node: func(id [32]byte, _ uint8, _ int) error {
			if node != nil {
				node(id)
			}
			return nil
		},
		Child: func(c dirtree.Child) error { return w.child(ctx, c) },
		Fault: func(err *dirtree.NodeError) error {
			if err.Fault == dirtree.WrongKey {
				return nil // a dead reference: formats 11
			}
			return err
		},
	}
}

// file walks a file's tree.
func (w *whole) file(ctx context.Context, ref filetree.VerifyRef) error {
	if w.dirsOnly || ref.ID.IsZero() {
		return nil
	}
	if err := filetree.WalkVerify(ctx, snapshot.Files{Nodes: snapshot.Nodes{View: w.view}, Blocks: w.fs.o.Blocks}, ref, wholeFile{w}); err != nil {
		return fmt.Errorf("walk a file: %w", err)
	}
	return nil
}

// wholeFile notes the blocks of one file. Nodes that several files share are
// walked once.
type wholeFile struct{ w *whole }

// Visit implements filetree.Visitor.
func (f wholeFile) Visit(ref filetree.VerifyRef) (bool, error) {
	if ref.Level == filetree.LevelChunk {
		f.w.blocks[metastore.ID(ref.ID)] = struct{}{}
	}
	return f.w.meet(ref.ID, ref.Key), nil
}

// Opened implements filetree.Visitor.
func (f wholeFile) Opened(ref filetree.VerifyRef, _ int64, err error) error {
	if wrong := new(filetree.WrongKeyError); errors.As(err, &wrong) {
		return nil // a dead reference: formats 11
	}
	if err == nil {
		f.w.blocks[metastore.ID(ref.ID)] = struct{}{}
	}
	return err
}

// unchanged demands inside of a transaction that all slots that were met have
// the records with which they were met.
func (w *whole) unchanged(ctx context.Context, r metastore.Reader) error {
	ids := make([]slotID, 0, len(w.slots))
	for id := range w.slots {
		ids = append(ids, id)
	}
	recs, err := r.Slots(ctx, ids)
	if err != nil {
		return err
	}
	for i, rec := range recs {
		if rec.Bytes == nil || dirtree.RecordHash(rec.Bytes) != w.slots[ids[i]] {
			return fmt.Errorf("a directory below: %w", errWayChanged)
		}
	}
	return nil
}
