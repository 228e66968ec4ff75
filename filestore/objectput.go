package filestore

import (
	"context"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// ObjectWriter takes the contents of a new object. Memory is bounded, however much
// comes. It ends with Commit or Abort, and is for one goroutine.
type ObjectWriter struct{ *incoming }

// NewObject begins an object. Nothing of it can be seen before Commit, which
// says what it is; ctx holds until then.
func (b *Bucket) NewObject(ctx context.Context) (*ObjectWriter, error) {
	t := b.Tree()
	t.used.touch()
	owner, err := t.ownerHere(ctx)
	if err == nil {
		err = t.room(ctx, 1, 0)
	}
	if err != nil {
		return nil, wrap("new object", err)
	}
	in := t.incoming(ctx, owner)
	in.d.replaces = true
	return &ObjectWriter{in}, nil
}

// ownerHere is the owner of what is made in the tree's own directory.
func (t *Tree) ownerHere(ctx context.Context) (slotID, error) {
	v, _, err := t.fs.slots.get(ctx, t.read)
	if err != nil {
		return slotID{}, err
	}
	return t.ownerOf(v.rec.Owner), nil
}

// Commit makes what was written the object called key, in place of one that is
// there, and returns when that is durable. Handles of SFTP on what it replaces go
// on with that, without a name. A file of the name that SFTP is creating stays
// what it is: whoever commits last has the name.
//
// Precondition if a condition doesn't hold, NameInvalid for a key that can't be
// stored, TooLarge for more metadata than an entry holds, ReadOnly where a
// directory on the way refuses changes, Denied where a lock does, NoSpace.
func (w *ObjectWriter) Commit(ctx context.Context, key string, m ObjectMeta, o CommitOptions) (Object, error) {
	obj, err := w.incoming.object(ctx, key, m, nil, o)
	return obj, wrap("put object", err)
}

// object commits the contents as an object.
func (in *incoming) object(ctx context.Context, key string, m ObjectMeta, parts []Part, o CommitOptions) (Object, error) {
	attrs, err := m.encode(parts)
	var p *objectPut
	if err == nil {
		p, err = in.t.newPut(ctx, key, o)
	}
	if err != nil {
		in.Abort()
		return Object{}, err
	}
	err = in.commit(ctx, func(ctx context.Context, c *contents) (*op, error) {
		p.contents = c
		return p.op(), in.d.attributes(ctx, c, &p.entry, attrs)
	})
	return p.object(ctx, key, err)
}

// putObject commits an object whose contents are at hand; e has its attributes.
// beside, if set, is called in every attempt after the object was put, with what
// was put; its error ends the attempt.
func (t *Tree) putObject(ctx context.Context, key string, c *contents, e dirtree.Entry, o CommitOptions, beside func(context.Context, *batch, *dirtree.Entry) error) (Object, error) {
	p, err := t.newPut(ctx, key, o)
	if err != nil {
		return Object{}, err
	}
	p.contents, p.beside = c, beside
	p.entry.Attrs, p.entry.More = e.Attrs, e.More
	return p.object(ctx, key, t.do(ctx, p.op()))
}

// lookAhead brings what this gateway knows of a key's directories up to date.
func (t *Tree) lookAhead(ctx context.Context, k objectKey) error {
	if t.fs.slots.authoritative {
		return nil
	}
	_, err := t.find(ctx, k)
	return err
}

// objectPut is the commit of an object.
type objectPut struct {
	t        *Tree
	key      objectKey
	o        CommitOptions
	contents *contents
	entry    dirtree.Entry                             // but for its contents
	before   func(ctx context.Context, b *batch) error // nil: nothing
	beside   func(ctx context.Context, b *batch, put *dirtree.Entry) error

	// Of the last attempt.
	made *dirtree.Entry
	gone *fileKey
}

// newPut begins the commit of an object with a key.
func (t *Tree) newPut(ctx context.Context, key string, o CommitOptions) (*objectPut, error) {
	k, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	if err := t.lookAhead(ctx, k); err != nil {
		return nil, err
	}
	return &objectPut{t: t, key: k, o: o, entry: dirtree.Entry{Name: k.name, FileID: newFileID(), Mode: defaultFileMode}}, nil
}

func (p *objectPut) op() *op { return &op{apply: p.apply, won: p.won, object: true} }

func (p *objectPut) won() {
	if p.gone != nil {
		p.t.fs.open.removed(*p.gone)
	}
}

func (p *objectPut) apply(ctx context.Context, b *batch) error {
	p.made, p.gone = nil, nil
	way, err := p.t.descend(ctx, b, p.key.dirs)
	if err != nil {
		return err
	}
	there := way[len(way)-1]
	var old *dirtree.Entry
	if len(way) == len(p.key.dirs)+1 {
		if old, err = get(ctx, there.w, p.key.name); err != nil {
			return err
		}
	}
	if err := b.judge(ctx, &p.o.If, old); err != nil {
		return err
	}
	if err := there.mayChange(); err != nil {
		return err
	}
	if p.before != nil {
		if err := p.before(ctx, b); err != nil {
			return err
		}
	}
	if way, err = p.t.imply(ctx, b, way, p.key.dirs); err != nil {
		return err
	}
	w := way[len(way)-1].w
	if err := b.bring(p.contents); err != nil {
		return err
	}
	e := p.entry
	p.contents.put(&e)
	if e.Mtime = p.o.Mtime.UnixNano(); p.o.Mtime.IsZero() {
		e.Mtime = p.t.fs.now().UnixNano()
	}
	if _, err := w.supersede(ctx, &e); err != nil {
		return err
	}
	if old != nil {
		p.gone = b.takeAway(w, old)
	}
	w.namesChanged()
	if err := b.settle(ctx, way); err != nil {
		return err
	}
	if p.made, err = get(ctx, w, p.key.name); err != nil || p.beside == nil {
		return err
	}
	return p.beside(ctx, b, p.made)
}

// object describes what was committed, if it was.
func (p *objectPut) object(ctx context.Context, key string, err error) (Object, error) {
	if err != nil {
		return Object{}, err
	}
	if p.made == nil {
		// Its outcome was unknown for a while: what is there now tells.
		pl, err := p.t.find(ctx, p.key)
		if err != nil || pl.entry == nil {
			return Object{Key: key, Latest: true}, nil // it is committed
		}
		p.made = pl.entry
	}
	return p.t.fs.object(ctx, key, p.made, p.made, ofMeta[:]...)
}

// judge holds conditions against the entry that has a key's name; nil: nothing has.
func (b *batch) judge(ctx context.Context, c *Conditions, e *dirtree.Entry) error {
	if !c.demand() {
		return nil
	}
	if !isObject(e) {
		return c.hold(nil)
	}
	if err := c.holdVersion(e); err != nil {
		return err
	}
	in := e
	if e.Kind == dirtree.MutableFile {
		v, err := b.fs.slots.load(ctx, e.Dir)
		if err != nil {
			return err
		}
		if in, err = v.contents(ctx); err != nil {
			return err
		}
		b.own().checks = append(b.own().checks, unchanged(v))
	}
	o, err := b.fs.object(ctx, "", e, in, dirtree.AttrDigest)
	if err != nil {
		return err
	}
	return c.hold(&o)
}
