package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// An upload in parts is a directory of its own in the bucket's directory of uploads,
// which no path leads to: one entry for each part, a file like any other. So parts
// are committed, listed, charged and kept from collection as files are. Completion
// makes one file of them without moving any data, and takes the upload away, in one
// commit; what it answered is remembered for a day.

// UploadOptions are what an upload keeps for its frontend, which gives them their
// meaning.
type UploadOptions struct {
	Initiator         string
	ChecksumAlgorithm string
	ChecksumType      string
}

// UploadInfo describes an unfinished upload.
type UploadInfo struct {
	Key       string
	ID        string // opaque text of letters, digits, "-" and "_"
	Initiated time.Time
	Meta      ObjectMeta // of the object to be
	UploadOptions
}

// CreateUpload begins an upload: m is what the object is to have, unless
// CompleteUpload says otherwise. NoSpace if the owner's quota of files is used up:
// an unfinished upload counts as one file, and its parts with their bytes.
func (b *Bucket) CreateUpload(ctx context.Context, key string, m ObjectMeta, o UploadOptions) (string, error) {
	id, err := b.createUpload(ctx, key, m, o)
	return id, wrap("create upload", err)
}

func (b *Bucket) createUpload(ctx context.Context, key string, m ObjectMeta, o UploadOptions) (string, error) {
	if _, err := parseKey(key); err != nil {
		return "", err
	}
	now := b.fs.now()
	info := UploadInfo{Key: key, ID: newUploadID(now), Meta: m, UploadOptions: o}
	attrs, err := info.encode()
	if err != nil {
		return "", err
	}
	t := b.uploadsTree()
	owner, err := t.ownerHere(ctx)
	if err == nil {
		err = t.room(ctx, 1, 0)
	}
	if err != nil {
		return "", err
	}
	slot := randomSlot(caps.SlotDirectory)
	e := &dirtree.Entry{
		Name: uploadName(key, info.ID), Kind: dirtree.Directory, FileID: newFileID(), Mode: defaultDirMode,
		Mtime: now.UnixNano(), Dir: slot.Read(), DirWrite: &slot,
	}
	in, c := t.incoming(ctx, owner), new(contents)
	defer in.Abort()
	if err := in.d.attributes(ctx, c, e, attrs); err != nil {
		return "", err
	}
	return info.ID, t.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, *t.write)
		if err != nil {
			return err
		}
		if err := b.bring(c); err != nil {
			return err
		}
		b.create(slot, w.id(), t.ownerUnder(w))
		return w.put(ctx, e)
	}})
}

// Upload describes an unfinished upload. NotExist if there is none of that key and
// id: it was completed or aborted, or has expired.
func (b *Bucket) Upload(ctx context.Context, key, id string) (UploadInfo, error) {
	u, err := b.upload(ctx, key, id)
	if err == nil {
		u.info.Meta, err = b.fs.uploadMeta(ctx, u.entry)
	}
	if err != nil {
		return UploadInfo{}, wrap("find upload", err)
	}
	return u.info, nil
}

// AbortUpload takes an unfinished upload away, with all its parts: one that is being
// written fails at its Commit. NotExist as for Upload. What it was begun with needn't
// be readable for that.
func (b *Bucket) AbortUpload(ctx context.Context, key, id string) error {
	return wrap("abort upload", b.abortUpload(ctx, key, id))
}

func (b *Bucket) abortUpload(ctx context.Context, key, id string) error {
	done := b.fs.open.reading()
	defer done()
	u, err := b.upload(ctx, key, id)
	if u == nil {
		return err
	}
	return u.abort(ctx)
}

func (u *upload) abort(ctx context.Context) error {
	dead, err := u.bucket.fs.nodesOf(ctx, u.v)
	if err != nil {
		return err
	}
	return u.tree.do(ctx, &op{apply: func(ctx context.Context, b *batch) error {
		return u.end(ctx, b, dead, nil)
	}})
}

