package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// find walks to where a key's entry stands. Where a directory of the key is
// missing, the place is in the deepest that is there, and has no entry.
func (t *Tree) find(ctx context.Context, k objectKey) (place, error) {
	t.used.touch()
	return t.walking(ctx, wantTarget, func(ctx context.Context, w *walk) (place, error) { return w.object(ctx, k) })
}

// object is the walk to a key's entry. Nothing is followed on the way: only
// directories lead to objects.
func (w *walk) object(ctx context.Context, k objectKey) (place, error) {
	cur, err := w.root(ctx)
	if err != nil {
		return place{}, err
	}
	for _, name := range k.dirs {
		e, err := get(ctx, cur.view(), name+"/")
		if err != nil {
			return place{}, err
		}
		if e == nil {
			if e, err = cur.hiddenChild(ctx, name); err != nil {
				return place{}, err
			}
		}
		if e == nil {
			return place{dir: cur, name: name}, nil
		}
		if cur, err = w.openChild(ctx, cur, e); err != nil {
			return place{}, err
		}
	}
	pl := place{dir: cur, name: k.name, whole: true}
	if pl.entry, err = get(ctx, cur.view(), k.name); err != nil || pl.entry == nil {
		return pl, err
	}
	return w.leaf(ctx, pl)
}

// findVersion finds the entry of an object's version, the current one by the zero
// id. NotExist if there is none, a *DeleteMarkerError if it is a marker.
func (t *Tree) findVersion(ctx context.Context, k objectKey, v VersionID) (place, error) {
	pl, err := t.find(ctx, k)
	switch {
	case err != nil:
		return pl, err
	case isObject(pl.entry) && (v.IsLatest() || versionOf(pl.entry).same(v)):
		return pl, nil
	case pl.dir.v == nil || !pl.whole:
		return pl, kind.NotExist
	}
	pl.slot = nil
	pl.entry, err = t.fs.versionOf(ctx, pl.dir.v, k.name, v)
	return pl, err
}

// describe tells what stands at a place, with the metadata asked for.
func (t *Tree) describe(ctx context.Context, key string, pl place, types ...dirtree.AttrType) (Object, error) {
	in := pl.entry
	if pl.slot != nil {
		var err error
		if in, err = pl.slot.contents(ctx); err != nil {
			return Object{}, err
		}
	}
	return t.fs.object(ctx, key, pl.entry, in, types...)
}

// Stat describes an object, or a version of it. NotExist if there is none. Where
// it is a delete marker the error is a *DeleteMarkerError, of the same kind, and
// the Object describes the marker.
func (b *Bucket) Stat(ctx context.Context, key string, v VersionID) (Object, error) {
	o, err := b.stat(ctx, key, v)
	return o, wrap("stat object", err)
}

func (b *Bucket) stat(ctx context.Context, key string, v VersionID) (Object, error) {
	k, err := parseKey(key)
	if err != nil {
		return Object{}, err
	}
	t := b.Tree()
	pl, err := t.findVersion(ctx, k, v)
	if err != nil {
		return deleted(key, v, err), err
	}
	return t.describe(ctx, key, pl, ofMeta[:]...)
}

// deleted describes the delete marker that an error is about; else nothing.
func deleted(key string, v VersionID, err error) Object {
	m, is := isDeleted(err)
	if !is {
		return Object{}
	}
	return Object{Key: key, Version: m.Version, Mtime: m.Mtime, DeleteMarker: true, Latest: v.IsLatest()}
}

// ObjectReader reads one version of an object, whatever is written meanwhile. It
// is safe for concurrent use. What it reads is kept until Close.
type ObjectReader struct {
	f     *File
	obj   Object
	entry *dirtree.Entry // of the contents
	t     *Tree
	key   objectKey
}

// Open opens an object, or a version of it, for reading: what is committed, not
// what SFTP is writing to it. NotExist as Stat. Contents under a ClientSeal are
// read as they are stored, encrypted.
func (b *Bucket) Open(ctx context.Context, key string, v VersionID) (*ObjectReader, error) {
	r, err := b.open(ctx, key, v)
	return r, wrap("open object", err)
}

func (b *Bucket) open(ctx context.Context, key string, v VersionID) (*ObjectReader, error) {
	k, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	t := b.Tree()
	rd := t.fs.open.begin()
	defer t.fs.open.end(rd)
	pl, err := t.findVersion(ctx, k, v)
	if err != nil {
		return nil, err
	}
	in := pl.entry
	if pl.slot != nil {
		if in, err = pl.slot.contents(ctx); err != nil {
			return nil, err
		}
	}
	o, err := t.fs.object(ctx, key, pl.entry, in, ofMeta[:]...)
	if err != nil {
		return nil, err
	}
	f := t.fs.enterImmutable(&place{name: k.name, entry: in}, OpenOptions{Read: true}, rd.seq)
	return &ObjectReader{f: f, obj: o, entry: in, t: t, key: k}, nil
}

// Object describes what is read.
func (r *ObjectReader) Object() Object { return r.obj }

// ReadAt reads len(p) bytes from off, fewer only at the end, where it returns
// io.EOF. Every byte has been verified.
func (r *ObjectReader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return r.f.ReadAt(ctx, p, off)
}

// Close gives back what the reader keeps. It is idempotent.
func (r *ObjectReader) Close() { r.f.Discard() }
