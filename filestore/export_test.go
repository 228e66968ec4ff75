package filestore

import "context"

// FoldAfter makes drafts fold their stored chunks after n of them.
func (fs *FS) FoldAfter(n int) { fs.foldAfter = n }

// Leaves counts the chunks of the file at p, and its holes.
func (t *Tree) Leaves(ctx context.Context, p Path) (int, error) {
	pl, err := t.resolve(ctx, p, wantEntry)
	if err != nil || pl.entry == nil {
		return 0, err
	}
	b := t.fs.baseOf(pl.entry)
	n := 0
	for off := int64(0); b.reader != nil && off < b.size; n++ {
		leaf, err := b.reader.LeafAt(ctx, off)
		if err != nil {
			return 0, err
		}
		off = leaf.End()
	}
	return n, nil
}

// SetAttrLater resolves p now, and sets the attributes when the result is called.
func (t *Tree) SetAttrLater(ctx context.Context, p Path, a Attr) func() error {
	pl, err := t.resolve(ctx, p, wantSelf)
	return func() error {
		if err != nil {
			return err
		}
		return t.setAttrAt(ctx, pl, p, a, false)
	}
}

// Dirty is how many dirty bytes lie in memory.
func (fs *FS) Dirty() int64 { return fs.dirty.Load() }

// PutBeside gives an entry another name, that of a directory beside it, as only
// frontends of other rules may.
func (t *Tree) PutBeside(ctx context.Context, from, to Path) error {
	src, err := t.resolve(ctx, from, wantEntry)
	if err != nil {
		return err
	}
	return t.fs.commit.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, *src.dir.write)
		if err != nil {
			return err
		}
		e, err := lookup(ctx, w, src.name)
		if err != nil {
			return err
		}
		if err := w.delete(ctx, e); err != nil {
			return err
		}
		moved := *e
		_, moved.Name = to.Split()
		return w.put(ctx, &moved)
	}})
}
