package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// locate finds an open file in the working copies: its directory and entry; or
// that it is still to be created; or, with neither, that it is gone. It gives
// errVanished where another gateway may have moved it to another directory.
func (b *batch) locate(ctx context.Context, f *openFile) (w *work, e *dirtree.Entry, pending bool, err error) {
	b.fs.open.mu.Lock()
	key, at, pending, gone := f.key, f.at, f.pending, f.gone
	b.fs.open.mu.Unlock()
	if gone {
		return nil, nil, false, nil
	}
	if w := b.unnamed[f]; w != nil {
		// Whether it is gone depends on the operation that took its name.
		return nil, nil, false, b.join(w.group)
	}
	if pending {
		w, err := b.dir(ctx, at.dir)
		if err == nil {
			w.below(at.bucket)
		}
		return w, nil, true, err
	}
	w, e, err = b.find(ctx, key, at)
	return w, e, false, err
}

// find finds the entry with the key's file id in the working copies, from where
// it was last known to stand. None, if it is gone.
func (b *batch) find(ctx context.Context, key fileKey, at spot) (w *work, e *dirtree.Entry, err error) {
	for {
		to, ok := b.moved[key]
		if !ok {
			break
		}
		if to == nil {
			// Whether it is gone depends on the operation that took it away.
			if w := b.works[key.dir]; w != nil {
				err = b.join(w.group)
			}
			return nil, nil, err
		}
		at = *to
		if id := slotID(to.dir.ID()); id != key.dir {
			key.dir = id
			continue
		}
		break
	}
	if at.dir.Type() == caps.SlotFile {
		return b.findContents(ctx, at.dir)
	}
	w, err = b.dir(ctx, at.dir)
	if errors.Is(err, kind.NotExist) && !b.fs.slots.authoritative {
		return nil, nil, errVanished
	}
	if errors.Is(err, kind.NotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	w.below(at.bucket)
	e, err = w.Get(ctx, at.name)
	switch {
	case err == nil && e.FileID == key.id:
		return w, e, nil
	case err != nil && !errors.Is(err, kind.NotExist):
		return nil, nil, fmt.Errorf("look up a file: %w", err)
	}
	if b.fs.slots.authoritative {
		return w, nil, nil // who renames tells the registry
	}
	e, err = w.search(ctx, key.id)
	if e == nil && err == nil {
		err = errVanished
	}
	return w, e, err
}

// search looks a directory over for a file that another gateway has renamed.
func (w *work) search(ctx context.Context, id FileID) (*dirtree.Entry, error) {
	if w.base == nil {
		return nil, nil
	}
	for e, err := range w.base.writable(w.write).Scan(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("look a directory over: %w", err)
		}
		if e.FileID == id {
			// The working copy decides what is there now.
			now, err := w.Get(ctx, e.SortKey())
			if errors.Is(err, kind.NotExist) || err == nil && now.FileID != id {
				return nil, nil
			}
			return now, err
		}
	}
	return nil, nil
}
