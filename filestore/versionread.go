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

// isDeleted tells of the marker that an error is about.
func isDeleted(err error) (*DeleteMarkerError, bool) {
	var m *DeleteMarkerError
	return m, errors.As(err, &m)
}
