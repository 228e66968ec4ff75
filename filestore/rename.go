package filestore

import (
	"context"
	"errors"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Rename moves what stands at from to to, in one transaction, whatever the
// directories. A file keeps its id, and whoever has it open goes on with it
// under its new name. A directory can't move below itself: Invalid.
func (t *Tree) Rename(ctx context.Context, from, to Path, m RenameMode) error {
	var err error
	for range maxRebases {
		// A conflict means that the way to the target has changed meanwhile.
		if err = t.rename(ctx, from, to, m); !errors.Is(err, errWayChanged) {
			break
		}
	}
	return wrap("rename", err)
}

func (t *Tree) rename(ctx context.Context, from, to Path, m RenameMode) error {
	src, err := t.resolve(ctx, from, wantEntry)
	switch {
	case err != nil:
		return err
	case src.dir == nil:
		return errRoot
	case !src.exists():
		return kind.NotExist
	}
	dst, err := t.resolve(ctx, to, wantEntry)
	switch {
	case err != nil:
		return err
	case dst.dir == nil:
		return kind.Exist
	}
	if err := src.dir.mayChange(); err != nil {
		return err
	}
	if err := dst.dir.mayChange(); err != nil {
		return err
	}
	if src.file != nil {
		if err := src.file.save(ctx); err != nil {
			return err
		}
	}
	t.renewChild(ctx, dst.entry)
	r := &renaming{t: t, src: src, dst: dst, mode: m}
	if err := r.lookInside(ctx); err != nil {
		return err
	}
	if err := r.lookForVersions(ctx); err != nil {
		return err
	}
	return t.do(ctx, &op{apply: r.apply, won: r.won})
}

// renaming is one Rename on its way through the committer.
type renaming struct {
	t        *Tree
	src, dst place
	mode     RenameMode
	inside   *whole // the directories below src, where the way to dst doesn't tell enough
	plain    *whole // the same, none of which keeps versions; nil: nobody has looked

	// Of the last attempt.
	moved, gone *fileKey
	to          spot
	into        *work     // to's directory
	unnamed     *openFile // was being created under the target's name
}

func (r *renaming) won() {
	open := r.t.fs.open
	if r.gone != nil {
		open.removed(*r.gone)
	}
	if r.unnamed != nil {
		open.drop(r.unnamed)
	}
	if r.moved != nil {
		r.to.version = r.into.sealedVersion()
		open.moved(*r.moved, r.to)
	}
}

func (r *renaming) apply(ctx context.Context, b *batch) error {
	r.moved, r.gone, r.unnamed = nil, nil, nil
	src, err := b.in(ctx, r.src.dir)
	if err != nil {
		return err
	}
	dst, err := b.in(ctx, r.dst.dir)
	if err != nil {
		return err
	}
	e, err := lookup(ctx, src, r.src.name)
	if err != nil {
		return err
	}
	if e == nil {
		return kind.NotExist
	}
	old, err := lookup(ctx, dst, r.dst.name)
	if err != nil {
		return err
	}
	if old != nil && src == dst && old.SortKey() == e.SortKey() {
		if r.mode == Replace {
			return nil
		}
		return kind.Exist
	}
	bare, hidden := strings.CutSuffix(r.dst.name, hiddenMark)
	if hidden && old == nil {
		return kind.NotExist
	}
	if e.Kind == dirtree.Directory && b.fs.buckets.at(slotID(e.Dir.ID())) != nil {
		return errBucketDir
	}
	crosses := e.Kind == dirtree.Directory && src != dst
	if crosses {
		if err := b.single(); err != nil {
			return err
		}
		if err := r.below(b, e); err != nil {
			return err
		}
	}
	if e.Kind.IsDir() {
		if err := r.withVersions(ctx, b, src, dst, e); err != nil {
			return err
		}
	}
	if err := r.replace(ctx, b, dst, e, old); err != nil {
		return err
	}
	if crosses {
		if err := r.rehome(ctx, b, src, dst, e); err != nil {
			return err
		}
	}
	return r.move(ctx, b, src, dst, e, bare)
}

// replace clears the target's name by POSIX's rules. e comes in its place.
func (r *renaming) replace(ctx context.Context, b *batch, dst *work, e, old *dirtree.Entry) error {
	coming := b.pending(dst, r.dst.name)
	switch {
	case old == nil && coming == nil:
		return nil
	case r.mode != Replace:
		return kind.Exist
	case old == nil && e.Kind.IsDir():
		return kind.NotDir
	case old == nil:
		// It goes only when this has won: until then its upload may still count.
		r.unnamed, b.unnamed[coming] = coming, dst
		return nil
	case e.Kind.IsDir() && !old.Kind.IsDir():
		return kind.NotDir
	case !e.Kind.IsDir() && old.Kind.IsDir():
		return kind.IsDir
	case old.Kind.IsDir():
		return b.bury(ctx, dst, old)
	}
	r.gone = b.takeAway(dst, old)
	return nil
}

// move takes the entry out of one directory and puts it in the other.
func (r *renaming) move(ctx context.Context, b *batch, src, dst *work, e *dirtree.Entry, name string) error {
	if err := r.takeOut(ctx, src, e); err != nil {
		return err
	}
	src.namesChanged()
	dst.namesChanged()
	if e.Kind.IsDir() {
		moved := *e
		moved.Name = name
		if err := dst.put(ctx, &moved); err != nil {
			return err
		}
	} else {
		moved := asNew(e)
		moved.Name = name
		if src.bucket != dst.bucket && isObject(moved) {
			replaced(moved, b.fs.now(), true) // to the bucket it is new
		}
		if _, err := dst.supersede(ctx, moved); err != nil {
			return err
		}
	}
	r.to, r.into = dst.spot(name), dst
	if !e.Kind.IsDir() {
		r.moved = &fileKey{src.id(), e.FileID}
		b.moved[*r.moved] = &r.to
		b.moved[fileKey{dst.id(), e.FileID}] = &r.to
	}
	return nil
}

// takeOut takes what is moved out of its directory; an object leaves its versions
// there, and a delete marker.
func (r *renaming) takeOut(ctx context.Context, src *work, e *dirtree.Entry) error {
	if !isObject(e) {
		return src.delete(ctx, e)
	}
	return src.moveAway(ctx, e)
}
