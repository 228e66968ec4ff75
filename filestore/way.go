package filestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/dirtree"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// way checks inside of a transaction that the path to the directory n still
// leads there, through directories other than moving.
func (t *Tree) way(n *node, moving slotID) func(context.Context, metastore.Reader) error {
	var chain []*node
	for ; n != nil; n = n.parent {
		chain = append([]*node{n}, chain...)
	}
	ids := make([]slotID, len(chain))
	for i, n := range chain {
		ids[i] = n.id()
	}
	return func(ctx context.Context, r metastore.Reader) error {
		recs, err := r.Slots(ctx, ids)
		if err != nil {
			return err
		}
		for i, rec := range recs {
			switch {
			case rec.ID == moving:
				return errBelowItself()
			case rec.Bytes == nil || metastore.IsTombstone(rec.Bytes):
				return errWayChanged
			case i == len(recs)-1 || dirtree.RecordHash(rec.Bytes) == chain[i].v.rec.Hash:
				continue
			}
			if err := t.leads(ctx, r, chain[i].v.read, rec, chain[i+1].entry); err != nil {
				return err
			}
		}
		return nil
	}
}

// leads checks that the directory of a record still has an entry that links the
// same directory.
func (t *Tree) leads(ctx context.Context, r metastore.Reader, read caps.SlotRead, rec metastore.Record, e *dirtree.Entry) error {
	st, err := dirtree.OpenSlot(read, rec.Bytes)
	if err != nil {
		return err
	}
	d := dirtree.Open(dirtree.Keys{Read: read}, st.Root, readerNodes{r}, nil)
	now, err := d.Get(ctx, e.SortKey())
	switch {
	case errors.Is(err, kind.NotExist):
		return errWayChanged
	case err != nil:
		return err
	case now.Kind != dirtree.Directory || now.Dir.ID() != e.Dir.ID():
		return errWayChanged
	}
	return nil
}

// readerNodes reads nodes as of a running transaction.
type readerNodes struct{ r metastore.Reader }

func (n readerNodes) Node(ctx context.Context, id [32]byte) ([]byte, error) {
	data, err := n.r.Nodes(ctx, []metastore.ID{id})
	if err != nil {
		return nil, err
	}
	if data[0] == nil {
		return nil, kind.NotExist
	}
	return data[0], nil
}

// errChanged is the answer of unchanged.
var errChanged = fmt.Errorf("a directory has changed: %w", kind.Conflict)

// unchanged demands that a slot's record is still that of v.
func unchanged(v *version) func(context.Context, metastore.Reader) error {
	return func(ctx context.Context, r metastore.Reader) error {
		recs, err := r.Slots(ctx, []slotID{v.rec.ID})
		if err != nil {
			return err
		}
		if recs[0].Bytes == nil || dirtree.RecordHash(recs[0].Bytes) != v.rec.Hash {
			return errChanged
		}
		return nil
	}
}
