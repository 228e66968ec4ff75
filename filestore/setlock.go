package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
)

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
	if err := retry.Do(ctx, func() error { return b.fs.buckets.current(ctx) }); err != nil {
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
