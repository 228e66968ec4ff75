package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Link makes a second entry with the same contents. A stored file is immutable,
// so this is a copy that costs nothing; from then on the two go their own ways.
// What was written to the file and not committed is committed first. A mutable
// file gets a second name: both lead to the same contents from then on.
func (t *Tree) Link(ctx context.Context, from, to Path) error {
	return wrap("link", t.link(ctx, from, to))
}

func (t *Tree) link(ctx context.Context, from, to Path) error {
	src, err := t.resolve(ctx, from, wantEntry)
	switch {
	case err != nil:
		return err
	case !src.exists():
		return kind.NotExist
	case src.dir == nil || src.entry != nil && src.entry.Kind.IsDir():
		return fmt.Errorf("a directory has one name: %w", kind.Denied)
	case src.dir.write == nil:
		return kind.ReadOnly
	}
	dst, err := t.resolve(ctx, to, wantEntry)
	switch {
	case err != nil:
		return err
	case dst.exists():
		return kind.Exist
	}
	if err := dst.dir.mayChange(); err != nil {
		return err
	}
	f := src.file
	if f == nil {
		f = t.fs.open.file(src.key())
	}
	if f != nil {
		if err := f.save(ctx); err != nil {
			return err
		}
	}
	id := newFileID()
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		from, err := b.in(ctx, src.dir)
		if err != nil {
			return err
		}
		into, err := b.in(ctx, dst.dir)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, from, src.name)
		switch {
		case err != nil:
			return err
		case e == nil:
			return kind.NotExist
		case e.Kind.IsDir():
			return fmt.Errorf("a directory has one name: %w", kind.Denied)
		}
		if err := b.absent(ctx, into, dst.name); err != nil {
			return err
		}
		second := asNew(e)
		second.Name, second.FileID = dst.name, id
		// The blocks are reachable from the source's record, which this request
		// replaces: so they are at this very moment (formats 11).
		from.touch()
		into.namesChanged()
		_, err = into.supersede(ctx, second)
		return err
	}})
}
