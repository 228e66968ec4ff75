package collect

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/filestore/snapshot"
	"github.com/truckee-fs/truckee/metastore"
)

func (r *reach) current(ctx context.Context, id metastore.SlotID) (metastore.Record, error) {
	recs, err := r.view.Slots(ctx, []metastore.SlotID{id})
	if err != nil {
		return metastore.Record{}, err
	}
	return recs[0], nil
}

// newer reports whether a slot's record is newer than another, by (epoch, version).
func newer(epoch uint32, version uint64, than dirtree.PublicState) bool {
	return epoch > than.Epoch || epoch == than.Epoch && version > than.Version
}

// overtaken reports whether a slot is older in the walk's transaction than its
// mark only because it was changed since that began: the current record is as
// new as the mark.
func (r *reach) overtaken(ctx context.Context, id metastore.SlotID, epoch uint32, version uint64) bool {
	if r.env.Meta == nil {
		return false
	}
	recs, err := r.env.Meta.Slots(ctx, []metastore.SlotID{id})
	if err != nil || recs[0].Bytes == nil {
		return false
	}
	p, err := dirtree.VerifySlot(id, recs[0].Bytes)
	return err == nil && !newer(epoch, version, p)
}

// slot walks one directory or mutable file.
func (r *reach) slot(ctx context.Context, v visit) error {
	id := metastore.SlotID(v.verify.ID())
	v.at.slot = id
	k := r.key(id, v.verify.VerifyKey())
	if r.done(r.slots, k, v.at.no) {
		return nil
	}
	rec, err := r.record(ctx, id)
	if err != nil {
		return fmt.Errorf("walk: slot %v: %w", id, err)
	}
	if rec.Bytes == nil {
		return r.damaged(v.at, "the slot is missing")
	}
	p, err := dirtree.VerifySlot(id, rec.Bytes)
	if err != nil {
		return r.damaged(v.at, "the slot's record is damaged or forged")
	}
	if p.Type != v.verify.Type() {
		return r.damaged(v.at, "a link says that the slot is of another type than it is")
	}
	if epoch, version, seen := r.env.Seen(id); seen && !r.past && newer(epoch, version, p) && !r.overtaken(ctx, id, epoch, version) {
		return r.damaged(v.at, "the slot's record is older than one seen before")
	}
	if p.Tombstone {
		return nil // removed through its home; this link is a dead one
	}
	_, v.at.more = r.slots[k]
	enter(r.slots, k, v.at.no)
	if r.shared != nil && r.foreign(v.at.no, rec.Owner) {
		r.shared[id] = true
	}
	if !v.at.more && p.Type == caps.SlotDirectory {
		r.directories++
	}
	if r.isRoot[id] {
		v.at.paid = id
	}
	if err := r.countMutable(v, rec); err != nil {
		return err
	}
	for _, root := range []dirtree.Root{p.Root, p.History} {
		if v.read != nil && p.Type == caps.SlotDirectory {
			err = r.readable(ctx, v, root, root == p.History)
		} else {
			err = dirtree.WalkVerify(ctx, v.verify, root, snapshot.Nodes{View: r.view}, r.visitor(ctx, v.at, false))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readable walks a directory, or its history, by its read key, so that damage can be
// told by path.
func (r *reach) readable(ctx context.Context, v visit, root dirtree.Root, history bool) error {
	open := dirtree.Open
	if history {
		open = dirtree.OpenHistory
	}
	dir := open(dirtree.Keys{Read: *v.read}, root, snapshot.Nodes{View: r.view}, r.env.NodeCache)
	for e, err := range dir.Scan(ctx, "") {
		if err != nil {
			if fault := new(dirtree.NodeError); errors.As(err, &fault) {
				return r.damaged(v.at, "the directory: "+fault.Fault.String())
			}
			return fmt.Errorf("walk: %w", err)
		}
		at := v.at
		at.path += "/" + r.env.Shown(e)
		if err := e.Check(); err != nil {
			if err := r.damaged(at, "the entry contradicts itself"); err != nil {
				return err
			}
			continue
		}
		if r.counted != nil && !at.more {
			r.counted(at.paid, 1, chargeOf(e))
		}
		if err := r.entry(ctx, at, e); err != nil {
			return err
		}
	}
	return nil
}

// chargeOf is what an entry is charged with.
func chargeOf(e *dirtree.Entry) int64 {
	if e.Kind.IsFile() {
		return int64(e.Size)
	}
	return 0
}

// countMutable counts the bytes of a mutable file, which its own record tells.
func (r *reach) countMutable(v visit, rec metastore.Record) error {
	if r.counted == nil || v.at.more || v.read == nil || v.verify.Type() != caps.SlotFile {
		return nil
	}
	st, err := dirtree.OpenSlot(*v.read, rec.Bytes)
	if err != nil {
		return r.damaged(v.at, "the slot's record contradicts its read key")
	}
	r.counted(v.at.paid, 0, int64(st.Bytes))
	return nil
}
