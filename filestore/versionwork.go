package filestore

import (
	"context"
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

// in is dir for a directory that a path has led to. What is a bucket on the way may
// have become one since.
func (b *batch) in(ctx context.Context, n *node) (*work, error) {
	w, err := b.dir(ctx, *n.write)
	if err == nil {
		w.below(n.bucket)
		w.below(b.fs.buckets.above(n))
	}
	return w, err
}

// above finds the bucket that a directory is in, by the way to it: its slot. Zero if
// there is none.
func (t *bucketTable) above(n *node) slotID {
	for ; n != nil; n = n.parent {
		if n.v != nil && t.at(n.v.rec.ID) != nil {
			return n.v.rec.ID
		}
	}
	return slotID{}
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
