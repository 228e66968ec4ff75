package metastoretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
)

// The worlds are small, so that calls meet what earlier ones did.

func (m *model) slot() metastore.SlotID { return metastore.SlotID{1, byte(m.random.IntN(6))} }

func (m *model) draft() metastore.DraftID {
	return metastore.DraftID{byte(m.random.IntN(4))}
}

func (m *model) gateway() metastore.GatewayID { return metastore.GatewayID{1, byte(m.random.IntN(3))} }
func (m *model) block() metastore.ID          { return metastore.ID{2, byte(m.random.IntN(30))} }
func (m *model) chance(percent int) bool      { return m.random.IntN(100) < percent }

// owner is often nobody, else one of two.
func (m *model) owner() metastore.SlotID {
	return []metastore.SlotID{{}, {}, {8, 1}, {8, 2}}[m.random.IntN(4)]
}

func (m *model) ids(n int, id func() metastore.ID) (ids []metastore.ID) {
	for range m.random.IntN(n + 1) {
		ids = append(ids, id())
	}
	return ids
}

// data is the bytes of one of 40 nodes, and its id.
func (m *model) data() ([]byte, metastore.ID) {
	b := bytes.Repeat([]byte{byte(m.random.IntN(40))}, 50)
	return b, sha256.Sum256(b)
}

func (m *model) node() metastore.ID { _, id := m.data(); return id }

// request draws a request; everything random in it is drawn now, so that both
// stores get the same.
func (m *model) request() *metastore.Request {
	r := &metastore.Request{DirMove: m.chance(10), Owner: m.owner()}
	for range m.random.IntN(3) {
		r.Slots = append(r.Slots, m.change())
	}
	for range m.random.IntN(4) {
		data, id := m.data()
		// A node is always the same directory's, or always a file's.
		if data[0]%4 == 0 {
			r.Nodes = append(r.Nodes, metastore.NewNode{ID: id, Data: data})
			r.Live = append(r.Live, metastore.BlockRow{ID: id, Len: int64(len(data)), Owner: m.owner()})
		} else {
			r.Nodes = append(r.Nodes, metastore.NewNode{ID: id, Data: data, Slot: metastore.SlotID{9}})
		}
	}
	r.Dead = m.ids(4, m.node)
	if m.chance(40) {
		r.Links, r.Draft = m.ids(3, m.block), m.draft()
	}
	if m.chance(15) {
		r.Roots = []metastore.Root{{ID: m.slot(), Sealed: []byte{byte(m.random.IntN(9))}, Source: "cli"}}
	}
	if m.chance(5) {
		r.ForgetRoots = []metastore.SlotID{m.slot()}
	}
	if m.chance(25) {
		r.Charges = []metastore.Charge{{
			Root: m.slot(), Files: int64(m.random.IntN(9) - 4), Bytes: int64(m.random.IntN(900) - 400), MaxFiles: 8, MaxBytes: 800,
		}}
	}
	if m.chance(20) {
		r.Sealed = []metastore.SealedChange{m.sealedChange()}
	}
	if m.chance(10) {
		r.RootState = map[metastore.SlotID]bool{m.slot(): m.chance(50)}
	}
	if m.chance(10) {
		r.Check = m.check()
	}
	return r
}

// sealedChange builds mostly on the row that is there.
func (m *model) sealedChange() metastore.SealedChange {
	c := metastore.SealedChange{Kind: uint8(m.random.IntN(2)), Key: [32]byte{byte(m.random.IntN(4))}}
	rows, err := m.mem.SealedRows(m.t.Context(), c.Kind, metastore.SealedPlace{}, 100)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Key == c.Key {
			c.Base = r.Rev
		}
	}
	if m.chance(10) {
		c.Base++
	}
	if c.Base == 0 || m.chance(70) {
		c.Data = []byte{byte(m.random.IntN(256))}
	}
	return c
}

// change builds mostly on the newest record.
func (m *model) change() metastore.SlotChange {
	id := m.slot()
	recs, err := m.mem.Slots(m.t.Context(), []metastore.SlotID{id})
	if err != nil {
		m.t.Fatal(err)
	}
	c := metastore.SlotChange{ID: id, Base: recs[0].Hash, Owner: m.owner()}
	if m.chance(10) {
		c.Base[0] ^= 1
	}
	noise, tombstone, fails := m.random.Uint64(), m.chance(2), m.chance(3)
	c.Seal = func(old metastore.Record) (metastore.Sealed, error) {
		if fails {
			return metastore.Sealed{}, fmt.Errorf("seal: %w", kind.Denied)
		}
		b := make([]byte, metastore.RecordSize)
		if tombstone {
			b[7] = 1
		}
		binary.BigEndian.PutUint64(b[40:], old.Version+1)
		binary.BigEndian.PutUint64(b[200:], noise)
		return metastore.Sealed{Version: old.Version + 1, Epoch: uint32(old.Version / 5), Bytes: b}, nil
	}
	return c
}

func (m *model) check() func(context.Context, metastore.Reader) error {
	slot, node := m.slot(), m.node()
	return func(ctx context.Context, tx metastore.Reader) error {
		recs, err1 := tx.Slots(ctx, []metastore.SlotID{slot})
		data, err2 := tx.Nodes(ctx, []metastore.ID{node})
		roots, err3 := tx.IsRoot(ctx, []metastore.SlotID{slot})
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if recs[0].Version%2 == 0 && data[0] != nil && !roots[0] {
			return fmt.Errorf("check: %w", kind.Exist)
		}
		return nil
	}
}
