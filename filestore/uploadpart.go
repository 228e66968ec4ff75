package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// PartMeta is what is kept beside a part's contents. The filestore gives no meaning
// to it, but for the MD5, of which ETags are made.
type PartMeta struct {
	MD5       [16]byte // of the contents, if HasMD5
	HasMD5    bool
	Checksums []Checksum
	Salt      [32]byte // of the client's key, where the object is to have a ClientSeal
}

// PartInfo describes a part of an unfinished upload. Its ETag, unquoted, is the MD5
// in hexadecimal, or without one opaque text as that of an Object.
type PartInfo struct {
	Number int
	Size   int64 // bytes
	Mtime  time.Time
	ETag   string
	PartMeta
}

// PartWriter takes the contents of one part. Memory is bounded, however much comes.
// It ends with Commit or Abort, and is for one goroutine.
type PartWriter struct {
	*incoming
	u    *upload
	name string
}

// NewPart begins to write a part; Commit puts it in the place of one of the same
// number that is there. NotExist as for Upload, Invalid for a number that no part
// has. ctx holds until Commit.
func (b *Bucket) NewPart(ctx context.Context, key, id string, number int) (*PartWriter, error) {
	w, err := b.newPart(ctx, key, id, number)
	if err != nil {
		return nil, wrap("new part", err)
	}
	return w, nil
}

func (b *Bucket) newPart(ctx context.Context, key, id string, number int) (*PartWriter, error) {
	name, err := partName(number)
	if err != nil {
		return nil, err
	}
	u, err := b.upload(ctx, key, id)
	if err != nil {
		return nil, err
	}
	return &PartWriter{incoming: u.tree.incoming(ctx, u.owner()), u: u, name: name}, nil
}

// owner is that of what is made for the upload.
func (u *upload) owner() slotID { return u.tree.ownerOf(u.v.rec.Owner) }

// Commit makes what was written a part of the upload, and returns when that is
// durable. NotExist if the upload was completed or aborted meanwhile, NoSpace.
func (w *PartWriter) Commit(ctx context.Context, m PartMeta) (PartInfo, error) {
	e, err := w.u.partEntry(w.name, m)
	if err != nil {
		w.Abort()
		return PartInfo{}, wrap("put part", err)
	}
	err = w.commit(ctx, func(_ context.Context, c *contents) (*op, error) {
		c.put(e)
		return w.u.putPart(e, c), nil
	})
	if err != nil {
		return PartInfo{}, wrap("put part", err)
	}
	info, err := w.t.fs.partInfo(ctx, e)
	return info, wrap("put part", err)
}

// partEntry is the entry of a part, but for its contents.
func (u *upload) partEntry(name string, m PartMeta) (*dirtree.Entry, error) {
	attrs, err := m.encode()
	if err != nil {
		return nil, err
	}
	now := u.tree.fs.now().UnixNano()
	return &dirtree.Entry{Name: name, FileID: newFileID(), Mode: defaultFileMode, Mtime: now, Attrs: attrs}, nil
}

// putPart enters a part, in place of one of its number.
func (u *upload) putPart(e *dirtree.Entry, c *contents) *op {
	return &op{apply: func(ctx context.Context, b *batch) error {
		w, err := b.dir(ctx, u.write)
		if err != nil {
			return err
		}
		if err := b.bring(c); err != nil {
			return err
		}
		files := b.op.files
		w.namesChanged()
		if err := w.put(ctx, e); err != nil {
			return err
		}
		b.op.files = files // the upload is what counts as a file
		return nil
	}}
}

// encode gives the attributes of a part: those that objects have of the same.
func (m *PartMeta) encode() ([]dirtree.Attr, error) {
	o := ObjectMeta{MD5: m.MD5, HasMD5: m.HasMD5, Checksums: m.Checksums}
	if m.Salt != [32]byte{} {
		o.Client = &ClientSeal{Salt: m.Salt}
	}
	return o.encode(nil)
}

// partInfo describes the part whose entry e is.
func (fs *FS) partInfo(ctx context.Context, e *dirtree.Entry) (PartInfo, error) {
	n, err := partNumber(e.Name)
	if err != nil {
		return PartInfo{}, err
	}
	m, err := fs.metaOf(ctx, e, dirtree.AttrDigest, dirtree.AttrChecksums, dirtree.AttrClientSeal)
	if err != nil {
		return PartInfo{}, fmt.Errorf("part %d: %w", n, err)
	}
	info := PartInfo{Number: n, Size: int64(e.Size), Mtime: time.Unix(0, e.Mtime).UTC(), ETag: fs.etag(&m, e)}
	info.PartMeta = PartMeta{MD5: m.MD5, HasMD5: m.HasMD5, Checksums: m.Checksums}
	if m.Client != nil {
		info.Salt = m.Client.Salt
	}
	return info, nil
}
