package metastoretest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// fixture makes requests against one store. Its records have the public fields
// of formats 5 in their places and noise elsewhere: a metastore can't tell.
type fixture struct {
	ctx context.Context
	s   metastore.Store
}

// on gives a check as the list wants it.
func on(name string, run func(f fixture) error) Check {
	return Check{Name: name, Run: func(ctx context.Context, s metastore.Store) error {
		return run(fixture{ctx, s})
	}}
}

func random[T ~[32]byte | ~[16]byte]() (id T) {
	switch p := any(&id).(type) {
	case *metastore.SlotID:
		rand.Read(p[:])
	case *metastore.ID:
		rand.Read(p[:])
	case *metastore.DraftID:
		rand.Read(p[:])
	case *metastore.GatewayID:
		rand.Read(p[:])
	}
	return id
}

// sealed makes a record that follows old, with fresh noise.
func sealed(old metastore.Record, tombstone bool) metastore.Sealed {
	b := make([]byte, metastore.RecordSize)
	rand.Read(b)
	copy(b, "TkS1")
	binary.BigEndian.PutUint16(b[6:], 0)
	if tombstone {
		b[7] = 1
	}
	binary.BigEndian.PutUint64(b[40:], old.Version+1)
	copy(b[56:], old.Hash[:])
	binary.BigEndian.PutUint32(b[156:], old.Epoch)
	return metastore.Sealed{Epoch: old.Epoch, Version: old.Version + 1, Bytes: b}
}

// change is a slot change on top of base, the zero hash for a new slot.
func change(id metastore.SlotID, base [32]byte) metastore.SlotChange {
	return metastore.SlotChange{ID: id, Base: base, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		return sealed(old, false), nil
	}}
}

// bury is the change that makes a slot a tombstone.
func bury(r metastore.Record) metastore.SlotChange {
	return metastore.SlotChange{ID: r.ID, Base: r.Hash, Seal: func(old metastore.Record) (metastore.Sealed, error) {
		return sealed(old, true), nil
	}}
}

func (f fixture) commit(r *metastore.Request) error { return f.s.Commit(f.ctx, r)[0] }

// slot reads one slot.
func (f fixture) slot(id metastore.SlotID) (metastore.Record, error) {
	recs, err := f.s.Slots(f.ctx, []metastore.SlotID{id})
	if err != nil {
		return metastore.Record{}, fmt.Errorf("slots: %w", err)
	}
	if len(recs) != 1 || recs[0].ID != id {
		return metastore.Record{}, fmt.Errorf("slots of one id gave %d records, or another id's", len(recs))
	}
	r := recs[0]
	if r.Bytes != nil && r.Hash != sha256.Sum256(r.Bytes) {
		return r, fmt.Errorf("slots: Hash is not the hash of Bytes")
	}
	return r, nil
}

// create makes a new slot.
func (f fixture) create() (metastore.Record, error) {
	id := random[metastore.SlotID]()
	if err := f.commit(&metastore.Request{Slots: []metastore.SlotChange{change(id, [32]byte{})}}); err != nil {
		return metastore.Record{}, fmt.Errorf("creating a slot: %w", err)
	}
	return f.slot(id)
}

// update commits one more version of a slot, with whatever else r brings.
func (f fixture) update(rec metastore.Record, r metastore.Request) (metastore.Record, error) {
	r.Slots = append(r.Slots, change(rec.ID, rec.Hash))
	if err := f.commit(&r); err != nil {
		return rec, fmt.Errorf("updating a slot: %w", err)
	}
	return f.slot(rec.ID)
}

// node makes a node of a directory, or of none.
func node(slot metastore.SlotID) metastore.NewNode {
	data := make([]byte, 100)
	rand.Read(data)
	return metastore.NewNode{ID: sha256.Sum256(data), Data: data, Slot: slot}
}

// inline makes a node with its block row.
func inline() (metastore.NewNode, metastore.BlockRow) {
	n := node(metastore.SlotID{})
	return n, metastore.BlockRow{ID: n.ID, Len: int64(len(n.Data))}
}

// node reads one node.
func (f fixture) node(id metastore.ID) ([]byte, error) {
	data, err := f.s.Nodes(f.ctx, []metastore.ID{id})
	if err != nil {
		return nil, fmt.Errorf("nodes: %w", err)
	}
	if len(data) != 1 {
		return nil, fmt.Errorf("nodes of one id gave %d", len(data))
	}
	return data[0], nil
}

// register enters a block for a draft of a gateway without Heartbeat.
func (f fixture) register(d metastore.DraftID) (metastore.BlockRow, error) {
	b := metastore.BlockRow{ID: random[metastore.ID](), Len: 4096}
	if err := f.s.Register(f.ctx, random[metastore.GatewayID](), d, []metastore.BlockRow{b}); err != nil {
		return b, fmt.Errorf("register: %w", err)
	}
	return b, nil
}

// live enters a block and links it.
func (f fixture) live() (metastore.BlockRow, error) {
	d := random[metastore.DraftID]()
	b, err := f.register(d)
	if err != nil {
		return b, err
	}
	if err := f.commit(&metastore.Request{Links: []metastore.ID{b.ID}, Draft: d}); err != nil {
		return b, fmt.Errorf("linking a new block: %w", err)
	}
	return b, nil
}

// block reads one row; there is false if it is absent.
func (f fixture) block(id metastore.ID) (b metastore.Block, there bool, err error) {
	rows, err := f.s.Blocks(f.ctx, []metastore.ID{id})
	if err != nil {
		return b, false, fmt.Errorf("blocks: %w", err)
	}
	if len(rows) != 1 || rows[0].ID != id {
		return b, false, fmt.Errorf("blocks of one id gave %d rows, or another id's", len(rows))
	}
	return rows[0], rows[0].State != 0, nil
}

// state checks the state of a block's row.
func (f fixture) state(id metastore.ID, want metastore.BlockState) error {
	b, there, err := f.block(id)
	if err != nil {
		return err
	}
	if !there || b.State != want {
		return fmt.Errorf("block row: there %t, state %v; want state %v", there, b.State, want)
	}
	return nil
}

// condemn marks a block as a mark at a fresh view does.
func (f fixture) condemn(id metastore.ID) error {
	v, err := f.s.Collector().Snapshot(f.ctx)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	defer v.Close()
	n, err := f.s.Collector().Condemn(f.ctx, v, []metastore.ID{id})
	if err != nil {
		return fmt.Errorf("condemn: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("condemn reports %d condemned, want 1", n)
	}
	return nil
}

// wantKind checks an error's kind.
func wantKind(op string, err error, want kind.Kind) error {
	if got := kind.Of(err); got != want {
		return fmt.Errorf("%s: error %v is of kind %v, want %v", op, err, got, want)
	}
	return nil
}

// first gives the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
