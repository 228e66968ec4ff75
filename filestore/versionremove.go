package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// removal is what a deletion has done.
type removal struct {
	Deleted
	gone *fileKey // of a file that has no name any more: the registry is to be told
}

// remove takes the current object of a key away. Where versions are kept it becomes
// a noncurrent one, and a delete marker is the newest; also where there was none.
func (w *work) remove(ctx context.Context, sortKey string) (removal, error) {
	old, err := get(ctx, w, sortKey)
	if err != nil {
		return removal{}, err
	}
	return w.removeAs(ctx, sortKey, old, old)
}

// moveAway is remove of an object that gets another name: it takes its file id
// along, and the version that stays has one of its own, in case it comes back.
func (w *work) moveAway(ctx context.Context, old *dirtree.Entry) error {
	stays := *old
	stays.FileID = newFileID()
	_, err := w.removeAs(ctx, old.SortKey(), old, &stays)
	return err
}

// removeAs is remove of old, of which past is what stays.
func (w *work) removeAs(ctx context.Context, sortKey string, old, past *dirtree.Entry) (r removal, err error) {
	versioning := w.versioning(old)
	if err := w.mayReplace(old, versioning == VersioningEnabled); err != nil {
		return r, err
	}
	if versioning != VersioningNever {
		if r.Version, err = w.retire(ctx, sortKey, past, versioning); err != nil {
			return r, err
		}
		r.Marker = true
		if err := w.putPast(ctx, w.marker(sortKey, r.Version)); err != nil {
			return r, err
		}
	}
	if !isObject(old) {
		return r, nil
	}
	r.gone = w.batch.takeAway(w, old)
	w.namesChanged()
	return r, w.take(ctx, old)
}

// marker is the delete marker of a key.
func (w *work) marker(sortKey string, v VersionID) *dirtree.Entry {
	return &dirtree.Entry{
		Name: v.historyKey(sortKey), Kind: dirtree.EmptyFile, FileID: newFileID(), Mode: defaultFileMode,
		Mtime: w.batch.fs.now().UnixNano(), Attrs: []dirtree.Attr{v.attr(), {Type: dirtree.AttrDeleteMarker}},
	}
}

// take takes an entry out of the tree, whatever locks it: it is kept elsewhere, or
// was judged before.
func (w *work) take(ctx context.Context, e *dirtree.Entry) error {
	w.batch.changes()
	w.changed = true
	defer w.charge(w.edit.Count(), w.edit.Bytes())
	if err := w.edit.Delete(ctx, e.SortKey()); err != nil {
		return fmt.Errorf("remove an entry: %w", err)
	}
	return nil
}

// newestPast finds the newest noncurrent version of a key, which may be a marker;
// nil if there is none. All but the null version stand in their order.
func (w *work) newestPast(ctx context.Context, sortKey string) (*dirtree.Entry, error) {
	if !w.hasHistory() {
		return nil, nil
	}
	first, err := w.past().First(ctx, dirtree.HistoryPrefix(sortKey))
	if errors.Is(err, kind.NotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a version: %w", err)
	}
	if of, _, _, ok := dirtree.ParseHistoryKey(first.Name); !ok || of != sortKey {
		return nil, nil
	}
	null, err := w.lookPast(ctx, nullVersion.historyKey(sortKey))
	if err != nil || null == nil || versionOf(null).before(versionOf(first)) {
		return first, err
	}
	return null, nil
}

// removeVersion takes one version of a key away, for good. If it was the latest,
// the newest of the others becomes that. Nothing happens if there is no such
// version.
func (w *work) removeVersion(ctx context.Context, sortKey string, v VersionID, bypassGovernance bool) (removal, error) {
	r := removal{Deleted: Deleted{Version: v}}
	cur, err := get(ctx, w, sortKey)
	if err != nil {
		return r, err
	}
	if isObject(cur) && versionOf(cur).same(v) {
		if err := lockOf(cur).holds(w.batch.fs.now(), bypassGovernance); err != nil {
			return r, err
		}
		if err := w.take(ctx, cur); err != nil {
			return r, err
		}
		back, err := w.restore(ctx, sortKey)
		if err != nil {
			return r, err
		}
		if back == nil || back.FileID != cur.FileID {
			r.gone = w.batch.takeAway(w, cur)
		}
		w.namesChanged()
		return r, nil
	}
	e, err := w.lookPast(ctx, v.historyKey(sortKey))
	if err != nil || e == nil {
		return r, err
	}
	if err := lockOf(e).holds(w.batch.fs.now(), bypassGovernance); err != nil {
		return r, err
	}
	r.Marker = isMarker(e)
	if err := w.deletePast(ctx, e); err != nil || cur != nil {
		return r, err
	}
	back, err := w.restore(ctx, sortKey)
	if back != nil {
		w.namesChanged()
	}
	return r, err
}

// restore makes the newest noncurrent version of a key current, unless that is a
// delete marker; nil if there is none.
func (w *work) restore(ctx context.Context, sortKey string) (*dirtree.Entry, error) {
	e, err := w.newestPast(ctx, sortKey)
	if err != nil || e == nil || isMarker(e) {
		return nil, err
	}
	if err := w.deletePast(ctx, e); err != nil {
		return nil, err
	}
	back := *e
	back.Name = sortKey
	back.Attrs = dirtree.WithoutAttr(e.Attrs, dirtree.AttrSuperseded)
	return &back, w.put(ctx, &back)
}

// at finds a version of a key in the working copy, the current object by the zero
// id; nil if there is none. It may be a delete marker.
func (w *work) at(ctx context.Context, sortKey string, v VersionID) (*dirtree.Entry, error) {
	cur, err := get(ctx, w, sortKey)
	if err != nil {
		return nil, err
	}
	if isObject(cur) && (v.IsLatest() || versionOf(cur).same(v)) {
		return cur, nil
	}
	if v.IsLatest() {
		return nil, nil
	}
	return w.lookPast(ctx, v.historyKey(sortKey))
}

// change puts e, a changed copy of what at found, back in its place.
func (w *work) change(ctx context.Context, e *dirtree.Entry) error {
	if _, _, _, past := dirtree.ParseHistoryKey(e.Name); past {
		return w.putPast(ctx, e)
	}
	return w.put(ctx, e)
}
