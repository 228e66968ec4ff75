package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/retry"
	"github.com/truckee-fs/truckee/metastore"
)

// A directory in a bucket that keeps versions is renamed only where that moves no
// version and nothing that is locked, since both belong to their keys; and never in
// or out of such a bucket, where its files would begin or cease to be versioned
// without a trace. What is allowed moves as it is: it leaves no delete markers.

// errKeptBelow refuses to rename a directory.
var errKeptBelow = fmt.Errorf("versions of objects are kept below the directory: %w", kind.Unsupported)

// lookForVersions looks through the directory that is to be renamed, if it is in a
// bucket that keeps versions, or in one with object lock for all that is known.
func (r *renaming) lookForVersions(ctx context.Context) error {
	e, fs := r.src.entry, r.t.fs
	if e == nil || e.Kind != dirtree.Directory || !fs.keepsVersions(r.src.dir) && !(r.src.dir.unplaced() && fs.buckets.anyLock()) {
		return nil
	}
	view, err := retry.Value(ctx, func() (metastore.View, error) { return r.t.fs.o.Meta.Collector().Snapshot(ctx) })
	if err != nil {
		return fmt.Errorf("read the metastore: %w", err)
	}
	defer view.Close()
	r.plain = newWhole(r.t.fs, view)
	return r.plain.withoutVersions(ctx, e.Dir)
}

// keepsVersions reports whether changes in the directory that a path led to make
// versions, as far as that is known before they are committed.
func (fs *FS) keepsVersions(n *node) bool {
	if n.v == nil {
		return false
	}
	if s := fs.buckets.at(n.bucket); n.bucket != (slotID{}) && s != nil {
		return s.info.Versioning != VersioningNever
	}
	return n.v.state.History != (dirtree.Root{})
}

// unplaced reports whether the directory may be in a bucket that the way to it
// doesn't show: it was reached by a link to a directory that has its home elsewhere,
// or by the capability of one that is at home in another.
func (n *node) unplaced() bool {
	if n.v == nil || n.byLink() {
		return n.v != nil
	}
	if n.bucket != (slotID{}) {
		return false
	}
	for n.parent != nil {
		n = n.parent
	}
	return n.v != nil && n.v.state.Home != [32]byte{}
}

// anyLock reports whether a bucket has object lock, as of half a second ago.
func (t *bucketTable) anyLock() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.byName {
		if s.info.Lock {
			return true
		}
	}
	return false
}

// withoutVersions walks all directories below one by their read keys, and refuses
// where one of them has a history or something that is locked.
func (w *whole) withoutVersions(ctx context.Context, top caps.SlotRead) error {
	return w.withoutLocks(ctx, top, false)
}

// withoutLocks is withoutVersions where versions may be, as long as none is locked.
func (w *whole) withoutLocks(ctx context.Context, top caps.SlotRead, versions bool) error {
	todo, now := []caps.SlotRead{top}, w.fs.now()
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		id := slotID(r.ID())
		if _, met := w.slots[id]; met {
			continue
		}
		recs, err := w.view.Slots(ctx, []slotID{id})
		if err != nil {
			return fmt.Errorf("read a slot: %w", err)
		}
		if recs[0].Bytes == nil {
			return fmt.Errorf("slot %v: slot missing: %w", id, kind.Corrupt)
		}
		st, err := dirtree.OpenSlot(r, recs[0].Bytes)
		if err != nil {
			return fmt.Errorf("slot %v: %w", id, err)
		}
		w.slots[id] = dirtree.RecordHash(recs[0].Bytes)
		if st.History != (dirtree.Root{}) && !versions {
			return errKeptBelow
		}
		keys, source := dirtree.Keys{Read: r}, snapshot.Nodes{View: w.view}
		for _, tree := range []*dirtree.Dir{dirtree.Open(keys, st.Root, source, w.fs.nodeCache), dirtree.OpenHistory(keys, st.History, source, w.fs.nodeCache)} {
			if todo, err = unlocked(ctx, tree, now, todo); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlocked demands that nothing in a tree is locked, and adds the directories in it.
func unlocked(ctx context.Context, tree *dirtree.Dir, now time.Time, dirs []caps.SlotRead) ([]caps.SlotRead, error) {
	for e, err := range tree.Scan(ctx, "") {
		if err != nil {
			return nil, err
		}
		if err := lockOf(e).holds(now, false); err != nil {
			return nil, err
		}
		if e.Kind == dirtree.Directory {
			if err := e.Check(); err != nil {
				return nil, err
			}
			dirs = append(dirs, e.Dir)
		}
	}
	return dirs, nil
}

// withVersions judges the rename of a directory by the buckets that it is in.
func (r *renaming) withVersions(ctx context.Context, b *batch, src, dst *work, e *dirtree.Entry) error {
	switch {
	case src.keepsVersions() || dst.keepsVersions():
	case r.plain != nil, e.Kind == dirtree.Directory && r.src.dir.unplaced() && b.fs.buckets.anyLock():
		return r.stillPlain(b, e)
	default:
		return nil
	}
	if src.bucket != dst.bucket {
		return errVersioned("a directory that is moved in or out of it")
	}
	if _, hidden, err := dst.child(ctx, r.dst.name); err != nil || hidden {
		if err == nil {
			err = errKeptBelow // of one that was there before
		}
		return err
	}
	if e.Kind != dirtree.Directory {
		return nil
	}
	return r.stillPlain(b, e)
}

// stillPlain has the commit check that what lookForVersions has seen still holds.
func (r *renaming) stillPlain(b *batch, e *dirtree.Entry) error {
	if err := b.single(); err != nil {
		return err
	}
	if r.plain == nil {
		return errWayChanged // versions are kept since a moment ago: look again
	}
	if _, looked := r.plain.slots[slotID(e.Dir.ID())]; !looked {
		return errWayChanged
	}
	b.own().checks = append(b.own().checks, r.plain.unchanged)
	return nil
}
