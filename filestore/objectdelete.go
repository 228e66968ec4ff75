package filestore

import (
	"context"
	"strings"

	"github.com/truckee-fs/truckee/filestore/dirtree"
)

// DeleteObject removes an object, or a version of it for good. In a versioned
// bucket the removal of the latest makes a delete marker, which the result tells
// of. What isn't there needs no removal: that is no error. Directories that were
// made for the object go with the last one in them.
//
// Precondition if a condition doesn't hold, Denied where a lock holds the version,
// ReadOnly where the directory refuses changes.
func (b *Bucket) DeleteObject(ctx context.Context, key string, v VersionID, o DeleteOptions) (Deleted, error) {
	t := b.Tree()
	d, err := t.newDelete(ctx, DeleteRequest{key, v, o}, true)
	if err == nil {
		err = t.do(ctx, d.op())
	}
	if err != nil {
		return Deleted{}, wrap("delete object", err)
	}
	return d.done, nil
}

// DeleteObjects is DeleteObject of several, in few commits; the results are in
// order of the requests, and none depends on another.
func (b *Bucket) DeleteObjects(ctx context.Context, reqs []DeleteRequest) []DeleteResult {
	t := b.Tree()
	results := make([]DeleteResult, len(reqs))
	var deletes []*objectDelete
	var ops []*op
	var at []int
	looked := make(map[string]bool) // directories
	for i, r := range reqs {
		dir := r.Key[:strings.LastIndexByte(r.Key, '/')+1]
		d, err := t.newDelete(ctx, r, !looked[dir])
		looked[dir] = true
		if err != nil {
			results[i].Err = wrap("delete object", err)
			continue
		}
		o := d.op()
		o.through = t
		deletes, ops, at = append(deletes, d), append(ops, o), append(at, i)
	}
	for j, err := range t.fs.commit.doAll(ctx, ops) {
		if err != nil {
			results[at[j]].Err = wrap("delete object", err)
			continue
		}
		results[at[j]].Deleted = deletes[j].done
	}
	return results
}

// objectDelete is the commit of one deletion.
type objectDelete struct {
	t   *Tree
	key objectKey
	req DeleteRequest

	// Of the last attempt.
	done Deleted
	gone *fileKey
}

// newDelete begins a deletion; look: the directories of the key are to be brought up
// to date.
func (t *Tree) newDelete(ctx context.Context, r DeleteRequest, look bool) (*objectDelete, error) {
	k, err := parseKey(r.Key)
	if err == nil && look {
		err = t.lookAhead(ctx, k)
	}
	if err != nil {
		return nil, err
	}
	return &objectDelete{t: t, key: k, req: r}, nil
}

func (d *objectDelete) op() *op { return &op{apply: d.apply, won: d.won, object: true} }

func (d *objectDelete) won() {
	if d.gone != nil {
		d.t.fs.open.removed(*d.gone)
	}
}

func (d *objectDelete) apply(ctx context.Context, b *batch) error {
	d.gone, d.done = nil, Deleted{}
	way, err := d.t.descend(ctx, b, d.key.dirs)
	if err != nil {
		return err
	}
	there := way[len(way)-1]
	var e *dirtree.Entry
	if len(way) == len(d.key.dirs)+1 {
		if e, err = there.w.at(ctx, d.key.name, d.req.Version); err != nil {
			return err
		}
	}
	if err := b.judge(ctx, &d.req.If, e); err != nil {
		return err
	}
	if err := there.mayChange(); err != nil {
		return err
	}
	return d.remove(ctx, b, way, e)
}

// remove takes e away, the object or version that was asked for; nil if there is
// none.
func (d *objectDelete) remove(ctx context.Context, b *batch, way []rung, e *dirtree.Entry) error {
	w := way[len(way)-1].w
	if v := d.req.Version; !v.IsLatest() {
		if d.done.Version = v; e == nil {
			return nil
		}
		r, err := w.removeVersion(ctx, d.key.name, v, d.req.BypassGovernance)
		if err != nil {
			return err
		}
		d.done, d.gone = r.Deleted, r.gone
		return b.settle(ctx, way)
	}
	if !isObject(e) && w.versioning(nil) == VersioningNever {
		return nil
	}
	// The marker of what never was needs the directories, too.
	way, err := d.t.imply(ctx, b, way, d.key.dirs)
	if err != nil {
		return err
	}
	r, err := way[len(way)-1].w.remove(ctx, d.key.name)
	if err != nil {
		return err
	}
	d.done, d.gone = r.Deleted, r.gone
	return b.settle(ctx, way)
}
