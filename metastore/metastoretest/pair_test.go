package metastoretest_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

// told is a store in memory that hints at its own commits.
type told struct {
	*memory.Store
	mu    sync.Mutex // guards hints
	hints []chan []metastore.SlotID
}

func (n *told) Exclusive() bool { return false }

func (n *told) Commit(ctx context.Context, reqs ...*metastore.Request) []error {
	errs := n.Store.Commit(ctx, reqs...)
	var ids []metastore.SlotID
	for _, r := range reqs {
		for _, c := range r.Slots {
			ids = append(ids, c.ID)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.hints {
		select {
		case c <- ids:
		default:
		}
	}
	return errs
}

func (n *told) Notify(ctx context.Context) (<-chan []metastore.SlotID, error) {
	c := make(chan []metastore.SlotID, 100)
	n.mu.Lock()
	n.hints = append(n.hints, c)
	n.mu.Unlock()
	context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.hints = slices.DeleteFunc(n.hints, func(o chan []metastore.SlotID) bool { return o == c })
		close(c)
	})
	return c, nil
}

// TestPairsOfOne: two gateways that share one true store pass.
func TestPairsOfOne(t *testing.T) {
	t.Parallel()
	metastoretest.Run(t, func(*testing.T) metastore.Store { return memory.New() },
		metastoretest.Pair(func(*testing.T) (a, b metastore.Store) {
			s := &told{Store: memory.New()}
			return s, s
		}),
		metastoretest.Reopen(func(_ *testing.T, s metastore.Store) metastore.Store { return s }))
}

// deaf hints badly.
type deaf struct {
	*mutant
	notify func(ctx context.Context) (<-chan []metastore.SlotID, error)
}

func (d *deaf) Notify(ctx context.Context) (<-chan []metastore.SlotID, error) { return d.notify(ctx) }

// TestPairMutants breaks what two stores have in common.
func TestPairMutants(t *testing.T) {
	t.Parallel()
	both := func(spoil func(m *mutant)) func(m *memory.Store) (a, b metastore.Store) {
		return func(s *memory.Store) (a, b metastore.Store) {
			m := &mutant{Store: s}
			spoil(m)
			return m, m
		}
	}
	second := func(spoil func(m *mutant)) func(m *memory.Store) (a, b metastore.Store) {
		return func(s *memory.Store) (a, b metastore.Store) {
			m := &mutant{Store: s}
			spoil(m)
			return s, m
		}
	}
	hinting := func(notify func(ctx context.Context) (<-chan []metastore.SlotID, error)) func(m *memory.Store) (a, b metastore.Store) {
		return func(s *memory.Store) (a, b metastore.Store) { return s, &deaf{&mutant{Store: s}, notify} }
	}
	tests := []struct {
		name  string
		make  func(*memory.Store) (a, b metastore.Store)
		fails string
	}{
		{"caches what it has read", second(func(m *mutant) {
			var mu sync.Mutex
			cache := map[metastore.SlotID]metastore.Record{}
			m.slots = func(ctx context.Context, ids []metastore.SlotID) ([]metastore.Record, error) {
				recs, err := m.Store.Slots(ctx, ids)
				mu.Lock()
				defer mu.Unlock()
				for i, r := range recs {
					if old, is := cache[r.ID]; is {
						recs[i] = old
					}
					cache[r.ID] = recs[i]
				}
				return recs, err
			}
		}), "SeesTheOthers"},
		{"has an identity of its own", second(func(m *mutant) {
			m.identity = func(context.Context) (metastore.Identity, error) { return metastore.Identity{UUID: [16]byte{1}}, nil }
		}), "SeesTheOthers"},
		{"loses an update now and then", both(func(m *mutant) {
			var n atomic.Int32
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				if n.Add(1)%9 == 0 {
					return make([]error, len(reqs))
				}
				return m.Store.Commit(ctx, reqs...)
			}
		}), "SwapRace"},
		{"registers what is there", both(func(m *mutant) {
			m.register = func(ctx context.Context, g metastore.GatewayID, d metastore.DraftID, rows []metastore.BlockRow) error {
				_ = m.Store.Register(ctx, g, d, rows)
				return nil
			}
		}), "RegisterRace"},
		{"knows no limits", both(spoilCharges(func(c *metastore.Charge) { c.MaxFiles = 0 })), "ChargeRace"},
		{"replaces whatever is there", both(replacing), "SealedRace"},
		{"checks side by side", both(func(m *mutant) {
			turn := make(chan struct{})
			m.commit = func(ctx context.Context, reqs ...*metastore.Request) []error {
				c := *reqs[0]
				if c.DirMove {
					err := c.Check(ctx, m.Store)
					select { // wait for the other one to have checked too
					case turn <- struct{}{}:
					case <-turn:
					}
					c.Check = func(context.Context, metastore.Reader) error { return err }
				}
				return m.Store.Commit(ctx, &c)
			}
		}), "DirMoveRace"},
		{"seq runs ahead", second(func(m *mutant) {
			m.seq = func(ctx context.Context) (uint64, error) {
				seq, err := m.Store.Seq(ctx)
				return seq + 1, err
			}
		}), "SeqBoundsReads"},
		{"views older than they say", second(withCollector(func(c metastore.Collector, m *mutantCollector) {
			m.snapshot = func(ctx context.Context) (metastore.View, error) {
				v, err := c.Snapshot(ctx)
				return shiftedView{v, time.Hour}, err
			}
		})), "ViewTime"},
		{"keeps its leases to itself", both(func(m *mutant) {
			m.heartbeat = func(context.Context, metastore.GatewayID, uint64, time.Duration) error { return nil }
		}), "Leases"},
		{"leads without asking", second(withCollector(func(_ metastore.Collector, m *mutantCollector) {
			m.lead = func(context.Context, metastore.GatewayID, time.Duration) (bool, error) { return true, nil }
		})), "Lead"},
		{"queues of its own", second(func(m *mutant) {
			own := memory.New()
			m.add, m.repairs, m.end = own.AddRepairs, own.Repairs, own.EndRepairs
		}), "Repairs"},
		{"closes its hints at once", hinting(func(context.Context) (<-chan []metastore.SlotID, error) {
			c := make(chan []metastore.SlotID)
			close(c)
			return c, nil
		}), "Notify"},
		{"can't hint", hinting(func(context.Context) (<-chan []metastore.SlotID, error) {
			return nil, context.Canceled
		}), "Notify"},
	}
	checks := map[string]metastoretest.PairCheck{}
	for _, c := range metastoretest.PairChecks() {
		checks[c.Name] = c
	}
	caught := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, known := checks[tt.fails]
			if !known {
				t.Fatalf("no check is named %s", tt.fails)
			}
			caught[tt.fails] = true
			a, b := tt.make(memory.New())
			if err := c.Run(t.Context(), a, b); err == nil {
				t.Errorf("check %s finds nothing wrong", tt.fails)
			}
		})
	}
	for name := range checks {
		if !caught[name] {
			t.Errorf("no mutant fails check %s", name)
		}
	}
}
