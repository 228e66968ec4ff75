package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// LinkCap makes an entry at p for what a capability names: a directory, live or
// frozen, a file, mutable or not, or a capability of another family, which is
// carried along. Who has the directory has it from then on, and may write what
// the capability allows writing if they may write the directory.
//
// What the capability names is opened first, and is kept from collection from
// then on. A directory finds its home here if it has none and the capability
// may write; it can't be linked where that would put it below itself (Invalid)
// or a second time in its home (Exist). Exist, too, if the name is taken;
// NotExist if what is named was removed; Corrupt if it is missing or damaged;
// Invalid for a capability that can't read.
func (t *Tree) LinkCap(ctx context.Context, p Path, l caps.Link) error {
	e, err := entryFor(l)
	if err == nil {
		err = t.linkEntry(ctx, p, e)
	}
	return wrap("link", err)
}

// linking is one link of a capability on its way.
type linking struct {
	t     *Tree
	pl    place
	entry *dirtree.Entry
	slot  *version // of a directory or mutable file
	root  bool     // that is in the root table, which keeps all below it
	below *whole   // what is kept alive by the link; nil: nothing is stored
}

// linkEntry links e at p, which must be free. What changes under it is looked at
// again.
func (t *Tree) linkEntry(ctx context.Context, p Path, e *dirtree.Entry) error {
	rd := t.fs.open.begin() // what is read from here on isn't deleted before the end
	defer t.fs.open.end(rd)
	var err error
	for try := range maxRebases {
		pl, rerr := t.resolve(ctx, p, wantEntry)
		switch {
		case rerr != nil:
			return rerr
		case pl.exists():
			return kind.Exist
		}
		if err := pl.dir.mayChange(); err != nil {
			return err
		}
		k := &linking{t: t, pl: pl, entry: e}
		if err := k.look(ctx); err != nil {
			return err
		}
		err = t.do(ctx, &op{apply: k.apply})
		changed := errors.Is(err, errWayChanged) || errors.Is(err, errChanged)
		if !errors.Is(err, kind.Conflict) {
			return err
		}
		if !changed && try > 0 {
			// Once is what a root that comes or goes meanwhile may cost. Else a
			// block is on its way out, and stays so.
			return fmt.Errorf("blocks of what is to be linked are not kept any more: %w", err)
		}
	}
	return fmt.Errorf("what is to be linked keeps changing: %w", err)
}

// look opens what is to be linked, and walks what is below it.
func (k *linking) look(ctx context.Context) error {
	fs, e := k.t.fs, k.entry
	child := dirtree.Child{Kind: e.Kind}
	switch e.Kind {
	case dirtree.Directory, dirtree.MutableFile:
		var err error
		if k.slot, err = fs.slots.load(ctx, e.Dir); err != nil {
			return err
		}
		if k.slot.state.Tombstone {
			return fmt.Errorf("what the capability names was removed: %w", kind.NotExist)
		}
		if k.root, err = fs.isRoot(ctx, k.slot.rec.ID); err != nil {
			return err
		}
		if err := k.allowed(); err != nil {
			return err
		}
		child.Slot = e.Dir.Verify()
	case dirtree.FrozenDir:
		if err := k.t.probe(ctx, e); err != nil || e.Frozen.Root == (caps.RootID{}) {
			return err
		}
		child.Frozen = e.Frozen.Verify()
	case dirtree.OneChunk, dirtree.TreeFile:
		if err := k.t.probe(ctx, e); err != nil {
			return err
		}
		child.File = e.File.Verify()
	default:
		return nil
	}
	if k.root && e.Kind == dirtree.MutableFile {
		return nil
	}
	return k.walk(ctx, child)
}