// end takes the upload away, in the commit of b, and puts what is to be remembered of
// it in its place, if anything. dead are the nodes of its directory as of u.
func (u *upload) end(ctx context.Context, b *batch, dead [][32]byte, memory *dirtree.Entry) error {
	parts, err := b.dir(ctx, u.write)
	if err != nil {
		return err
	}
	all, err := b.dir(ctx, *u.tree.write)
	if err != nil {
		return err
	}
	if parts.base.rec.Hash != u.v.rec.Hash {
		if dead, err = b.fs.nodesOf(ctx, parts.base); err != nil {
			return err
		}
	}
	files := b.op.files
	if err := all.take(ctx, u.entry); err != nil {
		return err
	}
	if memory != nil {
		if err := all.put(ctx, memory); err != nil {
			return err
		}
	}
	b.op.files = files - 1
	b.op.bytes -= int64(parts.next.Bytes) + parts.edit.Bytes()
	parts.endWithAll(dead)
	return nil
}

// endWithAll makes a tombstone of a directory that isn't empty: everything in it
// goes. nodes are those of its base, which may be dropped.
func (w *work) endWithAll(nodes [][32]byte) {
	w.batch.changes()
	w.changed = true
	for _, id := range nodes {
		w.group.dead = append(w.group.dead, id)
	}
	w.next = dirtree.SlotState{Tombstone: true, Mtime: w.next.Mtime, Home: w.next.Home}
	w.edit = nil // nothing of it is sealed: its nodes are those of the base
}

// nodesOf lists the nodes of a version of a directory.
func (fs *FS) nodesOf(ctx context.Context, v *version) ([][32]byte, error) {
	var ids [][32]byte
	err := dirtree.WalkVerify(ctx, v.read.Verify(), v.state.Root, fs.source, dirtree.Visitor{
		Node: func(id [32]byte, _ uint8, _ int) error {
			ids = append(ids, id)
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("list a directory's nodes: %w", err)
	}
	return ids, nil
}

// uploadsTree is mounted at the bucket's directory of uploads.
func (b *Bucket) uploadsTree() *Tree {
	s := b.state()
	t := b.Tree()
	t.read, t.write = s.uploads.Read(), &s.uploads
	b.fs.roots.use(t.read.Verify(), sourceUploads)
	return t
}

// upload is an unfinished upload that was found.
type upload struct {
	bucket *Bucket
	tree   *Tree          // of all uploads
	entry  *dirtree.Entry // in it
	info   UploadInfo     // but for its Meta
	write  caps.SlotWrite // of the directory of its parts
	v      *version       // of that
}

// upload finds an unfinished upload. One that is damaged, but surely of that key, it
// gives beside the error.
func (b *Bucket) upload(ctx context.Context, key, id string) (*upload, error) {
	if !isUploadID(id) {
		return nil, fmt.Errorf("an upload's id: %w", kind.NotExist)
	}
	t := b.uploadsTree()
	all, err := b.fs.latest(ctx, t.read)
	if err != nil {
		return nil, err
	}
	e, err := get(ctx, all.writable(*t.write), uploadName(key, id)+"/")
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fmt.Errorf("an upload: %w", kind.NotExist)
	}
	u, err := b.uploadAt(ctx, t, e)
	if err != nil {
		return nil, err
	}
	if u.info, err = b.fs.uploadInfo(ctx, e); err != nil && u.info.Key != key {
		return nil, err
	}
	if u.info.Key != key {
		return nil, fmt.Errorf("an upload: %w", kind.NotExist) // of a key that is too long for a name
	}
	return u, err
}

// uploadAt is the upload of an entry, but for what that tells of it.
func (b *Bucket) uploadAt(ctx context.Context, t *Tree, e *dirtree.Entry) (*upload, error) {
	if e.Kind != dirtree.Directory || e.DirWrite == nil {
		return nil, errUploadEntry()
	}
	v, err := b.fs.latest(ctx, e.Dir)
	if err != nil {
		return nil, err
	}
	return &upload{bucket: b, tree: t, entry: e, write: *e.DirWrite, v: v}, nil
}

// latest is the current version of a directory. NotExist if it was removed.
func (fs *FS) latest(ctx context.Context, r caps.SlotRead) (*version, error) {
	read := fs.slots.load
	if fs.slots.authoritative {
		read = func(ctx context.Context, r caps.SlotRead) (*version, error) {
			v, _, err := fs.slots.get(ctx, r)
			return v, err
		}
	}
	v, err := read(ctx, r)
	if err == nil && v.state.Tombstone {
		err = fmt.Errorf("the directory was removed: %w", kind.NotExist)
	}
	return v, err
}
