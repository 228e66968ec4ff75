package metastoretest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
)

// Clock gives two stores the same times: one tick, of a nanosecond, a step.
type Clock struct {
	ticks atomic.Int64
	// OnTick, if set, hears each time.
	OnTick func(time.Time)
}

// Now is the time.
func (c *Clock) Now() time.Time {
	return time.Unix(1_700_000_000, 0).UTC().Add(time.Duration(c.ticks.Load()))
}

func (c *Clock) tick() {
	c.ticks.Add(1)
	if c.OnTick != nil {
		c.OnTick(c.Now())
	}
}

// LikeMemory drives a driver and package memory with the same random calls: both
// answer the same and hold the same, also across closing and opening again. The
// stores that open and reopen give take their time from the clock; reopen closes
// the one that it gets.
func LikeMemory(t *testing.T, steps int, open func(*testing.T, *Clock) metastore.Store, reopen func(*testing.T, metastore.Store, *Clock) metastore.Store) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, random: rand.New(rand.NewPCG(seed, 7))}
			m.mem, m.other = memory.New(memory.Clock(m.clock.Now)), open(t, &m.clock)
			defer func() { m.other.Close() }()
			for i := range steps {
				m.clock.tick()
				call := m.step()
				if want, got := call(m.mem), call(m.other); !reflect.DeepEqual(want, got) {
					t.Fatalf("step %d: memory answers %v, the driver %v", i, want, got)
				}
				if i%10 == 9 {
					m.compare(i)
				}
				if i%97 == 96 {
					m.other = reopen(t, m.other, &m.clock)
				}
			}
		})
	}
}

// model drives two stores with the same random calls.
type model struct {
	t          *testing.T
	random     *rand.Rand
	clock      Clock
	mem, other metastore.Store
	pins       []uint64
}

func (m *model) compare(step int) {
	want, got := m.contents(m.mem), m.contents(m.other)
	for j := range want {
		if j >= len(got) || !reflect.DeepEqual(want[j], got[j]) {
			m.t.Fatalf("step %d: memory has\n%+v\nthe driver has\n%+v", step, want[j], got[min(j, len(got)-1)])
		}
	}
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
	for i := range byte(6) {
		files, size, err := v.Charged(ctx, metastore.SlotID{1, i})
		all = append(all, files, size, err)
	}
	var ids []metastore.ID
	for i := range byte(40) {
		ids = append(ids, sha256.Sum256(bytes.Repeat([]byte{i}, 50)))
	}
	nodes, err := v.Nodes(ctx, ids)
	all = append(all, nodes, err)
	for k := range uint8(2) {
		st, err := s.SealedState(ctx, k)
		all = append(all, st, err)
		rows, err := s.SealedRows(ctx, k, metastore.SealedPlace{}, 100)
		for _, r := range rows {
			all = append(all, r)
		}
		all = append(all, err)
	}
	if r, ok := metastore.As[metastore.Repairer](s); ok {
		counts, err := r.CountRepairs(ctx)
		all = append(all, counts, err)
	}
	return all
}

func condemnAll(ctx context.Context, s metastore.Store, ids []metastore.ID) any {
	v, err := s.Collector().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	n, err := s.Collector().Condemn(ctx, v, ids)
	return fmt.Sprint(n, kind.Of(err))
}
