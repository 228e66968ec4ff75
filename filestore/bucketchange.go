package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/collect"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
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
	if err := fs.unnamedBucket(ctx, info.Name); err != nil {
		return nil, err
	}
	if err := fs.buckets.room(&info, nil); err != nil {
		return nil, err
	}
	if _, err := owner.resolve(ctx, Path{info.Name}, wantEntry); err != nil {
		return nil, err // and what another gateway did is known here
	}
	info.Root, info.Created = owner.rootID(), fs.now().UTC()
	m := &bucketMaking{fs: fs, owner: owner, dir: randomSlot(caps.SlotDirectory)}
	m.made = bucketState{info: info, uploads: randomSlot(caps.SlotDirectory), root: owner.read.Verify(), convergence: owner.convergenceSecret()}
	m.op.apply = m.apply
	if err := owner.do(ctx, &m.op); err != nil {
		return nil, err
	}
	return fs.bucket(fs.buckets.made(ctx, &m.made), owner.o), nil
}

// unnamedBucket demands that no bucket has the name.
func (fs *FS) unnamedBucket(ctx context.Context, name string) error {
	s, err := fs.buckets.get(ctx, name)
	if err == nil && s != nil {
		err = kind.Exist
	}
	return err
}

// bucketMaking is one CreateBucket on its way through the committer.
type bucketMaking struct {
	fs    *FS
	owner *Tree
	dir   caps.SlotWrite // that it makes, if there is none
	made  bucketState
	op    op
}

func (m *bucketMaking) apply(ctx context.Context, b *batch) error {
	s := &m.made
	if m.op.tries > 0 {
		m.fs.buckets.expire()
		if err := m.fs.unnamedBucket(ctx, s.info.Name); err != nil {
			return err
		}
	}
	w, err := b.dir(ctx, *m.owner.write)
	if err != nil {
		return err
	}
	if s.dir, err = m.directory(ctx, b, w); err != nil {
		return err
	}
	data, err := m.fs.sealBucket(s)
	if err != nil {
		return err
	}
	b.create(s.uploads, slotID{}, m.owner.ownerUnder(w))
	b.own().roots = append(b.own().roots, m.fs.rootRow(s.uploads.Read().Verify(), sourceUploads))
	return b.seal(metastore.SealedChange{Kind: kindBucket, Key: m.fs.bucketKey(s.info.Name), Data: data})
}

// seal adds a change of a sealed row to the request.
func (b *batch) seal(c metastore.SealedChange) error {
	for _, other := range b.own().sealed {
		if other.Key == c.Key {
			return errLater
		}
	}
	b.changes()
	b.own().sealed = append(b.own().sealed, c)
	return nil
}

// sourceUploads is what the root table says of directories of uploads.
const sourceUploads = collect.SourceUploads

// directory is the one of the bucket's name, which it makes if it isn't there.
func (m *bucketMaking) directory(ctx context.Context, b *batch, w *work) (caps.SlotWrite, error) {
	name := m.made.info.Name
	e, err := lookup(ctx, w, name)
	switch {
	case err != nil:
		return caps.SlotWrite{}, err
	case e == nil && b.pending(w, name) != nil || e != nil && !e.Kind.IsDir():
		return caps.SlotWrite{}, kind.NotDir
	case e != nil:
		return b.takeBucketDir(ctx, w, e)
	}
	e = &dirtree.Entry{
		Kind: dirtree.Directory, Name: name, FileID: newFileID(), Mode: defaultDirMode,
		Mtime: b.fs.now().UnixNano(), Dir: m.dir.Read(), DirWrite: &m.dir,
	}
	b.create(m.dir, w.id(), m.owner.ownerUnder(w))
	w.namesChanged()
	return m.dir, w.put(ctx, e)
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
	child.touch() // it must not become anything else at the same time
	return *e.DirWrite, nil
}

// made brings the table up to date after a change of a bucket, and gives the
// bucket as it is now: s, if that can't be told.
func (t *bucketTable) made(ctx context.Context, s *bucketState) *bucketState {
	t.expire()
	now, err := t.get(ctx, s.info.Name)
	if err != nil || now == nil || now.dir.ID() != s.dir.ID() {
		return s
	}
	return now
}

// maxBucketTries is how often an update builds anew on what others did.
const maxBucketTries = 100

func (b *Bucket) update(ctx context.Context, change func(*BucketInfo) error) error {
	fs := b.fs
	for try := range maxBucketTries {
		old, err := b.current(ctx)
		if err != nil {
			return err
		}
		next := *old
		next.info = old.info.clone()
		if err := change(&next.info); err != nil {
			return err
		}
		if err := next.keeps(old); err != nil {
			return err
		}
		if err := fs.buckets.room(&next.info, old); err != nil {
			return err
		}
		data, err := fs.sealBucket(&next)
		if err != nil {
			return err
		}
		err = fs.o.Meta.Commit(ctx, &metastore.Request{Sealed: []metastore.SealedChange{{
			Kind: kindBucket, Key: fs.bucketKey(next.info.Name), Base: old.rev, Data: data,
		}}})[0]
		switch {
		case err == nil:
			b.s.Store(fs.buckets.made(ctx, &next))
			return nil
		case !errors.Is(err, kind.Conflict):
			fs.buckets.expire()
			return err
		case try+1 == maxBucketTries:
			return err
		}
		fs.buckets.expire()
	}
	return kind.Conflict
}

// current is the bucket as it is now. NotExist if it is gone, or is another by the
// same name.
func (b *Bucket) current(ctx context.Context) (*bucketState, error) {
	was := b.state()
	now, err := b.fs.buckets.get(ctx, was.info.Name)
	if err == nil && (now == nil || now.dir.ID() != was.dir.ID()) {
		err = kind.NotExist
	}
	return now, err
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
