package filestore

import (
	"context"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (fs *FS) createBucket(ctx context.Context, owner *Tree, info BucketInfo) (*Bucket, error) {
	if info.Lock {
		info.Versioning = VersioningEnabled
	}
	if err := info.check(); err != nil {
		return nil, err
	}
	if owner.root != nil || owner.part != nil {
		return nil, fmt.Errorf("a bucket in what is no account's root: %w", kind.Unsupported)
	}
	if owner.write == nil {
		return nil, fmt.Errorf("the root is read-only: %w", kind.ReadOnly)
	}
	if s, err := fs.buckets.get(ctx, info.Name); err != nil || s != nil {
		if err == nil {
			err = kind.Exist
		}
		return nil, err
	}
	if _, err := owner.resolve(ctx, Path{info.Name}, wantEntry); err != nil {
		return nil, err // and what another gateway did is known here
	}
	info.Root, info.Created = owner.rootID(), fs.now().UTC()
	fresh, uploads := randomSlot(caps.SlotDirectory), randomSlot(caps.SlotDirectory)
	s := &bucketState{info: info, uploads: uploads, root: owner.read.Verify(), convergence: owner.convergenceSecret()}
	o := &op{}
	o.won = func() { fs.buckets.put(s) }
	o.apply = func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, *owner.write)
		if err != nil {
			return err
		}
		if s.dir, err = b.bucketDir(ctx, owner, w, info.Name, fresh); err != nil {
			return err
		}
		b.create(uploads, slotID{}, owner.ownerUnder(w))
		b.own().roots = append(b.own().roots, fs.rootRow(uploads.Read().Verify(), sourceUploads))
		return nil
	}
	if err := owner.do(ctx, o); err != nil {
		return nil, err
	}
	return fs.bucket(s, owner.o), nil
}

// sourceUploads is what the root table says of directories of uploads.
const sourceUploads = "uploads"

// bucketDir is the directory of the name, which it makes if it isn't there.
func (b *batch) bucketDir(ctx context.Context, owner *Tree, w *work, name string, fresh caps.SlotWrite) (caps.SlotWrite, error) {
	e, err := lookup(ctx, w, name)
	switch {
	case err != nil:
		return fresh, err
	case e == nil && b.pending(w, name) != nil || e != nil && !e.Kind.IsDir():
		return fresh, kind.NotDir
	case e != nil:
		return b.takeBucketDir(ctx, w, e)
	}
	e = &dirtree.Entry{
		Kind: dirtree.Directory, Name: name, FileID: newFileID(), Mode: defaultDirMode,
		Mtime: b.fs.now().UnixNano(), Dir: fresh.Read(), DirWrite: &fresh,
	}
	b.create(fresh, w.id(), owner.ownerUnder(w))
	w.namesChanged()
	return fresh, w.put(ctx, e)
}

// takeBucketDir demands that a directory may become a bucket.
func (b *batch) takeBucketDir(ctx context.Context, w *work, e *dirtree.Entry) (caps.SlotWrite, error) {
	if e.DirWrite == nil {
		return caps.SlotWrite{}, fmt.Errorf("a directory of that name, without a write capability: %w", kind.Unsupported)
	}
	child, err := b.dir(ctx, *e.DirWrite)
	switch {
	case err != nil:
		return caps.SlotWrite{}, err
	case child.next.Home != w.id():
		return caps.SlotWrite{}, fmt.Errorf("a directory of that name, whose home is elsewhere: %w", kind.Unsupported)
	case b.fs.buckets.at(child.id()) != nil:
		return caps.SlotWrite{}, fmt.Errorf("a directory of that name, which is a bucket by another: %w", kind.Unsupported)
	}
	return *e.DirWrite, nil
}

func (b *Bucket) update(_ context.Context, change func(*BucketInfo) error) error {
	old := b.state()
	next := *old
	next.info = old.info.clone()
	if err := change(&next.info); err != nil {
		return err
	}
	if err := next.keeps(old); err != nil {
		return err
	}
	b.fs.buckets.put(&next)
	b.s.Store(&next)
	return nil
}

// keeps demands that an update has left alone what never changes.
func (s *bucketState) keeps(old *bucketState) error {
	n, o := &s.info, &old.info
	if n.Name != o.Name || n.Owner != o.Owner || n.Root != o.Root || !n.Created.Equal(o.Created) {
		return fmt.Errorf("what never changes of a bucket was changed: %w", kind.Invalid)
	}
	if o.Versioning != VersioningNever && n.Versioning == VersioningNever || o.Lock && !n.Lock || n.Lock && n.Versioning != VersioningEnabled {
		return fmt.Errorf("a bucket's versioning, or its object lock, can't be taken back: %w", kind.Invalid)
	}
	return n.check()
}

func (b *Bucket) delete(ctx context.Context, owner *Tree) error {
	s := b.state()
	if !b.In(owner) {
		return fmt.Errorf("the bucket is no part of this tree: %w", kind.Denied)
	}
	if owner.write == nil {
		return fmt.Errorf("the root is read-only: %w", kind.ReadOnly)
	}
	name := Path{s.info.Name}
	if _, err := owner.resolve(ctx, name, wantEntry); err != nil {
		return err
	}
	if err := owner.Rmdir(ctx, name); err != nil {
		return err
	}
	b.fs.buckets.drop(s)
	return nil
}
