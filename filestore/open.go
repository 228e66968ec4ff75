package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Open opens or creates the file at p, symbolic links followed. A file that is
// created is visible on this node at once, and committed at the first Sync or
// Close. Opening an existing no-write file (mode without 0200) for writing is
// ReadOnly; the handle that creates one may write.
func (t *Tree) Open(ctx context.Context, p Path, o OpenOptions) (*File, error) {
	f, err := t.openFile(ctx, p, o)
	if err != nil {
		return nil, wrap("open", err)
	}
	if o.Truncate && o.Write {
		if err := f.Truncate(ctx, 0); err != nil {
			f.Discard()
			return nil, err
		}
	}
	return f, nil
}

// maxOpens bounds how often a path is resolved again because its directory
// changed between the look-up and the entry in the registry.
const maxOpens = 32

func (t *Tree) openFile(ctx context.Context, p Path, o OpenOptions) (*File, error) {
	switch {
	case !o.Read && !o.Write:
		return nil, fmt.Errorf("neither for reading nor for writing: %w", kind.Invalid)
	case (o.Create || o.Truncate || o.Append) && !o.Write:
		return nil, fmt.Errorf("create, truncate and append need write: %w", kind.Invalid)
	}
	w := wantTarget
	if o.NoFollow || o.Create && o.Exclusive {
		w = wantEntry
	}
	for try := 1; ; try++ {
		f, err := t.openOnce(ctx, p, w, o, try == maxOpens)
		if f != nil || err != nil {
			return f, err
		}
		if try >= maxOpens {
			return nil, fmt.Errorf("the directory keeps changing: %w", kind.Conflict)
		}
	}
}

// openOnce is one attempt at openFile; nil if what the path led to has changed
// since. With force that counts as what is there.
func (t *Tree) openOnce(ctx context.Context, p Path, w want, o OpenOptions, force bool) (*File, error) {
	rd := t.fs.open.begin()
	defer t.fs.open.end(rd)
	pl, err := t.resolve(ctx, p, w)
	if err != nil {
		return nil, err
	}
	if err := t.mayOpen(&pl, o); err != nil {
		return nil, err
	}
	if !pl.exists() {
		if err := t.room(ctx, 1, 0); err != nil {
			return nil, err
		}
	}
	switch {
	case pl.immutable():
		return t.fs.enterImmutable(&pl, o, rd.seq), nil
	case pl.entry != nil && pl.entry.Kind == dirtree.MutableFile:
		if pl.slot == nil {
			if pl.slot, err = t.fs.slots.load(ctx, pl.entry.Dir); err != nil {
				return nil, err
			}
		}
		in, err := pl.slot.contents(ctx)
		if err != nil {
			return nil, err
		}
		return t.fs.enterMutable(&pl, in, t, o, force), nil
	}
	return t.fs.enter(&pl, t, o, force), nil
}
