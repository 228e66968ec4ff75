package filestore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Versioning says what becomes of the objects that a bucket's changes replace or
// remove.
type Versioning uint8

// The states of versioning. A bucket that has left the first never comes back to it.
const (
	VersioningNever     Versioning = iota // they are gone
	VersioningEnabled                     // they stay as versions
	VersioningSuspended                   // they stay, but for the null version, which is replaced
)

// LockMode says who may end the retention of a locked version before its time.
type LockMode uint8

// The modes (formats 4, attribute 6).
const (
	LockNone       LockMode = iota
	LockGovernance          // who has the right to bypass it
	LockCompliance          // nobody
)

// LockRule is the retention that a bucket gives to new versions: none if Mode is
// LockNone, else for so many days or years, of which one is zero.
type LockRule struct {
	Mode        LockMode
	Days, Years int
}

// BucketInfo is what is registered of a bucket. Name, Owner, Root and Created
// never change.
type BucketInfo struct {
	Name       string
	Owner      string   // the account's name
	Root       [32]byte // the slot of the root in which it was made: whose tree it is a part of
	Created    time.Time
	Versioning Versioning
	Lock       bool // object lock is enabled, for good

	// DefaultLock is the retention of new versions that come without one.
	DefaultLock LockRule

	// Documents are the frontends' own, by name ("policy", "cors", "lifecycle",
	// …), opaque here and at most MaxDocument bytes each. A document is replaced, its
	// bytes are never changed.
	Documents map[string][]byte
}

// Every gateway has all buckets in memory, so that they are bounded: MaxDocument is
// the longest document of a bucket, MaxDocuments what all of a bucket's documents may
// have together, MaxOwnerDocuments those of all of an account's buckets, in bytes;
// MaxBuckets is how many an account may have.
const (
	MaxDocument       = 256 << 10
	MaxDocuments      = 512 << 10
	MaxOwnerDocuments = 16 << 20
	MaxBuckets        = 1000
)

// clone gives a copy whose documents are the same bytes: nobody changes these.
func (i BucketInfo) clone() BucketInfo {
	i.Documents = maps.Clone(i.Documents)
	for name, d := range i.Documents {
		i.Documents[name] = slices.Clip(d) // who appends to it gets memory of his own
	}
	return i
}

func (i *BucketInfo) check() error {
	if i.Name == "" || i.Name == "." || i.Name == ".." || strings.HasSuffix(i.Name, hiddenMark) {
		return fmt.Errorf("a bucket's name: %w", kind.NameInvalid)
	}
	if err := checkName(i.Name); err != nil {
		return err
	}
	for name, d := range i.Documents {
		if len(d) > MaxDocument {
			return fmt.Errorf("a bucket's document %q of %d bytes: %w", name, len(d), kind.TooLarge)
		}
	}
	if sum := i.size(); sum > MaxDocuments {
		return fmt.Errorf("a bucket's documents of %d bytes together: %w", sum, kind.TooLarge)
	}
	return nil
}

// size is that of the documents.
func (i *BucketInfo) size() (sum int) {
	for _, d := range i.Documents {
		sum += len(d)
	}
	return sum
}

// Bucket is a registered bucket: a directory at the top of its owner's root, by
// a name that is unique on all gateways of the metastore. It is the state that
// Bucket found; Update renews it. It is safe for concurrent
// use, and needs no Close.
type Bucket struct {
	fs *FS
	s  atomic.Pointer[bucketState]
	o  MountOptions
}

func (fs *FS) bucket(s *bucketState, o MountOptions) *Bucket {
	b := &Bucket{fs: fs, o: o}
	b.s.Store(s)
	return b
}

// Info gives what is registered, as of when the Bucket was looked up.
func (b *Bucket) Info() BucketInfo { return b.state().info.clone() }

func (b *Bucket) state() *bucketState { return b.s.Load() }

// Name is Info's.
func (b *Bucket) Name() string { return b.state().info.Name }

// In reports whether the bucket is a part of what t was mounted at: the bucket
// was made through the same root.
func (b *Bucket) In(t *Tree) bool {
	if t.part != nil {
		return t.part.of == slotID(b.state().info.Root)
	}
	return t.root == nil && t.read.Verify().Equal(b.state().root)
}

// WithOptions gives the bucket with the policies of its owner's account: quota,
// padding, deduplication.
func (b *Bucket) WithOptions(o MountOptions) *Bucket {
	return b.fs.bucket(b.state(), o)
}

// Tree is mounted at the bucket's directory. What is written through it belongs
// to the owner's root and is charged to that.
func (b *Bucket) Tree() *Tree {
	s := b.state()
	return &Tree{
		fs: b.fs, read: s.dir.Read(), write: &s.dir, o: b.o,
		used: b.fs.roots.use(s.root, b.source()),
		part: &part{of: slotID(s.root.ID()), secret: s.convergence},
	}
}

func (b *Bucket) source() string {
	if b.o.Source != "" {
		return b.o.Source
	}
	return "account"
}

// CreateBucket registers a bucket: a directory of that name at the top of owner,
// which is made if it isn't there. Of info Owner, Name and the settings count.
//
// Exist if the name is taken, by whomever; TooLarge if the account has too many; NotDir if something else than a
// directory has it in owner, Unsupported if a directory has it that is no bucket's
// to be (linked from elsewhere, or by a weaker capability, or that is a bucket by
// another name); ReadOnly if owner is.
func (fs *FS) CreateBucket(ctx context.Context, owner *Tree, info BucketInfo) (*Bucket, error) {
	b, err := fs.createBucket(ctx, owner, info.clone())
	return b, wrap("create bucket", err)
}

// Bucket finds a bucket by its name. NotExist if there is none.
func (fs *FS) Bucket(ctx context.Context, name string) (*Bucket, error) {
	s, err := fs.buckets.get(ctx, name)
	if err == nil && s == nil {
		err = kind.NotExist
	}
	if err != nil {
		return nil, wrap("find bucket", err)
	}
	return fs.bucket(s, MountOptions{}), nil
}

// Buckets lists up to limit buckets (0: all) of an owner ("": of all) in a root (nil: in
// any), whose names begin with prefix and come after the given one, ascending by name.
func (fs *FS) Buckets(ctx context.Context, owner string, root caps.Cap, prefix, after string, limit int) ([]BucketInfo, error) {
	all, err := fs.buckets.list(ctx, func(b *bucketState) bool {
		return (owner == "" || b.info.Owner == owner) && (root == nil || b.within(root))
	}, prefix, after, limit)
	if err != nil {
		return nil, wrap("list buckets", err)
	}
	infos := make([]BucketInfo, len(all))
	for i, s := range all {
		infos[i] = s.info.clone()
	}
	return infos, nil
}

// Update changes what is registered, by compare-and-swap: change may be called
// again if somebody else was faster. Its error ends it and is returned as it is.
// Other gateways see the change within a second. NotExist if the bucket is gone.
func (b *Bucket) Update(ctx context.Context, change func(*BucketInfo) error) error {
	return wrap("update bucket", b.update(ctx, change))
}

// Delete removes the bucket and its directory, which owner, the tree that it is
// a part of, holds. NotEmpty if it holds anything, versions and unfinished
// uploads included; Denied through another tree, ReadOnly through one that is.
func (b *Bucket) Delete(ctx context.Context, owner *Tree) error {
	return wrap("delete bucket", b.delete(ctx, owner))
}
