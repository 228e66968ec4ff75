package filestore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// What a commit does with versions (formats 5). The tree of a directory holds what
// is current, and nothing else: what was replaced or removed in a versioned bucket
// goes to the directory's history tree, in the same commit, and a delete marker
// stands there, too, also one that is the latest. So nobody who reads the tree has
// to know of versions, and a key without a current object, but with a history, has
// a marker as the newest of it.

// below notes that the directory is below a bucket, by the slot of that.
func (w *work) below(bucket slotID) {
	if bucket != (slotID{}) {
		w.bucket = bucket
	}
}

// in is dir for a directory that a path has led to.
func (b *batch) in(ctx context.Context, n *node) (*work, error) {
	w, err := b.dir(ctx, *n.write)
	if err == nil {
		w.below(n.bucket)
	}
	return w, err
}

// rules gives the bucket that the directory is below, as registered; nil if it is
// below none that is known here.
func (w *work) rules() *BucketInfo {
	if w.bucket == (slotID{}) {
		return nil
	}
	if s := w.batch.fs.buckets.at(w.bucket); s != nil {
		return &s.info
	}
	return nil
}

// versioning says what becomes of old, which is to be replaced or removed; nil:
// there is nothing. Who comes by the capability of a directory inside of a bucket
// doesn't pass the bucket: what the directory itself shows of versions counts then.
func (w *work) versioning(old *dirtree.Entry) Versioning {
	if w.write.Type() != caps.SlotDirectory {
		return VersioningNever
	}
	if rules := w.rules(); rules != nil {
		return rules.Versioning
	}
	if old != nil {
		_, version := old.Attr(dirtree.AttrVersion)
		_, lock := old.Attr(dirtree.AttrLock)
		if version || lock {
			return VersioningEnabled
		}
	}
	if w.hasHistory() {
		return VersioningEnabled
	}
	return VersioningNever
}

// hasHistory reports whether the directory keeps versions, or hidden directories.
func (w *work) hasHistory() bool {
	if w.history != nil {
		return !w.history.IsEmpty()
	}
	return w.next.History != (dirtree.Root{})
}

// past is the working copy of the directory's history tree.
func (w *work) past() *dirtree.Edit {
	if w.history == nil {
		write := w.write
		w.history = dirtree.OpenHistory(dirtree.Keys{Write: &write}, w.next.History, w.batch.fs.source, w.batch.fs.nodeCache).Edit()
	}
	return w.history
}

// lookPast finds an entry of the history tree by its sort key there; nil if there
// is none.
func (w *work) lookPast(ctx context.Context, key string) (*dirtree.Entry, error) {
	if !w.hasHistory() {
		return nil, nil
	}
	return get(ctx, w.past(), key)
}

// putPast adds or replaces an entry of the history tree.
func (w *work) putPast(ctx context.Context, e *dirtree.Entry) error {
	w.batch.changes()
	w.changed = true
	h := w.past()
	defer w.chargePast(h.Count(), h.Bytes())
	if err := h.Put(ctx, e); err != nil {
		return fmt.Errorf("keep a version: %w", err)
	}
	return nil
}

// deletePast takes an entry out of the history tree.
func (w *work) deletePast(ctx context.Context, e *dirtree.Entry) error {
	w.batch.changes()
	w.changed = true
	h := w.past()
	defer w.chargePast(h.Count(), h.Bytes())
	if err := h.Delete(ctx, e.SortKey()); err != nil {
		return fmt.Errorf("remove a version: %w", err)
	}
	return nil
}

func (w *work) chargePast(count, bytes int64) {
	w.batch.op.files += w.history.Count() - count
	w.batch.op.bytes += w.history.Bytes() - bytes
}

// Version ids hold the directory's epoch and version in one number, so that they
// ascend as records do (formats 5).
const versionBits = 40

// newVersion draws the id of a version that this commit makes.
func (w *work) newVersion() (VersionID, error) {
	epoch, version := w.batch.fs.water.NextEpoch(w.id()), uint64(1)
	if w.base != nil {
		epoch, version = max(epoch, w.base.rec.Epoch), w.base.rec.Version+1
	}
	if epoch >= 1<<(64-versionBits) || version >= 1<<versionBits {
		return VersionID{}, fmt.Errorf("a directory with %d commits: %w", version, kind.TooLarge)
	}
	if w.puts == math.MaxUint16 {
		return VersionID{}, errLater // the next commit counts anew
	}
	w.puts++
	return VersionID{V: uint64(epoch)<<versionBits | version, I: w.puts}, nil
}

