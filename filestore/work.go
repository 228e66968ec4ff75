package filestore

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// work is the working copy of one directory in one round.
type work struct {
	batch   *batch
	group   *group
	write   caps.SlotWrite
	base    *version // nil: the slot is new
	owner   slotID
	edit    *dirtree.Edit // nil: new, empty
	history *dirtree.Edit // nil: not looked at
	bucket  slotID        // that the directory is below; zero: none is known
	puts    uint16        // versions that the round has made here
	changed bool
	mtime   bool // mtime was set by a client in this round
	next    dirtree.SlotState

	mu     sync.Mutex // guards sealed; Seal runs in the store's goroutine
	sealed []sealedRecord
}

type sealedRecord struct {
	mark  Mark
	state dirtree.SlotState
	bytes []byte
}

func (w *work) id() slotID { return slotID(w.write.ID()) }

// spot is a name in the directory.
func (w *work) spot(name string) spot { return spot{dir: w.write, name: name, bucket: w.bucket} }

// Get returns an entry as the operations before left it.
func (w *work) Get(ctx context.Context, sortKey string) (*dirtree.Entry, error) {
	if w.edit == nil {
		return nil, kind.NotExist
	}
	return w.edit.Get(ctx, sortKey)
}

// put adds or replaces an entry without touching the directory's mtime.
func (w *work) put(ctx context.Context, e *dirtree.Entry) error {
	w.batch.changes()
	w.changed = true
	defer w.charge(w.edit.Count(), w.edit.Bytes())
	if err := w.edit.Put(ctx, e); err != nil {
		return fmt.Errorf("change an entry: %w", err)
	}
	return nil
}

// delete takes an entry away, for good. Denied if it is locked.
func (w *work) delete(ctx context.Context, e *dirtree.Entry) error {
	if err := lockOf(e).holds(w.batch.fs.now(), false); err != nil {
		return err
	}
	return w.take(ctx, e)
}

// renamed notes that a name came or went, which is what a directory's mtime
// tells.
func (w *work) namesChanged() {
	w.next.Mtime = max(w.batch.fs.now().UnixNano(), 0)
	w.mtime = false
}

// setMtime sets the directory's own mtime.
func (w *work) setMtime(t time.Time) {
	w.batch.changes()
	w.changed, w.mtime = true, true
	w.next.Mtime = t.UnixNano()
}

// touch makes the request write the slot anew without a change: it holds what
// was read from the directory to the very record that it was read from.
func (w *work) touch() {
	w.batch.changes()
	w.changed = true
}

// addTo seals w's changed nodes and adds them and its slot to req.
func (w *work) addTo(ctx context.Context, req *metastore.Request) error {
	id := w.id()
	if w.edit != nil && (!w.next.Tombstone || w.edit.IsEmpty()) {
		// Of a directory that was emptied and ends here the nodes are dead, too.
		root, err := w.sealTree(ctx, w.edit, req)
		if err != nil {
			return err
		}
		w.next.Root = root
		if !w.next.Tombstone {
			w.next.Entries = addDelta(w.next.Entries, w.edit.Count())
			w.next.Bytes = addDelta(w.next.Bytes, w.edit.Bytes())
		}
	}
	if w.history != nil {
		root, err := w.sealTree(ctx, w.history, req)
		if err != nil {
			return err
		}
		w.next.History = root
	}
	change := metastore.SlotChange{ID: id, Owner: w.owner, Seal: w.seal}
	if w.base != nil {
		change.Base = w.base.rec.Hash
	}
	req.Slots = append(req.Slots, change)
	return nil
}

// sealTree seals the changed nodes of one of the slot's trees, and tells its root.
func (w *work) sealTree(ctx context.Context, tree *dirtree.Edit, req *metastore.Request) (dirtree.Root, error) {
	res, err := tree.Seal(ctx)
	if err != nil {
		return res.Root, fmt.Errorf("seal a directory: %w", err)
	}
	for _, n := range res.New {
		req.Nodes = append(req.Nodes, metastore.NewNode{ID: n.ID, Data: n.Data, Slot: w.id()})
	}
	for _, dead := range res.Dead {
		req.Dead = append(req.Dead, dead)
	}
	return res.Root, nil
}

// seal signs the new record, under the slot's lock.
func (w *work) seal(old metastore.Record) (metastore.Sealed, error) {
	now := w.batch.fs.now().UnixNano()
	st := w.next
	st.Version, st.Prev, st.Epoch = 1, [32]byte{}, w.batch.fs.water.NextEpoch(w.id())
	if old.Bytes != nil && old.Owner != w.base.rec.Owner {
		// A mark has found a second root since that leads here: what is made
		// under it now belongs to nobody alone (formats 11).
		return metastore.Sealed{}, fmt.Errorf("the directory's owner has changed: %w", kind.Conflict)
	}
	if old.Bytes != nil {
		st.Version, st.Prev = old.Version+1, w.base.rec.Hash
		st.Epoch = max(st.Epoch, w.base.rec.Epoch)
	}
	st.Time, st.Ctime = now, now
	rec, err := dirtree.SealSlot(w.write, st)
	if err != nil {
		return metastore.Sealed{}, fmt.Errorf("seal a slot: %w", err)
	}
	m := Mark{Slot: w.id(), Epoch: st.Epoch, Version: st.Version, Hash: dirtree.RecordHash(rec)}
	w.mu.Lock()
	w.sealed = append(w.sealed, sealedRecord{m, st, rec})
	w.mu.Unlock()
	return metastore.Sealed{Epoch: st.Epoch, Version: st.Version, Bytes: rec}, nil
}

// sealedVersion is the version of the record that was sealed last.
func (w *work) sealedVersion() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sealed) == 0 {
		return 0
	}
	return w.sealed[len(w.sealed)-1].mark.Version
}

func (w *work) marks() []Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ms []Mark
	for _, s := range w.sealed {
		ms = append(ms, s.mark)
	}
	return ms
}

// committed is the version that w has become; nil if it didn't change.
func (w *work) committed(fs *FS) *version {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sealed) == 0 {
		return nil
	}
	s := w.sealed[len(w.sealed)-1]
	rec := metastore.Record{
		ID: s.mark.Slot, Epoch: s.mark.Epoch, Version: s.mark.Version, Hash: s.mark.Hash,
		Bytes: s.bytes, Owner: w.owner,
	}
	if w.base != nil {
		rec.Seq = w.base.rec.Seq
	}
	return fs.newVersion(w.write.Read(), rec, s.state)
}

// addDelta adds a signed change to a count that can't go below zero.
func addDelta(n uint64, delta int64) uint64 {
	if delta < 0 && uint64(-delta) > n {
		return 0
	}
	return uint64(int64(n) + delta)
}

func randomSlot(t caps.SlotType) caps.SlotWrite {
	var seed [32]byte
	rand.Read(seed[:])
	return caps.NewSlotWrite(t, caps.KeyOf(seed))
}

func newFileID() FileID {
	var id FileID
	rand.Read(id[:])
	return id
}
