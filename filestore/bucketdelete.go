package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

func (b *Bucket) delete(ctx context.Context, owner *Tree) error {
	if !b.In(owner) || owner.part != nil {
		return fmt.Errorf("the bucket is no part of this tree: %w", kind.Denied)
	}
	if owner.write == nil {
		return fmt.Errorf("the root is read-only: %w", kind.ReadOnly)
	}
	s, err := b.current(ctx)
	if err != nil {
		return err
	}
	if err := b.tidy(ctx); err != nil {
		return err
	}
	// Both directories are as other gateways have left them.
	for i, dir := range []caps.SlotWrite{s.dir, s.uploads} {
		v, err := b.fs.slots.load(ctx, dir.Read())
		if err != nil {
			return err
		}
		if i == 0 && (v.state.Root != (dirtree.Root{}) || v.state.History != (dirtree.Root{})) {
			return kind.NotEmpty
		}
	}
	if _, err := owner.resolve(ctx, Path{s.info.Name}, wantEntry); err != nil {
		return err
	}
	d := &bucketDeletion{fs: b.fs, owner: owner, s: s}
	if d.uploads, err = b.lookUploads(ctx); err != nil && !errors.Is(err, kind.NotExist) {
		return err
	}
	d.op.apply = d.apply
	err = owner.do(ctx, &d.op)
	b.fs.buckets.expire()
	if err == nil {
		_, _ = b.fs.buckets.get(ctx, s.info.Name) // it shows when it is asked for next, at the latest
	}
	return err
}

// bucketDeletion is one Delete on its way through the committer.
type bucketDeletion struct {
	fs    *FS
	owner *Tree
	s     *bucketState
	op    op

	uploads buried
}

func (d *bucketDeletion) apply(ctx context.Context, b *batch) error {
	if d.op.tries > 0 {
		d.fs.buckets.expire()
		now, err := d.fs.buckets.get(ctx, d.s.info.Name)
		switch {
		case err != nil:
			return err
		case now == nil || now.dir.ID() != d.s.dir.ID():
			return kind.NotExist
		}
		d.s = now
	}
	if err := d.unlink(ctx, b); err != nil {
		return err
	}
	if err := d.fs.bucket(d.s, d.owner.o).buryUploads(ctx, b, d.uploads); err != nil {
		return err
	}
	return b.seal(metastore.SealedChange{Kind: kindBucket, Key: d.fs.bucketKey(d.s.info.Name), Base: d.s.rev})
}

// unlink takes the bucket's directory away, which must be empty. If it isn't where
// it was made any more, it stays as the directory that it is elsewhere.
func (d *bucketDeletion) unlink(ctx context.Context, b *batch) error {
	w, err := b.dir(ctx, *d.owner.write)
	if err != nil {
		return err
	}
	e, err := get(ctx, w, d.s.info.Name+"/")
	if err != nil {
		return err
	}
	if e == nil || e.Kind != dirtree.Directory || e.Dir.ID() != d.s.dir.ID() || e.DirWrite == nil {
		child, err := b.dir(ctx, d.s.dir)
		if errors.Is(err, kind.NotExist) {
			return nil
		}
		if err == nil {
			err = child.empty()
		}
		return err
	}
	if err := b.buryDirectory(ctx, w, e); err != nil {
		return err
	}
	w.namesChanged()
	return w.delete(ctx, e)
}

// errBucketDir refuses to rename a bucket's directory, or to replace it.
var errBucketDir = fmt.Errorf("the directory is a bucket: %w", kind.Denied)

// bucketOf is the bucket whose directory an entry links; nil if it is none's.
func (t *Tree) bucketOf(e *dirtree.Entry) *Bucket {
	if e == nil || e.Kind != dirtree.Directory {
		return nil
	}
	s := t.fs.buckets.at(slotID(e.Dir.ID()))
	if s == nil {
		return nil
	}
	return t.fs.bucket(s, t.o)
}