// asNew is a copy of e without what belongs to the version that e was.
func asNew(e *dirtree.Entry) *dirtree.Entry {
	c := *e
	c.Attrs = dirtree.WithoutAttr(dirtree.WithoutAttr(e.Attrs, dirtree.AttrVersion), dirtree.AttrLock)
	return &c
}

// mayReplace refuses to put something in the place of old, or to remove it, where
// its lock doesn't allow that: where no version of it would be kept, and by
// frontends that know no versions, to whom it would be lost.
func (w *work) mayReplace(old *dirtree.Entry, kept bool) error {
	if old == nil || kept && w.batch.op.object {
		return nil
	}
	return lockOf(old).holds(w.batch.fs.now(), false)
}

// supersede puts e, which is no directory, as a new version of what has its name.
// Where versions are kept that becomes a noncurrent one. e's lock is the new
// version's; without one it gets the bucket's default retention.
func (w *work) supersede(ctx context.Context, e *dirtree.Entry) (VersionID, error) {
	old, err := get(ctx, w, e.Name)
	if err != nil {
		return VersionID{}, err
	}
	versioning := w.versioning(old)
	if err := w.mayReplace(old, versioning == VersioningEnabled); err != nil {
		return VersionID{}, err
	}
	if !isObject(e) {
		// What is no object hides the key: to S3 it is deleted.
		if versioning != VersioningNever && isObject(old) {
			if _, err := w.remove(ctx, e.Name); err != nil {
				return VersionID{}, err
			}
		}
		return VersionID{}, w.put(ctx, e)
	}
	fresh, v := *e, nullVersion
	fresh.Attrs = dirtree.WithoutAttr(e.Attrs, dirtree.AttrVersion)
	if versioning != VersioningNever {
		if e.Kind == dirtree.MutableFile {
			return VersionID{}, errVersioned("a mutable file")
		}
		if v, err = w.retire(ctx, e.Name, old, versioning); err != nil {
			return VersionID{}, err
		}
		fresh.Attrs = dirtree.WithAttr(fresh.Attrs, v.attr())
	}
	if err := w.lockNew(&fresh); err != nil {
		return VersionID{}, err
	}
	return v, w.put(ctx, &fresh)
}

// lockNew gives a new version the default retention, if it has none.
func (w *work) lockNew(e *dirtree.Entry) error {
	rules, l := w.rules(), lockOf(e)
	if rules == nil || !rules.Lock {
		if !l.IsZero() {
			return fmt.Errorf("a lock in a bucket without object lock: %w", kind.Invalid)
		}
		return nil
	}
	if l.Mode == LockNone && rules.DefaultLock.Mode != LockNone {
		hold := l.Hold
		l = rules.DefaultLock.lock(w.batch.fs.now())
		l.Hold = hold
		e.Attrs = withLock(e.Attrs, l)
	}
	return nil
}

// retire makes room for a new version of a key whose current object is old, or
// nil, and draws its id. With suspended versioning it is the null version, in
// place of the one that the key had.
func (w *work) retire(ctx context.Context, sortKey string, old *dirtree.Entry, versioning Versioning) (VersionID, error) {
	v, err := w.newVersion()
	if err != nil {
		return v, err
	}
	v.Null = versioning == VersioningSuspended
	if v.Null {
		null, err := w.lookPast(ctx, v.historyKey(sortKey))
		if err != nil {
			return v, err
		}
		if null != nil {
			if err := lockOf(null).holds(w.batch.fs.now(), false); err != nil {
				return v, err
			}
			if err := w.deletePast(ctx, null); err != nil {
				return v, err
			}
		}
	}
	if !isObject(old) {
		return v, nil
	}
	if v.Null && versionOf(old).Null {
		return v, lockOf(old).holds(w.batch.fs.now(), false)
	}
	return v, w.keep(ctx, sortKey, old)
}

// keep makes old a noncurrent version. It stays in the tree until it is replaced or
// taken out there.
func (w *work) keep(ctx context.Context, sortKey string, old *dirtree.Entry) error {
	past := *old
	past.Name = versionOf(old).historyKey(sortKey)
	there, err := w.lookPast(ctx, past.Name)
	if err != nil {
		return err
	}
	if there != nil {
		if err := lockOf(there).holds(w.batch.fs.now(), false); err != nil {
			return err
		}
	}
	return w.putPast(ctx, &past)
}

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
