package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/sqlite"
)

// clock gives both stores the same times: one tick a step of the test.
type clock struct{ ticks atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(c.ticks.Load()))
}

// model drives two stores with the same random calls.
type model struct {
	t      *testing.T
	random *rand.Rand
	clock  clock
	mem    *memory.Store
	sql    *sqlite.Store
	path   string
	pins   []uint64
}

// The worlds are small, so that calls meet what earlier ones did.

func (m *model) slot() metastore.SlotID { return metastore.SlotID{1, byte(m.random.IntN(6))} }

func (m *model) draft() metastore.DraftID {
	return metastore.DraftID{byte(m.random.IntN(4))}
}

func (m *model) gateway() metastore.GatewayID { return metastore.GatewayID{1, byte(m.random.IntN(3))} }
func (m *model) block() metastore.ID          { return metastore.ID{2, byte(m.random.IntN(30))} }
func (m *model) chance(percent int) bool      { return m.random.IntN(100) < percent }

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
	r := &metastore.Request{DirMove: m.chance(10)}
	for range m.random.IntN(3) {
		r.Slots = append(r.Slots, m.change())
	}
	for range m.random.IntN(4) {
		data, id := m.data()
		// A node is always the same directory's, or always a file's.
		if data[0]%4 == 0 {
			r.Nodes = append(r.Nodes, metastore.NewNode{ID: id, Data: data})
			r.Live = append(r.Live, metastore.BlockRow{ID: id, Len: int64(len(data)), Owner: m.slot()})
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
	if m.chance(10) {
		r.RootState = map[metastore.SlotID]bool{m.slot(): m.chance(50)}
	}
	if m.chance(10) {
		r.Check = m.check()
	}
	return r
}

// change builds mostly on the newest record.
func (m *model) change() metastore.SlotChange {
	id := m.slot()
	recs, err := m.mem.Slots(m.t.Context(), []metastore.SlotID{id})
	if err != nil {
		m.t.Fatal(err)
	}
	c := metastore.SlotChange{ID: id, Base: recs[0].Hash, Owner: m.slot()}
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

// step does one random call on a store with what was drawn, and gives all that it answered.
func (m *model) step() func(s metastore.Store) any {
	ctx := m.t.Context()
	kinds := func(errs ...error) (ks []kind.Kind) {
		for _, err := range errs {
			ks = append(ks, kind.Of(err))
		}
		return ks
	}
	gateway, draft := m.gateway(), m.draft()
	switch n := m.random.IntN(100); {
	case n < 55:
		var reqs []*metastore.Request
		for range 1 + m.random.IntN(3) {
			reqs = append(reqs, m.request())
		}
		return func(s metastore.Store) any { return kinds(s.Commit(ctx, reqs...)...) }
	case n < 70:
		var rows []metastore.BlockRow
		for _, id := range m.ids(3, m.block) {
			rows = append(rows, metastore.BlockRow{ID: id, Len: int64(id[1]) + 1})
		}
		return func(s metastore.Store) any { return kinds(s.Register(ctx, gateway, draft, rows)) }
	case n < 73:
		return func(s metastore.Store) any { return kinds(s.EndDraft(ctx, draft)) }
	case n < 80:
		seq, err := m.mem.Seq(ctx)
		if err != nil {
			m.t.Fatal(err)
		}
		oldest, ttl := seq*uint64(m.random.IntN(2)), time.Duration(1+m.random.IntN(60))
		return func(s metastore.Store) any { return kinds(s.Heartbeat(ctx, gateway, oldest, ttl)) }
	case n < 86:
		ids := append(m.ids(9, m.block), m.ids(3, m.node)...)
		return func(s metastore.Store) any { return condemn(ctx, s, ids) }
	case n < 89:
		ids, before := append(m.ids(9, m.block), m.ids(3, m.node)...), m.clock.now().Add(-time.Duration(m.random.IntN(20)))
		return func(s metastore.Store) any {
			rows, err := s.Collector().BeginDelete(ctx, ids, before)
			return fmt.Sprint(rows, kinds(err))
		}
	case n < 91:
		ids := append(m.ids(9, m.block), m.ids(3, m.node)...)
		return func(s metastore.Store) any { return kinds(s.Collector().EndDelete(ctx, ids)) }
	case n < 93:
		ids := m.ids(9, m.block)
		return func(s metastore.Store) any { return kinds(s.Collector().Absolve(ctx, ids)) }
	case n < 95:
		until, why := m.clock.now().Add(time.Duration(m.random.IntN(100))), fmt.Sprint(n)
		return func(s metastore.Store) any {
			seq, err := s.Collector().Pin(ctx, until, why)
			m.pins = append(m.pins, seq)
			return fmt.Sprint(seq, kinds(err))
		}
	case n < 96 && len(m.pins) > 0:
		seq := m.pins[m.random.IntN(len(m.pins))]
		return func(s metastore.Store) any { return kinds(s.Collector().Unpin(ctx, seq)) }
	default:
		const keep = 30 // always the same: what it dropped once is never asked for
		dry := m.chance(30)
		return func(s metastore.Store) any {
			got, err := s.Collector().Reap(ctx, keep, dry)
			if dry {
				return kinds(err) // a node named dead by several commits may count as often
			}
			// With pins, a store may keep more of its log than it must.
			return fmt.Sprint(got.Nodes, got.NodeBytes, kinds(err))
		}
	}
}

func condemn(ctx context.Context, s metastore.Store, ids []metastore.ID) any {
	v, err := s.Collector().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	n, err := s.Collector().Condemn(ctx, v, ids)
	return fmt.Sprint(n, kind.Of(err))
}

// contents is all that a view shows, and what nodes are there.
func (m *model) contents(s metastore.Store) (all []any) {
	ctx := m.t.Context()
	v, err := s.Collector().Snapshot(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	defer v.Close()
	all = append(all, v.Seq(), v.Time())
	for r, err := range v.AllSlots(ctx) {
		all = append(all, r, err)
	}
	for r, err := range v.AllBlocks(ctx) {
		all = append(all, r, err)
	}
	for r, err := range v.AllRoots(ctx) {
		all = append(all, r, err)
	}
	pins, err := v.Pins(ctx)
	all = append(all, pins, err)
	for _, p := range pins {
		for r, err := range v.SlotsAt(ctx, p.Seq) {
			all = append(all, r, err)
		}
	}
	drafts, err := v.LiveDrafts(ctx)
	blocks, size, err2 := v.Usage(ctx)
	all = append(all, drafts, err, blocks, size, err2)
	var ids []metastore.ID
	for i := range byte(40) {
		ids = append(ids, sha256.Sum256(bytes.Repeat([]byte{i}, 50)))
	}
	nodes, err := v.Nodes(ctx, ids)
	return append(all, nodes, err)
}

// TestLikeMemory drives sqlite and memory with the same random calls: both
// answer the same and hold the same, also across closing and opening again.
func TestLikeMemory(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, random: rand.New(rand.NewPCG(seed, 7)), path: dbPath(t)}
			m.mem, m.sql = memory.New(memory.Clock(m.clock.now)), open(t, m.path, sqlite.Clock(m.clock.now))
			defer func() { m.sql.Close() }()
			for i := range 250 {
				m.clock.ticks.Add(1)
				call := m.step()
				if want, got := call(m.mem), call(m.sql); !reflect.DeepEqual(want, got) {
					t.Fatalf("step %d: memory answers %v, sqlite %v", i, want, got)
				}
				if i%10 == 9 {
					want, got := m.contents(m.mem), m.contents(m.sql)
					for j := range want {
						if j >= len(got) || !reflect.DeepEqual(want[j], got[j]) {
							t.Fatalf("step %d: memory has\n%+v\nsqlite has\n%+v", i, want[j], got[min(j, len(got)-1)])
						}
					}
				}
				if i%97 == 96 {
					m.sql.Close()
					m.sql = open(t, m.path, sqlite.Clock(m.clock.now))
				}
			}
		})
	}
}
