package filestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/filetree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// SetMeta changes what is kept beside an object's contents, and nothing else: no
// version is made of it. change may be called again if somebody else was faster;
// its error ends it and is returned as it is. NotExist if there is no object.
func (b *Bucket) SetMeta(ctx context.Context, key string, v VersionID, change func(*ObjectMeta) error) (Object, error) {
	var err error
	for range maxRebases {
		var o Object
		if o, err = b.setMeta(ctx, key, v, change); !errors.Is(err, errMetaChanged) {
			return o, wrap("set metadata", err)
		}
	}
	return Object{}, wrap("set metadata", err)
}

// errMetaChanged is the answer of an attempt at SetMeta that found another entry.
var errMetaChanged = fmt.Errorf("the object has changed meanwhile: %w", kind.Conflict)

func (b *Bucket) setMeta(ctx context.Context, key string, v VersionID, change func(*ObjectMeta) error) (Object, error) {
	k, err := parseKey(key)
	if err != nil {
		return Object{}, err
	}
	t := b.Tree()
	pl, err := t.findVersion(ctx, k, v)
	if err != nil {
		return Object{}, err
	}
	o, err := t.describe(ctx, key, pl, ofMeta[:]...)
	if err != nil {
		return o, err
	}
	lock := o.Meta.Lock
	if err := change(&o.Meta); err != nil {
		return o, err
	}
	if lock != o.Meta.Lock && !t.fs.locks(slotID(t.read.ID())) {
		return o, fmt.Errorf("a lock in a bucket without object lock: %w", kind.Invalid)
	}
	if err := lock.changes(o.Meta.Lock, t.fs.now(), false); err != nil {
		return o, err
	}
	old := pl.entry
	attrs, err := t.fs.attributesOf(ctx, old, &o.Meta)
	if err != nil {
		return o, err
	}
	next := *old
	in := t.incoming(ctx, t.ownerOf(pl.dir.v.rec.Owner))
	defer in.Abort()
	c := new(contents)
	if err := in.d.attributes(ctx, c, &next, attrs); err != nil {
		return o, err
	}
	err = t.do(ctx, &op{object: true, apply: func(ctx context.Context, b *batch) error {
		way, err := t.descend(ctx, b, k.dirs)
		switch {
		case err != nil:
			return err
		case len(way) != len(k.dirs)+1:
			return errMetaChanged
		}
		there := way[len(way)-1]
		e, err := there.w.at(ctx, k.name, v)
		switch {
		case err != nil:
			return err
		case e == nil || !sameEntry(e, old):
			return errMetaChanged
		}
		if err := there.mayChange(); err != nil {
			return err
		}
		if err := b.bring(c); err != nil {
			return err
		}
		return there.w.change(ctx, &next)
	}})
	if err == nil {
		o.ETag = t.fs.etag(&o.Meta, &next)
	}
	return o, err
}

// attributesOf are the attributes of e with others in place of those that
// ObjectMeta becomes; what lies outside is read.
func (fs *FS) attributesOf(ctx context.Context, e *dirtree.Entry, m *ObjectMeta) ([]dirtree.Attr, error) {
	attrs, err := m.encode(nil)
	if err != nil {
		return nil, err
	}
	for _, a := range e.Attrs {
		t := a.Type &^ dirtree.AttrOutside
		if slices.Contains(ofMeta[:], t) {
			continue
		}
		v, err := fs.attrValue(ctx, e, t)
		if err != nil {
			return nil, err
		}
		attrs = dirtree.WithAttr(attrs, dirtree.Attr{Type: t, Value: v})
	}
	return attrs, nil
}

// sameEntry reports whether two entries say the same, but for what stat shows. Of an
// attribute that lies outside Attrs tells the length only: the block tells the rest.
func sameEntry(a, b *dirtree.Entry) bool {
	return a.FileID == b.FileID && identityOf(a) == identityOf(b) && a.Mode == b.Mode && a.Mtime == b.Mtime &&
		slices.EqualFunc(a.More, b.More, func(x, y filetree.Ref) bool { return x.ID == y.ID }) &&
		slices.EqualFunc(a.Attrs, b.Attrs, func(x, y dirtree.Attr) bool {
			return x.Type == y.Type && string(x.Value) == string(y.Value)
		})
}
