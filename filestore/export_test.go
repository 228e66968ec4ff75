package filestore

import (
	"context"
	"runtime"
	"testing"
)

// FoldAfter makes drafts fold their stored chunks after n of them.
func (fs *FS) FoldAfter(n int) { fs.foldAfter = n }

// Frames is how many frames of the file's draft are remembered.
func (f *File) Frames() int {
	of := f.file()
	of.mu.RLock()
	defer of.mu.RUnlock()
	if of.draft == nil {
		return 0
	}
	return len(of.draft.frames)
}

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

// Patches counts what is written over chunks and holes of the file at p.
func (t *Tree) Patches(ctx context.Context, p Path) (patches, extents int, bytes int64, err error) {
	pl, err := t.resolve(ctx, p, wantEntry)
	if err != nil || pl.entry == nil {
		return 0, 0, 0, err
	}
	b := t.fs.baseOf(pl.entry)
	for off := int64(0); b.reader != nil && off < b.size; {
		leaf, err := b.reader.LeafAt(ctx, off)
		if err != nil {
			return 0, 0, 0, err
		}
		if leaf.Patch != nil {
			patches, extents, bytes = patches+1, extents+len(leaf.Patch.Extents), bytes+leaf.Patch.Len
		}
		off = leaf.End()
	}
	return patches, extents, bytes, nil
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
	return t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
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

// KeepOvertaken reads the record of the tree's root, as somebody does whom change
// overtakes after that, and the cache meanwhile forgets; it reports whether what was
// read stands for the current record then.
func (t *Tree) KeepOvertaken(ctx context.Context, change func()) (bool, error) {
	c := t.fs.slots
	v, err := c.load(ctx, t.read)
	if err != nil {
		return false, err
	}
	change()
	c.forget(v.rec.ID)
	c.keep(v)
	return c.cached(t.read) == v, nil
}

// Beat sends a heartbeat.
func (fs *FS) Beat(ctx context.Context) error { return fs.beat(ctx) }

// CheckAt looks at the tree as of a commit, deeply, and tells what is wrong.
func (fs *FS) CheckAt(t *testing.T, seq uint64) (damage []string) {
	t.Helper()
	report, err := fs.Check(t.Context(), CheckOptions{Deep: true, At: seq})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Damage {
		damage = append(damage, d.Path+": "+d.What)
	}
	return damage
}

// Occupy keeps the committer busy from the time that it closes begun until
// release is closed.
func (fs *FS) Occupy(ctx context.Context, begun, release chan struct{}) {
	_ = fs.commit.do(ctx, &op{apply: func(context.Context, *batch) error {
		close(begun)
		<-release
		return nil
	}})
}

// WaitQueued waits until n operations wait for the committer.
func (fs *FS) WaitQueued(n int) {
	for {
		fs.commit.mu.Lock()
		waiting := len(fs.commit.queue)
		fs.commit.mu.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}