// walk lists what is below: the blocks, unless a root keeps them, and the
// directories, in which the one that gets the link must not be.
func (k *linking) walk(ctx context.Context, c dirtree.Child) error {
	view, err := retry.Value(ctx, func() (metastore.View, error) { return k.t.fs.o.Meta.Collector().Snapshot(ctx) })
	if err != nil {
		return fmt.Errorf("read the metastore: %w", err)
	}
	defer view.Close()
	k.below = newWhole(k.t.fs, view)
	k.below.dirsOnly = k.root
	if err := k.below.add(ctx, c); err != nil {
		return err
	}
	if _, met := k.below.slots[k.pl.dir.id()]; met && c.Kind == dirtree.Directory {
		return errBelowItself()
	}
	return nil
}

// allowed refuses links of directories that their home rules out.
func (k *linking) allowed() error {
	if k.entry.Kind != dirtree.Directory {
		return nil
	}
	if k.slot.state.Home == k.pl.dir.id() {
		return fmt.Errorf("the directory has its home here: %w", kind.Exist)
	}
	for n := k.pl.dir; n != nil; n = n.parent {
		if n.id() == k.slot.rec.ID {
			return errBelowItself()
		}
	}
	return nil
}

func (k *linking) apply(ctx context.Context, b *batch) error {
	if err := b.single(); err != nil {
		return err
	}
	into, err := b.in(ctx, k.pl.dir)
	if err != nil {
		return err
	}
	if (k.entry.Kind.IsDir() || k.entry.Kind == dirtree.MutableFile) && into.keepsVersions() {
		return errVersioned("a link to what has contents of its own")
	}
	if err := b.absent(ctx, into, k.pl.name); err != nil {
		return err
	}
	if err := k.conditions(ctx, b, into); err != nil {
		return err
	}
	e := *k.entry
	e.Name, e.FileID, e.Mtime = k.pl.name, newFileID(), k.t.fs.now().UnixNano()
	if k.below != nil {
		b.changes()
		b.own().links = append(b.own().links, k.below.ids()...)
	}
	into.namesChanged()
	if e.Kind.IsDir() {
		return into.put(ctx, &e)
	}
	_, err = into.supersede(ctx, &e)
	return err
}

// conditions adds to the request what must still hold when it is committed.
func (k *linking) conditions(ctx context.Context, b *batch, into *work) error {
	if k.slot == nil {
		return nil
	}
	g := b.own()
	g.requireRoot(k.slot.rec.ID, k.root)
	if k.entry.Kind == dirtree.MutableFile {
		g.checks = append(g.checks, exists(k.slot.rec.ID))
		if !k.root {
			g.checks = append(g.checks, unchanged(k.slot))
		}
		return nil
	}
	g.dirMove = true
	g.checks = append(g.checks, exists(k.slot.rec.ID), k.t.way(k.pl.dir, k.slot.rec.ID))
	if k.entry.DirWrite == nil || k.root || k.slot.state.Home != (slotID{}) {
		return nil
	}
	// It gets its home here. Nobody may have come between: a directory that is at
	// home below itself is lost.
	child, err := b.dir(ctx, *k.entry.DirWrite)
	if err != nil {
		return err
	}
	if child.next.Home != (slotID{}) {
		return fmt.Errorf("the directory has found a home: %w", kind.Conflict)
	}
	g = b.own()
	g.checks = append(g.checks, k.below.unchanged)
	child.next.Home = into.id()
	child.touch()
	return nil
}

// exists demands inside of a transaction that a slot is no tombstone.
func exists(id slotID) func(context.Context, metastore.Reader) error {
	return func(ctx context.Context, r metastore.Reader) error {
		recs, err := r.Slots(ctx, []slotID{id})
		if err != nil {
			return err
		}
		if recs[0].Bytes == nil || metastore.IsTombstone(recs[0].Bytes) {
			return fmt.Errorf("what the capability names was removed: %w", kind.NotExist)
		}
		return nil
	}
}

func (fs *FS) isRoot(ctx context.Context, id slotID) (bool, error) {
	is, err := retry.Value(ctx, func() ([]bool, error) { return fs.o.Meta.IsRoot(ctx, []slotID{id}) })
	if err != nil {
		return false, fmt.Errorf("look up a root: %w", err)
	}
	return is[0], nil
}
