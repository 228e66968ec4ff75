package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// CopyObject makes an object of what a reader reads, with metadata of its own. No
// byte is copied: both share their blocks. An object may be copied over itself.
// Errors are those of ObjectWriter.Commit.
func (b *Bucket) CopyObject(ctx context.Context, key string, from *ObjectReader, m ObjectMeta, o CommitOptions) (Object, error) {
	obj, err := b.copyObject(ctx, key, from, m, o)
	return obj, wrap("copy object", err)
}

func (b *Bucket) copyObject(ctx context.Context, key string, from *ObjectReader, m ObjectMeta, o CommitOptions) (Object, error) {
	if err := from.f.use(); err != nil {
		return Object{}, err
	}
	if from.t.fs != b.fs {
		return Object{}, fmt.Errorf("from another filestore: %w", kind.Invalid)
	}
	attrs, err := m.encode(nil)
	if err != nil {
		return Object{}, err
	}
	t := b.Tree()
	p, err := t.newPut(ctx, key, o)
	if err != nil {
		return Object{}, err
	}
	owner, err := t.ownerHere(ctx)
	if err != nil {
		return Object{}, err
	}
	in := t.incoming(ctx, owner)
	defer in.Abort()
	err = errNotThere
	if from.t.rootID() == t.rootID() {
		p.before = from.still
		err = in.share(ctx, p, from, attrs, false)
	}
	if errors.Is(err, errNotThere) {
		p.before = nil
		err = in.share(ctx, p, from, attrs, true)
	}
	return p.object(ctx, key, err)
}

// errNotThere is the answer of a copy whose source isn't what its entry holds any
// more, or isn't this owner's alone.
var errNotThere = fmt.Errorf("the object is another now: %w", kind.Conflict)

// share commits a copy of what from reads, with links to all its blocks if linkAll.
func (in *incoming) share(ctx context.Context, p *objectPut, from *ObjectReader, attrs []dirtree.Attr, linkAll bool) error {
	e := from.entry
	c := &contents{kind: e.Kind, ref: e.File, data: e.Data, size: int64(e.Size)}
	p.contents = c
	if linkAll {
		if in.d.lease == nil {
			in.d.lease = in.t.fs.writer.acquire()
		}
		if err := c.linkAll(ctx, in.t.fs, in.d.lease); err != nil {
			return err
		}
	}
	if err := in.d.attributes(ctx, c, &p.entry, attrs); err != nil {
		return err
	}
	slices.SortFunc(c.links, func(a, b metastore.ID) int { return bytes.Compare(a[:], b[:]) })
	return in.t.do(ctx, p.op())
}

// still demands that an entry holds what the reader reads, which keeps the blocks
// reachable in the very record that the request replaces (formats 11).
func (r *ObjectReader) still(ctx context.Context, b *batch) error {
	way, err := r.t.descend(ctx, b, r.key.dirs)
	switch {
	case errors.Is(err, kind.NotExist), errors.Is(err, kind.ReadOnly):
		return errNotThere
	case err != nil:
		return err
	case len(way) != len(r.key.dirs)+1:
		return errNotThere
	}
	w := way[len(way)-1].w
	e, err := get(ctx, w, r.key.name)
	switch {
	case err != nil:
		return err
	case e == nil || identityOf(e) != identityOf(r.entry) || w.owner != r.t.rootID():
		return errNotThere
	}
	w.touch()
	return nil
}
