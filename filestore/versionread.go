package filestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
)

// DeleteMarkerError is the answer where a delete marker stands for an object. It is
// of kind NotExist.
type DeleteMarkerError struct {
	Version VersionID
	Mtime   time.Time // when it was deleted
}

// Error names no key: who asked knows it.
func (*DeleteMarkerError) Error() string { return "the object was deleted" }

// Unwrap gives kind.NotExist.
func (*DeleteMarkerError) Unwrap() error { return kind.NotExist }

// history is the tree of what the directory keeps that isn't current.
func (v *version) history() *dirtree.Dir {
	return dirtree.OpenHistory(dirtree.Keys{Read: v.read}, v.state.History, v.src, v.cache)
}

// hasHistory reports whether that tree holds anything.
func (v *version) hasHistory() bool { return v.state.History != (dirtree.Root{}) }

// versionOf finds an object's version by its key's last part, in a directory;
// the current one by the zero id. NotExist if there is none, a
// *DeleteMarkerError if it is a marker.
func (fs *FS) versionOf(ctx context.Context, dir *version, name string, v VersionID) (*dirtree.Entry, error) {
	cur, err := get(ctx, dir.dir, name)
	switch {
	case err != nil:
		return nil, err
	case isObject(cur) && (v.IsLatest() || versionOf(cur).same(v)):
		return cur, nil
	case !dir.hasHistory():
		return nil, kind.NotExist
	}
	var past *dirtree.Entry
	if !v.IsLatest() {
		past, err = get(ctx, dir.history(), v.historyKey(name))
	} else if cur == nil {
		past, err = newestIn(ctx, dir.history(), name)
	}
	switch {
	case err != nil:
		return nil, err
	case past == nil:
		return nil, kind.NotExist
	case isMarker(past):
		return nil, &DeleteMarkerError{versionOf(past), time.Unix(0, past.Mtime).UTC()}
	case v.IsLatest():
		return nil, kind.NotExist
	}
	return past, nil
}

// newestIn finds the newest version of a key in a history tree; nil if there is
// none.
func newestIn(ctx context.Context, history *dirtree.Dir, sortKey string) (*dirtree.Entry, error) {
	var first *dirtree.Entry
	for e, err := range history.ScanFrom(ctx, dirtree.HistoryPrefix(sortKey)) {
		if err != nil {
			return nil, fmt.Errorf("look for a version: %w", err)
		}
		if of, _, _, ok := dirtree.ParseHistoryKey(e.Name); ok && of == sortKey {
			first = e
		}
		break
	}
	if first == nil {
		return nil, nil
	}
	if err := first.Check(); err != nil {
		return nil, err
	}
	null, err := get(ctx, history, nullVersion.historyKey(sortKey))
	if err != nil || null == nil || versionOf(null).before(versionOf(first)) {
		return first, err
	}
	return null, nil
}

// hiddenChild finds a directory that is hidden in n; nil if there is none of that
// name.
func (n *node) hiddenChild(ctx context.Context, name string) (*dirtree.Entry, error) {
	if n.v == nil || !n.v.hasHistory() {
		return nil, nil
	}
	keys := dirtree.Keys{Read: n.v.read, Write: n.write}
	e, err := get(ctx, dirtree.OpenHistory(keys, n.v.state.History, n.v.src, n.v.cache), hiddenKey(name))
	if e == nil || err != nil {
		return nil, err
	}
	found := *e
	found.Name = name
	return &found, nil
}

// Lock is judged where a version ends (versionwork.go) and, here, where it changes.

// LockChange says what SetLock changes of a version's lock.
type LockChange struct {
	Retention bool // Mode and Until are to be set; LockNone ends the retention
	Mode      LockMode
	Until     time.Time

	Legal bool // Hold is to be set
	Hold  bool

	// BypassGovernance: a retention in governance mode may be shortened or ended.
	BypassGovernance bool
}

// SetLock changes the lock of an object's version; no version is made of it. Denied
// where the retention that it has doesn't allow that, Invalid in a bucket without
// object lock, NotExist as Stat.
func (b *Bucket) SetLock(ctx context.Context, key string, v VersionID, c LockChange) error {
	return wrap("set lock", b.setLock(ctx, key, v, c))
}

func (b *Bucket) setLock(ctx context.Context, key string, v VersionID, c LockChange) error {
	k, err := parseKey(key)
	if err != nil {
		return err
	}
	if !b.fs.locks(slotID(b.state().dir.ID())) {
		return fmt.Errorf("a lock in a bucket without object lock: %w", kind.Invalid)
	}
	t := b.Tree()
	if _, err := t.find(ctx, k); err != nil { // and what other gateways did is known here
		return err
	}
	return t.do(ctx, &op{object: true, apply: func(ctx context.Context, bt *batch) error {
		way, err := t.descend(ctx, bt, k.dirs)
		if err != nil {
			return err
		}
		if len(way) != len(k.dirs)+1 {
			return kind.NotExist
		}
		w := way[len(way)-1].w
		e, err := w.at(ctx, k.name, v)
		switch {
		case err != nil:
			return err
		case e == nil && v.IsLatest():
			return w.deletedOr(ctx, k.name)
		case e == nil:
			return kind.NotExist
		case isMarker(e):
			return &DeleteMarkerError{versionOf(e), time.Unix(0, e.Mtime).UTC()}
		case e.Kind == dirtree.MutableFile:
			return fmt.Errorf("a lock of a mutable file: %w", kind.Unsupported)
		}
		old := lockOf(e)
		l := old
		if c.Retention {
			if l.Mode, l.Until = c.Mode, c.Until.UTC(); c.Mode == LockNone {
				l.Until = time.Time{}
			}
		}
		if c.Legal {
			l.Hold = c.Hold
		}
		if err := old.changes(l, bt.fs.now(), c.BypassGovernance); err != nil {
			return err
		}
		changed := *e
		changed.Attrs = withLock(e.Attrs, l)
		return w.change(ctx, &changed)
	}})
}

// locks reports whether the bucket with that directory has object lock enabled.
func (fs *FS) locks(bucket slotID) bool {
	s := fs.buckets.at(bucket)
	return s != nil && s.info.Lock
}

// deletedOr is the error of a key without a current object: NotExist, by a marker
// if there is one.
func (w *work) deletedOr(ctx context.Context, sortKey string) error {
	e, err := w.newestPast(ctx, sortKey)
	if err != nil {
		return err
	}
	if e != nil && isMarker(e) {
		return &DeleteMarkerError{versionOf(e), time.Unix(0, e.Mtime).UTC()}
	}
	return kind.NotExist
}

// isDeleted tells of the marker that an error is about.
func isDeleted(err error) (*DeleteMarkerError, bool) {
	var m *DeleteMarkerError
	return m, errors.As(err, &m)
}
