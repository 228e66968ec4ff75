package filestore

import (
	"context"
	"fmt"
	"slices"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// asNew is a copy of e without what belongs to the version that e was.
func asNew(e *dirtree.Entry) *dirtree.Entry {
	c := *e
	c.Attrs = slices.DeleteFunc(slices.Clone(e.Attrs), func(a dirtree.Attr) bool {
		return a.Type == dirtree.AttrVersion || a.Type == dirtree.AttrLock || a.Type == dirtree.AttrSuperseded
	})
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
	past.Attrs = dirtree.WithAttr(old.Attrs, timeAttr(dirtree.AttrSuperseded, w.batch.fs.now().UnixNano()))
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
